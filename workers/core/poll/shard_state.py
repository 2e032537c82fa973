"""A shard's rows of the state topic in memory, and what one reading of the vendor adds to them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from workers.core.poll.change import ChangeOp, VendorOrder
from workers.core.poll.cursor import Cursor
from workers.core.poll.last_published import LastPublished, adopted, change_of, unpack_last_published
from workers.core.poll.sets.known_row import KnownRow, unpack_known_row
from workers.core.poll.step import OrderUpdate, Step
from workers.core.poll.time_range import SECOND_MS
from workers.core.poll.vendor_event import PublishedEventIds, unpack_event_ids

ROW_VERSION: Final = 1


class RowKind(StrEnum):
    """What a row of a poller's state topic holds; the value is its ``kind``."""

    CURSOR = "cursor"
    ORDER = "order"
    EVENTS = "events"  # that were published of an order
    SET_ROW = "row"
    BUDGET = "budget"  # what a process has spent; a shard passes it over


@dataclass(slots=True)
class SetState:
    """One set's rows, packed."""

    rows: dict[str, bytes] = field(default_factory=dict)  # `KnownRow`, by the row's key
    cursor: Cursor | None = None
    # How often parts of a row have changed, by the row's key, since this process loaded the state. A row is read with
    # its details, and written later: what changed between the two must be read again.
    touches: Counter[str] = field(default_factory=Counter)

    def put(self, key: str, body: bytes | None) -> None:
        """Take over a packed row; None: its tombstone."""
        _put(self.rows, key, body)

    def known(self, key: str) -> KnownRow | None:
        body = self.rows.get(key)
        return None if body is None else unpack_known_row(body)


@dataclass(slots=True)
class ShardState:
    """One shard's rows, packed. Only `accept` changes them: a step that was not written leaves no trace."""

    orders: dict[str, bytes] = field(default_factory=dict)  # `LastPublished`, by order key
    cursor: Cursor | None = None
    event_ids: dict[str, bytes] = field(default_factory=dict)  # `PublishedEventIds`, by order number
    sets: defaultdict[str, SetState] = field(default_factory=lambda: defaultdict(SetState))  # by the set's name

    def step(self, orders: Iterable[VendorOrder], cursor: Cursor, *, fields: Sequence[str], now_ms: int) -> Step:
        """What to write after the vendor showed these orders; ``fields`` as for `change_of`."""
        updates: dict[str, OrderUpdate] = {}
        for order in orders:
            update = updates.get(order.key, OrderUpdate(order.order_number, order.account))
            before = update.last_published or self.last_published(order.key)
            found = change_of(before, order, fields=fields, first_op=_first_op(order, cursor), now_ms=now_ms)
            if found is not None:
                changes = (*update.changes, found[0])
                updates[order.key] = replace(update, changes=changes, last_published=found[1])
            elif (row := adopted(before, order)) is not None:
                updates[order.key] = replace(update, last_published=row)
        return Step(cursor, tuple(updates.values()))

    @property
    def row_count(self) -> int:
        """How many orders, and rows of sets, it remembers."""
        return len(self.orders) + sum(len(one.rows) for one in self.sets.values())

    def accept(self, step: Step) -> None:
        if step.set_name:
            self.sets[step.set_name].cursor = step.cursor
        else:
            self.cursor = step.cursor
        for row in step.rows:
            self.sets[row.set_name].put(row.key, row.row)
            if row.touches:
                self.sets[row.set_name].touches[row.key] += 1
        for update in step.updates:
            if update.forgotten:
                self.put_order(update.key, None)
                self.put_event_ids(update.order_number, None)
            if update.last_published is not None:
                self.put_order(update.key, update.last_published.pack())
            if update.event_ids is not None:
                self.put_event_ids(update.order_number, update.event_ids.pack())

    def put_order(self, key: str, body: bytes | None) -> None:
        """Take over a packed `LastPublished`; None: its tombstone."""
        _put(self.orders, key, body)

    def put_event_ids(self, order_number: str, body: bytes | None) -> None:
        """Take over a packed `PublishedEventIds`; None: its tombstone."""
        _put(self.event_ids, order_number, body)

    def last_published(self, key: str) -> LastPublished | None:
        """The last published state of an order; None: nothing was published."""
        body = self.orders.get(key)
        return None if body is None else unpack_last_published(body)

    def published_event_ids(self, order_number: str) -> PublishedEventIds | None:
        """The published events of an order; None: it was never looked at."""
        body = self.event_ids.get(order_number)
        return None if body is None else unpack_event_ids(body)

    def keys(self, wanted: Callable[[LastPublished], bool]) -> Iterator[str]:
        """The keys of the orders whose last published state is wanted, as of now."""
        return iter([key for key, body in self.orders.items() if wanted(unpack_last_published(body))])

    def tidied(self, keys: Iterable[str], cursor: Cursor, *, now_ms: int, rest_ms: int, forget_ms: int) -> Step:
        """Compact the rows of orders at rest and forget those at rest for long: this bounds the memory."""
        updates: list[OrderUpdate] = []
        for key in keys:
            row = self.last_published(key)
            account, _, order_number = key.partition("/")
            if row is None:
                continue
            if row.may_rest(now_ms, forget_ms):
                updates.append(OrderUpdate(order_number, account, forgotten=True))
            elif row.may_rest(now_ms, rest_ms) and not row.is_compacted:
                updates.append(OrderUpdate(order_number, account, last_published=row.compacted()))
        return Step(cursor, updates)


def _put(rows: dict[str, bytes], key: str, body: bytes | None) -> None:
    if body is None:
        rows.pop(key, None)
    else:
        rows[key] = body


def _first_op(order: VendorOrder, cursor: Cursor) -> ChangeOp:
    """An order that existed before this poller is a snapshot; a newer one is created.

    Stamps are whole seconds, rounded down, so the order may be as much as a second newer than its stamp.
    """
    if order.modified_ms is not None and order.modified_ms + SECOND_MS <= cursor.snapshot_until_ms:
        return "snapshot"
    return "created"
