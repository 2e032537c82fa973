"""What the time windows do not show, read between two polls: the first picture of open orders, looks back, sweeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.vendor_reads import PollClock, VendorReads
from workers.core.poll.change import FINAL, VendorOrder
from workers.core.poll.cursor import Cursor
from workers.core.poll.last_published import LastPublished
from workers.core.poll.shard_state import ShardState
from workers.core.poll.time_range import AdaptiveWidth, TimeRange, whole_seconds
from workers.edges.telemetry.tracing import NO_CONTEXT
from workers.vendors.contract import ALL, Only, Poller, Reading

MAX_TIDIED: Final = 500  # rows in one transaction
OPEN: Final = Only(open=True)


@dataclass(slots=True, eq=False)
class _RangeRead:
    """A time range that is read one answer at a time."""

    rest: TimeRange
    only: Only = ALL
    width: AdaptiveWidth = field(default_factory=AdaptiveWidth)

    def read(self, done: TimeRange) -> None:
        self.width.one_page_held(done)
        self.rest = self.rest.after(done)


class _Past(NamedTuple):
    orders: Sequence[VendorOrder]
    done: TimeRange
    poll: Mapping[str, str]  # the trace context of its poll


def _past(reading: Reading, clock: PollClock) -> _Past:
    assert reading.time_range is not None, "the reading of a window has its time range"
    return _Past(reading.orders, reading.time_range, clock.trace.context)


@dataclass(slots=True, eq=False)
class Sweeps:
    """Does what is due, one step at a time."""

    _shard: int
    _context: PollerContext
    _poller: Poller
    _reads: VendorReads
    _state: ShardState
    _write: WriteStep
    _width: AdaptiveWidth = field(default_factory=AdaptiveWidth)  # of looks back
    _open_width: AdaptiveWidth = field(default_factory=AdaptiveWidth)
    _back: list[_RangeRead] = field(default_factory=list)  # the rest of a look back
    _keys: list[str] | None = None  # the rest of a sweep
    _tidy: list[str] = field(default_factory=list)
    _failures: int = 0  # of narrower reads, in a row
    _picture_due: float = 0.0  # when the first picture is read on, by the monotonic clock

    async def step(self) -> bool:
        """Do one step of what is due; False: nothing is due."""
        cursor = self._state.cursor
        if cursor is None:
            return False
        if cursor.open_from_ms is not None and self._context.monotonic() >= self._picture_due:
            await self._first_picture(cursor, cursor.open_from_ms)
            return True
        if not self._back and self._keys is None and not self._begin(cursor):
            return False
        if self._back:
            await self._look_back(cursor, self._back[0])
        elif self._keys:
            await self._sweep(cursor, self._keys)
        else:
            await self._tidy_up(cursor)
        return True

    def _begin(self, cursor: Cursor) -> bool:
        spec, now_ms = self._context.spec, self._context.wall_ms()
        if now_ms - cursor.swept_ms >= spec.sweep_every * 1000:
            rest_ms = round(spec.rest * 1000)
            self._keys = list(self._state.keys(lambda one: _is_awaited(one, now_ms, rest_ms)))
            self._tidy = list(self._state.keys(lambda one: one.may_rest(now_ms, rest_ms)))
            return True
        if now_ms - cursor.looked_ms >= spec.look_again.every * 1000:
            again = whole_seconds(round(now_ms - spec.look_again.back * 1000), cursor.at_ms)
            self._back = [_RangeRead(again, width=self._width), *self._shipments_before(again)]
            return True
        return False

    def _shipments_before(self, again: TimeRange) -> list[_RangeRead]:
        """The net for shipments that leave the order's time of modification as it was, where the vendor has one."""
        before = TimeRange(0, again.start_ms)
        return [_RangeRead(before, Only(shipped_since_ms=again.start_ms))] if self._poller.reads_only else []

    async def _first_picture(self, cursor: Cursor, from_ms: int) -> None:
        """Read the open orders that the look back of the first start does not reach, as snapshots.

        The cursor says how far they are read, so that a restart goes on from there.
        """
        first_ms = cursor.snapshot_until_ms - round(self._context.spec.lookback * 1000)
        orders, rest, poll = list[VendorOrder](), whole_seconds(from_ms, first_ms), NO_CONTEXT
        if not rest.is_empty:
            found = await self._some(self._open_width.next_range(rest), OPEN)
            if found is None:
                self._picture_due = self._context.monotonic() + self._context.spec.every
                return
            self._open_width.one_page_held(found.done)
            poll = found.poll
            orders = [one for one in found.orders if one.stage.progress not in FINAL]
            rest = rest.after(found.done)
        now_ms = self._context.wall_ms()
        cursor = replace(cursor, open_from_ms=None if rest.is_empty else rest.start_ms, beat_ms=now_ms)
        step = self._state.step(orders, cursor, fields=self._poller.fields, now_ms=now_ms)
        await self._write(replace(step, poll=poll))

    async def _look_back(self, cursor: Cursor, back: _RangeRead) -> None:
        asked, found = back.width.next_range(back.rest), None
        if not back.rest.is_empty:
            found = await (self._all(asked) if back.only == ALL else self._some(asked, back.only))
        if found is not None:
            back.read(found.done)
        if found is None or back.rest.is_empty:
            self._back.remove(back)
        now_ms = self._context.wall_ms()
        cursor = replace(cursor, beat_ms=now_ms) if self._back else replace(cursor, looked_ms=now_ms)
        await self._publish((), cursor) if found is None else await self._publish(found.orders, cursor, found.poll)

    async def _all(self, asked: TimeRange) -> _Past:
        """Read the past, or as much of its beginning as one answer holds."""
        flow = partial(self._poller.window, self._shard, asked, asked.end_ms)
        with PollClock(self._context) as clock:
            reading = await self._reads.read(flow, clock)
        return _past(reading, clock)

    async def _some(self, asked: TimeRange, only: Only) -> _Past | None:
        """The same of some orders; None: it failed.

        Invariant: it is not tried again at once. Otherwise a vendor that refuses the narrower request for ever would
        keep the poller from all changes.
        """
        await self._reads.admitted()
        flow = self._poller.window(self._shard, asked, asked.end_ms, only)
        with PollClock(self._context) as clock:
            found = await self._reads.read_once(flow, clock, self._failures)
        if not isinstance(found, Reading):
            self._failures += 1
            return None
        self._failures = 0
        return _past(found, clock)

    async def _sweep(self, cursor: Cursor, keys: list[str]) -> None:
        batch, self._keys = keys[: self._poller.max_keys], keys[self._poller.max_keys :]
        flow = partial(self._poller.by_key, self._shard, batch)
        with PollClock(self._context) as clock:
            reading = await self._reads.read(flow, clock)
        self._context.stats.notes["not_found_by_sweep"] += len(batch) - len(reading.orders)
        await self._publish(reading.orders, cursor, clock.trace.context)

    async def _tidy_up(self, cursor: Cursor) -> None:
        """After a sweep, compact and forget rows; then the sweep is done."""
        batch, self._tidy = self._tidy[:MAX_TIDIED], self._tidy[MAX_TIDIED:]
        now_ms, spec = self._context.wall_ms(), self._context.spec
        done = cursor if self._tidy else replace(cursor, swept_ms=now_ms)
        rest_ms, forget_ms = round(spec.rest * 1000), round(spec.forget_after * 1000)
        await self._write(self._state.tidied(batch, done, now_ms=now_ms, rest_ms=rest_ms, forget_ms=forget_ms))
        if not self._tidy:
            self._keys = None

    async def _publish(
        self, orders: Sequence[VendorOrder], cursor: Cursor, poll: Mapping[str, str] = NO_CONTEXT
    ) -> None:
        """Write the changes, and count as late those behind the cursor, which the windows missed."""
        before_ms = (self._state.cursor or cursor).at_ms
        step = self._state.step(orders, cursor, fields=self._poller.fields, now_ms=self._context.wall_ms())
        await self._write(replace(step, poll=poll))
        stamps = [change.order.modified_ms for change in step.changes]
        self._context.stats.late_found += sum(1 for stamp in stamps if stamp is None or stamp < before_ms)


def _is_awaited(row: LastPublished, now_ms: int, rest_ms: int) -> bool:
    return row.is_swept and not row.may_rest(now_ms, rest_ms)
