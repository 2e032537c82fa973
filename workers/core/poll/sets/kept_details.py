"""The details of an item as they were published last: an event of what the list alone shows repeats them."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from workers.core.poll.change import VendorOrder
from workers.core.poll.vendor_item import Item

_BYTES: Final = "bytes"  # the only key of the JSON object that stands for bytes, which JSON has not


def pack_details(item: Item) -> bytes:
    """Pack what only the details show of the item; never empty."""
    if isinstance(item, VendorOrder):
        told: Mapping[str, Any] = {"shipments": item.shipments}
    else:
        told = {name: item.content.get(name) for name in item.kind.details}
    return zlib.compress(orjson.dumps(told, default=_json))


def with_details(item: Item, packed: bytes) -> Item:
    """The item as the list shows it, with these details."""
    told = _plain(orjson.loads(zlib.decompress(packed)))
    if isinstance(item, VendorOrder):
        return replace(item, shipments=told["shipments"])
    return replace(item, content={**item.content, **told})


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: value.hex()}
    raise TypeError(f"details hold a {type(value).__name__}")


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_BYTES}:
        return bytes.fromhex(value[_BYTES])
    return {name: _plain(one) for name, one in value.items()}
