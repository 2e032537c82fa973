"""A shard's rounds at a vendor that can list changes: polls of time windows, and slower reads of what these missed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.vendor_reads import PollClock, VendorReads
from workers.core.poll.change import VendorOrder
from workers.core.poll.cursor import Cursor, advanced, first_cursor, window
from workers.core.poll.last_published import LastPublished
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange, whole_seconds
from workers.vendors.contract import Poller


class WindowRounds:
    """Runs from a load of the state to the next failed write."""

    def __init__(self, shard: int, context: PollerContext, poller: Poller) -> None:
        self._shard = shard
        self._context = context
        self._poller = poller
        self._reads = VendorReads(context)
        self._width = AdaptiveWidth()
        self._due = 0.0  # when the next poll begins, by the monotonic clock

    async def run(self, state: ShardState, write: WriteStep) -> None:
        """Poll until it is cancelled or a write fails."""
        sweeps = Sweeps(self._shard, self._context, self._poller, self._reads, state, write)
        while True:
            wait_s = self._due - self._context.monotonic()
            if wait_s <= 0:
                self._due = self._context.monotonic() + self._context.spec.every
                await self._poll(state, write)
            elif not await sweeps.step():
                await asyncio.sleep(wait_s)

    async def _poll(self, state: ShardState, write: WriteStep) -> None:
        """Read everything from the cursor to now, one page at a time; each step is written before the next read."""
        context, poller = self._context, self._poller
        clock, settle_ms = PollClock(context), round(context.spec.settle_lag * 1000)
        cursor = state.cursor or first_cursor(clock.began_ms, round(context.spec.lookback * 1000))
        remaining = window(cursor, clock.began_ms, context.stats.skew_ms or 0, settle_ms)
        while not remaining.is_empty:
            asked, sure_until_ms = self._width.next_range(remaining), clock.began_ms - settle_ms
            reading = await self._reads.read(partial(poller.window, self._shard, asked, sure_until_ms), clock)
            assert reading.time_range is not None, "the reading of a window has its time range"
            self._width.one_page_held(reading.time_range)
            now_ms = context.wall_ms()
            cursor = advanced(cursor, reading.time_range, clock.start, settle_ms, now_ms)
            await write(state.step(reading.orders, cursor, fields=poller.fields, now_ms=now_ms))
            remaining = remaining.after(reading.time_range)
        context.stats.polls += 1


MAX_TIDIED: Final = 500  # rows in one transaction


@dataclass(slots=True, eq=False)
class Sweeps:
    """Does the look back and the sweep when they are due, one step at a time between two polls."""

    _shard: int
    _context: PollerContext
    _poller: Poller
    _reads: VendorReads
    _state: ShardState
    _write: WriteStep
    _width: AdaptiveWidth = field(default_factory=AdaptiveWidth)
    _back: TimeRange | None = None  # the rest of a look back
    _keys: list[str] | None = None  # the rest of a sweep
    _tidy: list[str] = field(default_factory=list)

    async def step(self) -> bool:
        """Do one step of what is due; False: nothing is due."""
        cursor = self._state.cursor
        if cursor is None:
            return False
        if self._back is None and self._keys is None and not self._begin(cursor):
            return False
        if self._back is not None:
            await self._look_back(cursor, self._back)
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
            self._back = whole_seconds(round(now_ms - spec.look_again.back * 1000), cursor.at_ms)
            return True
        return False

    async def _look_back(self, cursor: Cursor, remaining: TimeRange) -> None:
        if remaining.is_empty:
            await self._write(Step(replace(cursor, looked_ms=self._context.wall_ms())))
            self._back = None
            return
        asked = self._width.next_range(remaining)
        flow = partial(self._poller.window, self._shard, asked, asked.end_ms)
        reading = await self._reads.read(flow, PollClock(self._context))
        assert reading.time_range is not None, "the reading of a window has its time range"
        self._width.one_page_held(reading.time_range)
        remaining, now_ms = remaining.after(reading.time_range), self._context.wall_ms()
        done = replace(cursor, looked_ms=now_ms) if remaining.is_empty else replace(cursor, beat_ms=now_ms)
        await self._publish(reading.orders, done)
        self._back = None if remaining.is_empty else remaining

    async def _sweep(self, cursor: Cursor, keys: list[str]) -> None:
        batch, self._keys = keys[: self._poller.max_keys], keys[self._poller.max_keys :]
        flow = partial(self._poller.by_key, self._shard, batch)
        reading = await self._reads.read(flow, PollClock(self._context))
        self._context.stats.notes["not_found_by_sweep"] += len(batch) - len(reading.orders)
        await self._publish(reading.orders, cursor)

    async def _tidy_up(self, cursor: Cursor) -> None:
        """After a sweep, compact and forget rows; then the sweep is done."""
        batch, self._tidy = self._tidy[:MAX_TIDIED], self._tidy[MAX_TIDIED:]
        now_ms, spec = self._context.wall_ms(), self._context.spec
        done = cursor if self._tidy else replace(cursor, swept_ms=now_ms)
        rest_ms, forget_ms = round(spec.rest * 1000), round(spec.forget_after * 1000)
        await self._write(self._state.tidied(batch, done, now_ms=now_ms, rest_ms=rest_ms, forget_ms=forget_ms))
        if not self._tidy:
            self._keys = None

    async def _publish(self, orders: Sequence[VendorOrder], cursor: Cursor) -> None:
        """Write the changes, and count as late those behind the cursor, which the windows missed."""
        before_ms = (self._state.cursor or cursor).at_ms
        step = self._state.step(orders, cursor, fields=self._poller.fields, now_ms=self._context.wall_ms())
        await self._write(step)
        stamps = [change.order.modified_ms for change in step.changes]
        self._context.stats.late_found += sum(1 for stamp in stamps if stamp is None or stamp < before_ms)


def _is_awaited(row: LastPublished, now_ms: int, rest_ms: int) -> bool:
    return row.is_swept and not row.may_rest(now_ms, rest_ms)
