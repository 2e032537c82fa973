"""What a poller remembers of one row of a set, in few bytes: the row's digest, and what was published of its item."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final, Self

from workers.core.poll.change import (
    DIGEST_BYTES,
    GONE,
    QUIET,
    ChangeOp,
    Stage,
    StageChange,
    VendorOrder,
)
from workers.core.poll.item_change import (
    ItemChange,
    LastItem,
    adopted_item,
    item_change_of,
    item_deletion,
    unpack_last_item,
)
from workers.core.poll.last_published import (
    LastPublished,
    adopted,
    change_of,
    deletion_of,
    holds_any,
    lacks_any,
    unpack_last_published,
)
from workers.core.poll.sets.plan import RowTime
from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.core.poll.vendor_item import ITEM_KINDS, Item

_HEAD: Final = Struct(f"<BqIB{DIGEST_BYTES}sB")
_VERSION: Final = 2
_VERSION_WITH_DETAILS: Final = 3  # such a row has their length and their bytes before ``published``
_LENGTH: Final = Struct("<I")
_MAX_ORDER_ID_BYTES: Final = 255  # a longer text is no order id; its beginning would be another order's
_NOT_SHOWN: Final = -1
_OPEN, _TOUCHED = 1, 2
_CREATED: Final = Struct("<qI")
_CREATED_AT: Final = 1  # the place of the creation time in a packed row
_FLAGS_AT: Final = 13


@dataclass(frozen=True, slots=True)
class KnownRow:
    digest: bytes  # of the row as it was handled last; `GONE`: it was deleted
    # When it was created; where the list does not show that, all ranges that showed the row, as far as they overlap.
    # None: the set has no such times.
    created: TimeRange | None = None
    is_open: bool = False
    is_touched: bool = False  # a part of it has changed: its details must be read again
    order_id: str = ""  # of an order, for the event of its deletion; items keep theirs in ``published``
    # `LastPublished` or `LastItem`, packed; of a part, the key of the row that it is about.
    published: bytes = b""
    # `pack_details` of its last event, while the row may still change; empty: none are kept, or none were published.
    details: bytes = b""

    @property
    def is_gone(self) -> bool:
        return self.digest == GONE

    @property
    def is_wanted(self) -> bool:
        """Whether the window of its creation time is read with each beat."""
        return (self.is_open or self.is_touched) and not self.is_gone

    def gone(self, published: bytes) -> Self:
        """The row after its deletion; its sequence number stays, in case that it comes back."""
        return replace(self, digest=GONE, is_open=False, is_touched=False, published=published, details=b"")

    def pack(self) -> bytes:
        start_ms, end_ms = self.created or (_NOT_SHOWN, _NOT_SHOWN)
        flags = _OPEN * self.is_open | _TOUCHED * self.is_touched
        width_s = -(-(end_ms - start_ms) // SECOND_MS)
        order_id = self.order_id.encode()
        version, details = _VERSION, b""
        if self.details:
            version, details = _VERSION_WITH_DETAILS, _LENGTH.pack(len(self.details)) + self.details
        head = _HEAD.pack(version, start_ms, width_s, flags, self.digest, len(order_id))
        return head + order_id + details + self.published


def unpack_known_row(body: bytes) -> KnownRow:
    """Read a packed row; raises `ValueError` for any other bytes."""
    if len(body) < _HEAD.size:
        raise ValueError("a row of a set is cut short")
    version, start_ms, width_s, flags, digest, length = _HEAD.unpack_from(body)
    if version not in {_VERSION, _VERSION_WITH_DETAILS}:
        raise ValueError("a row of a set of another release")
    created = None if start_ms == _NOT_SHOWN else TimeRange(start_ms, start_ms + width_s * SECOND_MS)
    order_id, rest, details = body[_HEAD.size : _HEAD.size + length].decode(), body[_HEAD.size + length :], b""
    if version == _VERSION_WITH_DETAILS:
        end = _LENGTH.size + _LENGTH.unpack_from(rest)[0]
        details, rest = rest[_LENGTH.size : end], rest[end:]
    return KnownRow(digest, created, bool(flags & _OPEN), bool(flags & _TOUCHED), order_id, rest, details)


def kept_order_id(item: Item | None) -> str:
    """`KnownRow.order_id` of an item."""
    order_id = (item.order_id or "") if isinstance(item, VendorOrder) else ""
    return order_id if len(order_id.encode()) <= _MAX_ORDER_ID_BYTES else ""


def row_time(key: str, body: bytes) -> RowTime:
    """Of a packed row, when it was created and whether it is wanted; far faster than unpacking."""
    start_ms, width_s = _CREATED.unpack_from(body, _CREATED_AT)
    is_wanted = bool(body[_FLAGS_AT]) and not body.startswith(GONE, _FLAGS_AT + 1)
    return RowTime(start_ms, start_ms + width_s * SECOND_MS, key, is_wanted)


@dataclass(frozen=True, slots=True)
class Published:
    """What is published of a row, and what is then remembered of it."""

    changes: tuple[StageChange | ItemChange, ...]
    row: bytes  # `KnownRow.published`


def publish(
    before: bytes,
    item: Item,
    *,
    fields: Sequence[str],
    first_op: ChangeOp,
    now_ms: int,
    has_told_details: bool = False,
) -> Published:
    """Compare an item with what was published of it last; ``before``: `KnownRow.published`, empty: nothing.

    ``has_told_details``: the last event had these details. If it was published without reading them, and nothing else
    has changed, there is nothing to publish.
    """
    if isinstance(item, VendorOrder):
        last = unpack_last_published(before) if before else None
        found = change_of(last, item, fields=fields, first_op=first_op, now_ms=now_ms)
        if found is None:
            row = adopted(last, item)
            return Published((), before if row is None else row.pack())
        if has_told_details and last is not None and last.stage == item.stage and _is_read_again(found[0], last):
            return Published((), replace(found[1], sequence=last.sequence, changed_ms=last.changed_ms).pack())
        return Published((found[0],), found[1].pack())
    last_item = unpack_last_item(before, item.kind) if before else None
    change = item_change_of(last_item, item, fields=fields, first_op=first_op, now_ms=now_ms)
    if change is None:
        adopted_row = adopted_item(last_item, item)
        return Published((), before if adopted_row is None else adopted_row.pack())
    after = change[1]
    is_same = last_item is not None and unpack_last_item(after.pack(), item.kind).values == last_item.values
    if has_told_details and last_item is not None and is_same and _is_read_again(change[0], last_item):
        return Published((), replace(after, sequence=last_item.sequence, changed_ms=last_item.changed_ms).pack())
    return Published((change[0],), change[1].pack())


def _is_read_again(change: StageChange | ItemChange, last: LastPublished | LastItem) -> bool:
    """Whether the last event lacked a reading of fields that are read now, and all fields that it read are the same."""
    return not change.changed and lacks_any(last.field_hashes)


def delete(key: str, known: KnownRow, record: str, now_ms: int) -> Published:
    """Publish that an item is gone; ``record``: of the set's events. Of an order, ``key`` is its `VendorOrder.key`."""
    if record in ITEM_KINDS:
        kind = ITEM_KINDS[record]
        found = item_deletion(unpack_last_item(known.published, kind), kind, now_ms)
        return Published((), known.published) if found is None else Published((found[0],), found[1].pack())
    last = unpack_last_published(known.published)
    account, _, order_number = key.partition("/")
    progress = last.stage.progress if last.stage.progress in QUIET else "cancelled"
    stage = Stage(last.stage.name, None, last.stage.description, progress)
    gone = VendorOrder(order_number, stage, GONE, {}, account=account, order_id=known.order_id or None)
    deletion = deletion_of(last, gone, now_ms=now_ms)
    return Published((), known.published) if deletion is None else Published((deletion[0],), deletion[1].pack())


def has_told(published: bytes, item: Item, fields: Sequence[str]) -> bool:
    """Whether the last event showed any of what was not read of the item now; ``published``: not empty."""
    if isinstance(item, VendorOrder):
        hashes = unpack_last_published(published).field_hashes
    else:
        hashes = unpack_last_item(published, item.kind).field_hashes
    return holds_any(hashes, fields, item.unread)


def changed_ms(known: KnownRow, record: str) -> int:
    """When the last change of the row's item was observed."""
    if record in ITEM_KINDS:
        return unpack_last_item(known.published, ITEM_KINDS[record]).changed_ms
    return unpack_last_published(known.published).changed_ms
