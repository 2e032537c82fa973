"""Which keys there are, so that a wrong one can be told from a misplaced or a misspelt one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from workers.app.config_errors import did_you_mean, nearest
from workers.app.topology import SinkSpec
from workers.vendors import Vendor

INNER = frozenset({"name", "options"})
"""Fields that no key of topics.yaml sets: the name is the block's own key, options stand flat beside the others."""


def model_keys(model: type[BaseModel], leave_out: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Each key that may be written, as the way to it; a block's own key comes before the keys in it."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key in leave_out:
            continue
        yield (key,)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((key, *rest) for rest in model_keys(field.annotation))


def sink_keys(vendor: Vendor) -> list[tuple[str, ...]]:
    """Each key of a sink's block, the vendor's own among them."""
    own = list(model_keys(vendor.sink_options)) if vendor.sink_options else []
    return [*model_keys(SinkSpec, INNER), *own]


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
