"""The change of an item that is no order, and what of it a poller remembers: few bytes, and what events must repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Any, Final

import orjson

from workers.core.poll.change import DIGEST_BYTES, GONE, ChangeOp
from workers.core.poll.last_published import differing_fields, hash_fields
from workers.core.poll.vendor_item import ItemKind, VendorItem

_HEAD: Final = Struct(f"<IqH{DIGEST_BYTES}s")
_MAX_TEXT_CHARS: Final = 255


@dataclass(frozen=True, slots=True)
class ItemChange:
    op: ChangeOp
    sequence: int  # 1, 2, ... for the item, without a gap
    item: VendorItem
    previous: Mapping[str, Any] | None  # the kind's ``previous`` fields, as published last
    changed: tuple[str, ...]  # top-level fields that differ
    observed_ms: int


@dataclass(frozen=True, slots=True)
class LastItem:
    """What a poller remembers of an item."""

    sequence: int
    changed_ms: int  # when the last change was observed
    digest: bytes
    values: Mapping[str, Any]  # of the fields that identify it, and that its next event or its deletion repeats
    field_hashes: bytes = b""
    account: str = ""

    def pack(self) -> bytes:
        """The bytes of its row; texts are cut to 255 characters."""
        values = orjson.dumps([self.account, *(_packed(value) for value in self.values.values())])
        return _HEAD.pack(self.sequence, self.changed_ms, len(values), self.digest) + values + self.field_hashes


def unpack_last_item(body: bytes, kind: ItemKind) -> LastItem:
    """Read a packed row; raises `ValueError` for any other bytes."""
    if len(body) < _HEAD.size:
        raise ValueError("a row of an item is cut short")
    sequence, changed_ms, length, item_digest = _HEAD.unpack_from(body)
    end = _HEAD.size + length
    account, *values = [_unpacked(value) for value in orjson.loads(body[_HEAD.size : end])]
    named = dict(zip(_names(kind), values, strict=False))
    return LastItem(sequence, changed_ms, item_digest, named, body[end:], account)


def item_change_of(
    before: LastItem | None, item: VendorItem, *, fields: Sequence[str], first_op: ChangeOp, now_ms: int
) -> tuple[ItemChange, LastItem] | None:
    """The change to publish and the row after it; None when nothing that matters has changed. As `change_of`."""
    if before is not None and before.digest in {item.digest, *item.former_digests}:
        return None
    hashes = hash_fields(item.fields, fields, item.unread)
    if before is None:
        change = ItemChange(first_op, 1, item, None, (), now_ms)
    else:
        changed = differing_fields(before.field_hashes, hashes, fields)
        change = ItemChange("updated", before.sequence + 1, item, _previous(item.kind, before), changed, now_ms)
    values = {name: item.content.get(name) for name in _names(item.kind)}
    return change, LastItem(change.sequence, now_ms, item.digest, values, hashes, item.account)


def adopted_item(before: LastItem | None, item: VendorItem) -> LastItem | None:
    """As `adopted`."""
    if before is None or before.digest == item.digest or before.digest not in item.former_digests:
        return None
    return replace(before, digest=item.digest)


def item_deletion(before: LastItem, kind: ItemKind, now_ms: int) -> tuple[ItemChange, LastItem] | None:
    """The deletion of an item, with its last values; None: it is published."""
    if before.digest == GONE:
        return None
    item = VendorItem(kind, before.values, GONE, {}, account=before.account)
    change = ItemChange("deleted", before.sequence + 1, item, _previous(kind, before), (), now_ms)
    return change, replace(before, sequence=change.sequence, changed_ms=now_ms, digest=GONE, field_hashes=b"")


def item_identity(item: VendorItem) -> str:
    """What identifies it at its vendor, besides the account: the Kafka key without the vendor."""
    return ":".join(str(item.content.get(name, "")) for name in item.kind.identity)


def item_event(vendor: str, change: ItemChange) -> dict[str, Any]:
    """The content of the event, by the kind's schema. A missing field has the schema's default."""
    item = change.item
    return {
        **item.content,
        "event_id": f"{vendor}:{item.account}:{item_identity(item)}:{change.sequence}:{item.digest.hex()}",
        "op": change.op,
        "vendor": vendor,
        "account": item.account,
        "previous": change.previous,
        "changed": list(change.changed),
        "sequence": change.sequence,
        "vendor_modified_at": item.modified_ms,
        "observed_at": change.observed_ms,
        "raw": item.raw,
    }


def _names(kind: ItemKind) -> tuple[str, ...]:
    return (*kind.identity, *kind.previous, *kind.kept)


def _previous(kind: ItemKind, before: LastItem) -> dict[str, Any]:
    return {name: before.values.get(name) for name in kind.previous}


def _packed(value: Any) -> Any:
    """JSON has no bytes: decimals stand as their digits in a list."""
    if isinstance(value, bytes):
        return [value.hex()]
    return value[:_MAX_TEXT_CHARS] if isinstance(value, str) else value


def _unpacked(value: Any) -> Any:
    return bytes.fromhex(value[0]) if isinstance(value, list) else value
