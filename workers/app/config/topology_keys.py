"""Which keys there are, so that a wrong one can be told from a misplaced or a misspelt one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from workers.app.config.errors import did_you_mean, nearest
from workers.app.config.topology import PollerSpec, SinkSpec
from workers.vendors.contract import Vendor

INNER = frozenset({"name", "options"})
"""Fields that no key of topics.yaml sets: the name is the block's own key, options stand flat beside the others."""

POLLER_KEYS = frozenset({"publishes", "state", "every"})


def model_keys(model: type[BaseModel], leave_out: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Each key that may be written, as the way to it; a block's own key comes before the keys in it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in leave_out:
            continue
        yield (key,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((key, *rest) for rest in model_keys(field.annotation))


def is_poller(block: Mapping[str, Any]) -> bool:
    """Whether a worker's block is a poller's, by its keys."""
    return bool(POLLER_KEYS & block.keys()) and "consumes" not in block


def worker_keys(vendor: Vendor, block: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Each key that the worker's block may have, the vendor's own among them."""
    model, options = (PollerSpec, vendor.poller_options) if is_poller(block) else (SinkSpec, vendor.sink_options)
    return [*model_keys(model, INNER), *(model_keys(options) if options else ())]


def unknown_key(keys: tuple[str, ...], known: list[tuple[str, ...]]) -> str:
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


def put(block: dict[str, Any], way: tuple[str, ...], value: Any) -> None:
    """Set a value deep in nested maps, making the maps on the way."""
    *blocks, key = way
    for name in blocks:
        inner = block.get(name)
        block[name] = dict(inner) if isinstance(inner, dict) else {}
        block = block[name]
    block[key] = value
