"""A shard's rounds at a vendor that can list changes: polls of time windows, and slower reads of what these miss."""

import asyncio
from dataclasses import replace
from functools import partial

from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.sweeps import Sweeps
from workers.app.poll.vendor_reads import PollClock, VendorReads
from workers.core.poll.cursor import Cursor, advanced, first_cursor, window
from workers.core.poll.shard_state import ShardState
from workers.core.poll.time_range import AdaptiveWidth
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
        with PollClock(self._context) as clock:
            await self._read_to_now(clock, state, write)

    async def _read_to_now(self, clock: PollClock, state: ShardState, write: WriteStep) -> None:
        context, poller = self._context, self._poller
        settle_ms = round(context.spec.settle_lag * 1000)
        cursor = state.cursor or self._first_cursor(clock.began_ms)
        remaining = window(cursor, clock.began_ms, context.stats.skew_ms or 0, settle_ms)
        while not remaining.is_empty:
            asked, sure_until_ms = self._width.next_range(remaining), clock.began_ms - settle_ms
            reading = await self._reads.read(partial(poller.window, self._shard, asked, sure_until_ms), clock)
            assert reading.time_range is not None, "the reading of a window has its time range"
            self._width.one_page_held(reading.time_range)
            now_ms = context.wall_ms()
            cursor = advanced(cursor, reading.time_range, clock.start, settle_ms, now_ms)
            step = state.step(reading.orders, cursor, fields=poller.fields, now_ms=now_ms)
            await write(replace(step, poll=clock.trace.context))
            remaining = remaining.after(reading.time_range)
        context.stats.polls += 1

    def _first_cursor(self, now_ms: int) -> Cursor:
        lookback_ms = round(self._context.spec.lookback * 1000)
        return first_cursor(now_ms, lookback_ms, open_orders=self._poller.reads_only)
