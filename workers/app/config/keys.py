"""Which keys topics.yaml may have, to find the one that a misspelt or misplaced key was meant to be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from workers.app.config.errors import did_you_mean, nearest
from workers.app.config.specs import INNER, PollerSpec, SinkSpec, is_poller, options_of
from workers.vendors.contract import Vendor


def model_keys(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Each key that may be written, as the way to it; a block's own key comes before the keys in it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in INNER:
            continue
        yield (key,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((key, *rest) for rest in model_keys(field.annotation))


def worker_keys(vendor: Vendor, block: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Each key that the worker's block may have, the vendor's own among them."""
    poller = is_poller(block)
    options = options_of(vendor, poller=poller)
    return [*model_keys(PollerSpec if poller else SinkSpec), *(model_keys(options) if options else ())]


def unknown_key(keys: tuple[str, ...], known: Sequence[tuple[str, ...]]) -> str:
    """Say that there is no such key, and which one was probably meant, at this level or another."""
    *block, key = keys
    here = sorted(way[-1] for way in known if list(way[:-1]) == block)
    close = nearest(key, here)
    if close is None:
        elsewhere: Mapping[str, tuple[str, ...]] = {way[-1]: way for way in known if list(way[:-1]) != block}
        other = nearest(key, elsewhere, cutoff=0.75)
        if other is not None:
            return f"unknown key '{key}' here; did you mean '{'.'.join(elsewhere[other])}'? Check the indentation"
    return f"unknown key '{key}'{did_you_mean(key, here)}"
