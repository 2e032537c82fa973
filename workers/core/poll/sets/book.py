"""One set: which of its rows have changed, what is published of them, and which of them the vendor has deleted."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from workers.core.poll.change import ChangeOp, order_key
from workers.core.poll.cursor import Cursor
from workers.core.poll.sets.kept_details import pack_details, with_details
from workers.core.poll.sets.known_row import KnownRow, changed_ms, delete, has_told, kept_order_id, publish, row_time
from workers.core.poll.sets.plan import RowTime
from workers.core.poll.shard_state import SetState, ShardState
from workers.core.poll.step import RowUpdate, Step
from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.core.poll.vendor_item import Item, VendorItem, with_order_id
from workers.core.poll.vendor_set import SetReading, SetRow, VendorSet

AGREEING: Final = 2  # complete readings in a row that lack a row, until it counts as deleted
AGREEING_MANY: Final = 10  # the same when much of the set is missing at once: the fault may be the vendor's
MANY_ROWS: Final = 10
MANY_SHARE: Final = 0.25


@dataclass(slots=True, eq=False)
class SetBook:
    """Decides on readings of one set; nothing changes in ``state`` before a step is written.

    A pass is one reading of what is due, in one or more answers: `begin`, then `changed` and `step` for each answer,
    then `missing` with what a whole answer must have shown.
    """

    vendor_set: VendorSet
    state: ShardState
    _seen: set[str] = field(default_factory=set)  # rows that this pass has shown
    _missing: Counter[str] = field(default_factory=Counter)  # complete readings in a row that lacked the row

    @property
    def first_picture(self) -> bool:
        """Whether the set has not been read as a whole yet: what it shows are snapshots."""
        cursor = self._own.cursor
        return cursor is None or cursor.open_from_ms is not None

    def begin(self) -> None:
        self._seen.clear()

    def times(self) -> list[RowTime]:
        """When each row was created, for a plan; rows that were missing once are wanted.

        It may run in another thread than the loop: rows that are touched meanwhile are wanted by the next plan.
        """
        found = [row_time(key, body) for key, body in list(self._own.rows.items())]
        return [one._replace(is_wanted=True) if one.key in self._missing else one for one in found]

    def changed(self, reading: SetReading) -> list[SetRow]:
        """The rows of an answer that differ from what is known of them, each once."""
        rows = {row.key: row for row in reading.rows}
        self._seen.update(rows)
        return [row for row in rows.values() if _differs(self._own.known(row.key), row)]

    def known_keys(self) -> list[str]:
        """The keys of all rows that are known."""
        return list(self._own.rows)

    def is_late(self, row: SetRow, new_from_ms: int) -> bool:
        """Whether a beat would not have found the row's change: only the full reading did."""
        known = self._own.known(row.key)
        if known is not None:
            return not known.is_wanted
        return row.created_ms is not None and row.created_ms < new_from_ms

    def wants_details(self, row: SetRow) -> bool:
        """Of the first picture only open rows are worth further requests, and those that have changed meanwhile."""
        if self.vendor_set.detailed_at_once == 0:
            return False
        return row.is_open or not self.first_picture or row.key in self._own.rows

    def step(
        self, rows: Iterable[SetRow], cursor: Cursor, now_ms: int, *, done: TimeRange | None, touches: Counter[str]
    ) -> Step:
        """What to write of these rows, with their details where there are some.

        ``done``: of the answer that showed them; ``touches``: `SetState.touches` before the details were read.
        """
        updates = {row.key: self._update(row, cursor, now_ms, done, touches) for row in rows}
        touched = self._touched(rows, only_open=self.first_picture)
        return Step(cursor, set_name=self.vendor_set.name, rows=(*updates.values(), *touched.values()))

    def given_up(self, row: SetRow) -> SetRow | None:
        """What is published of a row whose details cannot be read: the list's fields, and the details published last.

        None: they are not kept, and an event without them would tell that the record has none any more.
        """
        known = self._own.known(row.key)
        if row.item is None or known is None or known.is_gone or not row.item.unread:
            return row
        if known.details:
            return replace(row, item=with_details(row.item, known.details))
        return None if has_told(known.published, row.item, self.vendor_set.fields) else row

    def withheld(self, keys: Iterable[str], cursor: Cursor) -> Step:
        """Ask for these rows again with each beat, and publish nothing of them."""
        rows = []
        for key in keys:
            known = self._own.known(key)
            if known is not None and not known.is_touched:
                rows.append(RowUpdate(self.vendor_set.name, key, replace(known, is_touched=True).pack()))
        return Step(cursor, set_name=self.vendor_set.name, rows=rows)

    def adopted(self, reading: SetReading, cursor: Cursor) -> Step:
        """Remember another time or openness of rows that have not changed: the next plans depend on it."""
        rows = {row.key: row for row in reading.rows}
        found = (self._adopted(row, reading.done) for row in rows.values())
        return Step(cursor, set_name=self.vendor_set.name, rows=[one for one in found if one is not None])

    def lacking(self, expected: Iterable[str]) -> list[str]:
        """The rows that this pass has not shown; none where that means nothing."""
        if not self.vendor_set.tells_deletions:
            return []
        return [key for key in expected if key not in self._seen and not self._is_gone(key)]

    def missing(self, expected: Iterable[str]) -> list[str]:
        """End a complete reading: the rows that it lacked, and that count as deleted now."""
        lacking = self.lacking(expected)
        for key in self._seen & self._missing.keys():
            del self._missing[key]
        self._missing.update(lacking)
        many = len(self._missing) > max(MANY_ROWS, len(self._own.rows) * MANY_SHARE)
        least = AGREEING_MANY if many else AGREEING
        return [key for key in lacking if self._missing[key] >= least]

    def deletions(self, keys: Iterable[str], cursor: Cursor, now_ms: int) -> Step:
        """Publish that these rows are gone; of a part, its whole is read again."""
        found = [self._deletion(key, now_ms) for key in keys]
        parts = [SetRow(one.key, b"", about=self._about(one.key)) for one in found if one.row is None]
        return Step(cursor, set_name=self.vendor_set.name, rows=(*found, *self._touched(parts).values()))

    def accept(self, step: Step) -> None:
        """The step is written, and ``state`` has accepted it."""
        for row in step.rows:
            if row.set_name == self.vendor_set.name and (row.row is None or self._is_gone(row.key)):
                self._missing.pop(row.key, None)

    def forgettable(self, now_ms: int, forget_ms: int, horizon_ms: int) -> Iterator[str]:
        """The rows that no reading will show again, and that have not changed for ``forget_ms``.

        Invariant: a row that can still be shown is kept. Otherwise it would be published as a new one.
        """
        for key in list(self._own.rows):
            known = self._own.known(key)
            if known is None or not (known.is_gone or self._is_out_of_reach(key, known, horizon_ms)):
                continue
            record = self.vendor_set.publishes
            if record is None or now_ms - changed_ms(known, record) >= forget_ms:
                yield key

    def forgotten(self, keys: Iterable[str], cursor: Cursor) -> Step:
        rows = [RowUpdate(self.vendor_set.name, key, None) for key in keys]
        return Step(cursor, set_name=self.vendor_set.name, rows=rows)

    @property
    def _own(self) -> SetState:
        return self.state.sets[self.vendor_set.name]

    def _adopted(self, row: SetRow, done: TimeRange | None) -> RowUpdate | None:
        known = self._own.known(row.key)
        if known is None or _differs(known, row):
            return None
        details = known.details if row.is_open else b""
        after = replace(known, created=self._created(known, row, done), is_open=row.is_open, details=details)
        return None if after == known else RowUpdate(self.vendor_set.name, row.key, after.pack())

    def _is_gone(self, key: str) -> bool:
        known = self._own.known(key)
        return known is None or known.is_gone

    def _is_out_of_reach(self, key: str, known: KnownRow, horizon_ms: int) -> bool:
        if known.is_touched or key in self._seen:
            return False
        if self.vendor_set.kind == "created":  # only there an open row is read again with each beat
            return not known.is_open and known.created is not None and known.created.end_ms < horizon_ms
        return not self.vendor_set.tells_deletions

    def _update(
        self, row: SetRow, cursor: Cursor, now_ms: int, done: TimeRange | None, touches: Counter[str]
    ) -> RowUpdate:
        known = self._own.known(row.key)
        before = b"" if known is None else known.published
        touched_again = self._own.touches[row.key] != touches[row.key]
        created, order_id = self._created(known, row, done), kept_order_id(row.item)
        after = KnownRow(row.digest, created, row.is_open, touched_again, order_id)
        if row.item is None:
            packed = replace(after, published=(row.about or "").encode()).pack()
            return RowUpdate(self.vendor_set.name, row.key, packed)
        first_op, fields = self._first_op(row, cursor), self.vendor_set.fields
        details = self._kept_details(known, row)
        has_told = known is not None and bool(known.details) and details == known.details and not row.item.unread
        item = self._with_order_id(row.item)
        found = publish(before, item, fields=fields, first_op=first_op, now_ms=now_ms, has_told_details=has_told)
        kept = details if after.is_wanted else b""
        packed = replace(after, published=found.row, details=kept).pack()
        return RowUpdate(self.vendor_set.name, row.key, packed, found.changes)

    def _with_order_id(self, item: Item) -> Item:
        """The item with our id of the order that it names, as far as the set of orders knows the order by now.

        Its digest stays: an id that becomes known later makes no event, and is in the next one.
        """
        if self.vendor_set.orders_in is None or not isinstance(item, VendorItem):
            return item
        number = item.content.get("order_number")
        order = self.state.sets[self.vendor_set.orders_in].known(order_key(item.account, number)) if number else None
        if order is None or not order.order_id:
            return item
        return with_order_id(item, order.order_id)

    def _kept_details(self, known: KnownRow | None, row: SetRow) -> bytes:
        if row.item is None or not self.vendor_set.detailed_at_once:
            return b""
        if row.item.unread:
            return b"" if known is None else known.details
        return pack_details(row.item)

    def _first_op(self, row: SetRow, cursor: Cursor) -> ChangeOp:
        """A row that existed before this poller is a snapshot; a newer one is created. Stamps may be whole seconds."""
        stamp_ms = row.created_ms
        if stamp_ms is None and row.item is not None:
            stamp_ms = row.item.modified_ms
        is_older = stamp_ms is not None and stamp_ms + SECOND_MS <= cursor.snapshot_until_ms
        return "snapshot" if self.first_picture or is_older else "created"

    def _touched(self, parts: Iterable[SetRow], *, only_open: bool = False) -> dict[str, RowUpdate]:
        """Mark the rows that these parts are about: their details are read with their set's next beat.

        ``only_open``: of the first picture, in which only open rows have details. A part may have changed after these
        were read and before it was seen for the first time.
        """
        found: dict[str, RowUpdate] = {}
        whole = self.vendor_set.part_of
        for part in parts if whole is not None else ():
            known = None if whole is None or part.about is None else self.state.sets[whole].known(part.about)
            if known is None or known.is_gone or (only_open and not known.is_open):
                continue
            if whole is not None and part.about is not None:
                row = replace(known, is_touched=True).pack()
                found[part.about] = RowUpdate(whole, part.about, row, touches=True)
        return found

    def _deletion(self, key: str, now_ms: int) -> RowUpdate:
        known = self._own.known(key)
        record = self.vendor_set.publishes
        if known is None or record is None:
            return RowUpdate(self.vendor_set.name, key, None)
        found = delete(key, known, record, now_ms)
        return RowUpdate(self.vendor_set.name, key, known.gone(found.row).pack(), found.changes)

    def _about(self, key: str) -> str | None:
        known = self._own.known(key)
        return None if known is None else known.published.decode() or None

    def _created(self, known: KnownRow | None, row: SetRow, done: TimeRange | None) -> TimeRange | None:
        """When the row was created; where the list does not show it, what all ranges that showed it have in common.

        Invariant: the row's creation lies in it. Otherwise a reading of this range would miss the row.
        """
        if row.created_ms is not None:
            return TimeRange(row.created_ms, row.created_ms)
        if self.vendor_set.kind != "created" or done is None or known is None or known.created is None:
            return done if self.vendor_set.kind == "created" else None
        both = TimeRange(max(known.created.start_ms, done.start_ms), min(known.created.end_ms, done.end_ms))
        return done if both.end_ms < both.start_ms else both


def _differs(known: KnownRow | None, row: SetRow) -> bool:
    return known is None or known.is_touched or known.digest != row.digest
