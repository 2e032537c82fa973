"""A shard's tracked orders, read one by one: which is next, what its look means, and when it is done."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, NamedTuple

from workers.core.poll.change import GONE, order_key
from workers.core.poll.compacted_rows import CompactedRows, Row
from workers.core.poll.cursor import Cursor
from workers.core.poll.last_published import LastPublished
from workers.core.poll.order_look import Before, judge
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.schedule import DueQueue, LookSchedule, Now, OldestLook
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import AnsweredLook, OrderUpdate, Step

MAX_PUT_BACK: Final = 200  # rows in one transaction
MAX_FORGOTTEN: Final = 200  # orders in one transaction


class _DoneOrder(NamedTuple):
    done_ms: int
    order_number: str


@dataclass(slots=True, eq=False)
class OrderBook:
    """Decides what to read and what to write; `accept` records what was written.

    Invariant: neither `rows` nor `state` changes before the step is written. Otherwise a step whose transaction failed
    would count as published.
    """

    state: ShardState  # what the poller has published
    rows: CompactedRows[bytes]  # the tracked orders' rows, by order number
    read: ReadUntil  # of the tracked orders' topic
    schedule: LookSchedule
    forget_ms: int
    fields: Sequence[str]  # names of the vendor's top-level fields
    due: DueQueue = field(default_factory=DueQueue)
    oldest: OldestLook = field(default_factory=OldestLook)
    _in_flight: set[str] = field(default_factory=set)  # orders with a look in flight: no second look starts
    _missing_since: dict[str, int] = field(default_factory=dict)  # published orders that the last look did not find
    _done: deque[_DoneOrder] = field(default_factory=deque)  # oldest first

    def begin(self, now: Now) -> None:
        """Plan a look at every order now. Only the cursor says how long ago they were last read.

        At the very first start there is no cursor, and 0 says that nothing is complete.
        """
        cursor_ms = 0 if self.state.cursor is None else self.state.cursor.at_ms
        self.oldest.begin(dict.fromkeys(self.rows.rows, cursor_ms))
        for order_number, row in self.rows.rows.items():
            self.due.plan(order_number, now.tick_ms, self._interval_ms(row, now))
        untracked = (number for number in self.state.event_ids if number not in self.rows.rows)
        done = ((self.state.published_event_ids(number), number) for number in untracked)
        self._done = deque(sorted(_DoneOrder(ids.done_ms, number) for ids, number in done if ids and ids.done_ms))

    def row_changed(self, order_number: str, now: Now) -> None:
        """The order's row is new, or gone."""
        row = self.rows.rows.get(order_number)
        if row is None:
            self._drop(order_number)
            ids = self.state.published_event_ids(order_number)
            if ids is not None and ids.done_ms:  # a former owner ended it, and we read its tombstone only now
                self._done.append(_DoneOrder(ids.done_ms, order_number))
            return
        if order_number not in self._in_flight:
            self.due.plan(order_number, now.tick_ms, self.schedule.every_ms)
        if order_number not in self.oldest:
            self.oldest.looked(order_number, row.saved_ms)  # nothing happened to the order before it was saved

    def take(self, now: Now) -> Row[bytes] | None:
        """The row of the next order to be read; `failed` or `accept` gives the order back."""
        order_number = self.due.take(now.tick_ms)
        if order_number is None:
            return None
        self._in_flight.add(order_number)
        return self.rows.rows[order_number]

    def failed(self, order_number: str, delay_ms: int, now: Now) -> None:
        """The look failed; look again after the delay."""
        self._in_flight.discard(order_number)
        if order_number in self.rows.rows:
            self.due.plan(order_number, now.tick_ms + delay_ms, self.schedule.every_ms)

    def step(self, looks: Sequence[AnsweredLook], now: Now) -> Step:
        """What these looks change, which rows must be put back, and which orders are forgotten."""
        updates = {one.order_number: self._judge(one, now) for one in looks}
        done = {number for number, update in updates.items() if update.done}
        for row in islice((self.rows.rows[key] for key in self.rows.covered - done), MAX_PUT_BACK):
            updates[row.key] = replace(updates.get(row.key, OrderUpdate(row.key)), put_back=row)
        for number in self._to_forget(now):
            updates[number] = replace(updates.get(number, OrderUpdate(number)), forgotten=True)
        snapshot_until_ms = self.read.began_ms if self.state.cursor is None else self.state.cursor.snapshot_until_ms
        cursor = Cursor(self.fresh_ms(now), snapshot_until_ms, looked_ms=0, swept_ms=0, beat_ms=now.wall_ms)
        return Step(cursor, tuple(updates.values()))

    def accept(self, step: Step, now: Now) -> None:
        """The step has been written, or had nothing to write; ``state`` has accepted it already."""
        for update in step.updates:
            if update.done and update.look and self.rows.settled(update.order_number, update.look.row.offset):
                assert update.event_ids is not None, "the row of a done order says when it was done"
                self._done.append(_DoneOrder(update.event_ids.done_ms, update.order_number))
                self._drop(update.order_number)
            if update.put_back is not None:
                self.rows.put_back(update.order_number, update.put_back.offset)
            if update.look is not None:
                self._plan_next(update.look, now)

    def fresh_ms(self, now: Now) -> int:
        """Every change before this time is published; never later than the tracked orders' topic has been read."""
        oldest = self.oldest.oldest_ms()
        fresh = min(self.read.until_ms, now.wall_ms if oldest is None else oldest)
        return fresh if self.state.cursor is None else max(fresh, self.state.cursor.at_ms)

    @property
    def has_rows_to_put_back(self) -> bool:
        return bool(self.rows.covered)

    def _judge(self, answered: AnsweredLook, now: Now) -> OrderUpdate:
        order_number = answered.order_number
        if order_number not in self.rows.rows:
            return OrderUpdate(order_number, look=answered)
        cursor, missing_ms = self.state.cursor, self._missing_since.get(order_number)
        before = Before(
            self._last_published(order_number),
            self.state.published_event_ids(order_number),
            self.fields,
            missing=missing_ms is not None and answered.began_ms - missing_ms >= self.schedule.every_ms,
            snapshot_until_ms=0 if cursor is None else cursor.snapshot_until_ms,
        )
        update = judge(before, answered, self.schedule, now.wall_ms)
        if update.done and self._saved_again(answered):
            return OrderUpdate(order_number, look=answered)  # it is not done: look again
        return update

    def _plan_next(self, answered: AnsweredLook, now: Now) -> None:
        order_number = answered.order_number
        self._in_flight.discard(order_number)
        row = self.rows.rows.get(order_number)
        if row is None:
            return
        self.oldest.looked(order_number, answered.began_ms)
        if self._is_missing(answered):
            self._missing_since.setdefault(order_number, answered.began_ms)
            interval_ms = self.schedule.every_ms
        else:
            self._missing_since.pop(order_number, None)
            interval_ms = self._interval_ms(row, now)
        delay_ms = 0 if self._saved_again(answered) else interval_ms
        self.due.plan(order_number, now.tick_ms + delay_ms, interval_ms)

    def _saved_again(self, answered: AnsweredLook) -> bool:
        """Whether the sink has saved the order since the look began."""
        return self.rows.rows[answered.order_number].offset != answered.row.offset

    def _is_missing(self, answered: AnsweredLook) -> bool:
        if answered.look.order is not None:
            return False
        last_published = self._last_published(answered.order_number)
        return last_published is not None and last_published.digest != GONE

    def _interval_ms(self, row: Row[bytes], now: Now) -> int:
        ids, last_published = self.state.published_event_ids(row.key), self._last_published(row.key)
        changed_ms = row.saved_ms if ids is None else max(row.saved_ms, ids.changed_ms)
        status = "" if last_published is None else last_published.stage.name
        return self.schedule.interval_ms(now.wall_ms - changed_ms, status)

    def _last_published(self, order_number: str) -> LastPublished | None:
        return self.state.last_published(order_key("", order_number))

    def _to_forget(self, now: Now) -> Iterable[str]:
        """Orders that have been done for ``forget_ms`` and were not saved again: their numbers may be reused."""
        for _ in range(MAX_FORGOTTEN):
            if not self._done or now.wall_ms - self._done[0].done_ms < self.forget_ms:
                return
            done_ms, order_number = self._done.popleft()
            ids = self.state.published_event_ids(order_number)
            if ids is not None and ids.done_ms == done_ms and order_number not in self.rows.rows:
                yield order_number

    def _drop(self, order_number: str) -> None:
        self.due.drop(order_number)
        self.oldest.drop(order_number)
        self._missing_since.pop(order_number, None)
