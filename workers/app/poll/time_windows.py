"""A shard's rounds where the vendor tells what has changed in a stretch of time: polls, and slower looks between."""

from __future__ import annotations

import asyncio
from functools import partial

from workers.app.poll.clock import PollClock
from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.sweeps import SlowTiers
from workers.app.poll.vendor_reads import PollReads
from workers.core.poll.cursor import first_cursor, moved, window
from workers.core.poll.shard_state import ShardState
from workers.core.poll.time_range import AdaptiveWidth


class WindowRounds:
    """Runs from a load of the state to the next failed write."""

    def __init__(self, number: int, tools: PollerContext) -> None:
        self._number = number
        self._tools = tools
        self._reads = PollReads(tools)
        self._stride = AdaptiveWidth()
        self._due = 0.0  # monotonic: the next poll

    async def run(self, state: ShardState, write: WriteStep) -> None:
        """Poll for ever; ends by being cancelled, or by a write that fails."""
        slow = SlowTiers(self._number, self._tools, self._reads, state, write)
        while True:
            wait = self._due - self._tools.monotonic()
            if wait <= 0:
                self._due = self._tools.monotonic() + self._tools.spec.every
                await self._poll(state, write)
            elif not await slow.step():
                await asyncio.sleep(wait)

    async def _poll(self, state: ShardState, write: WriteStep) -> None:
        """Read everything from the cursor to now, one page at a time, each step written before the next is read."""
        tools, number = self._tools, self._number
        clock, settle_ms = PollClock(tools), round(tools.spec.settle_lag * 1000)
        cursor = state.cursor or first_cursor(clock.began_ms, round(tools.spec.lookback * 1000))
        left = window(cursor, clock.began_ms, tools.stats.skew_ms or 0, settle_ms)
        while not left.is_empty:
            asked = self._stride.ask(left)
            sure_until_ms = clock.began_ms - settle_ms
            reading = await self._reads.read(partial(tools.windows.window, number, asked, sure_until_ms), clock)
            assert reading.span is not None, "a window's reading has its span"
            self._stride.read(reading.span)
            now_ms = tools.wall_ms()
            cursor = moved(cursor, reading.span, clock.start, settle_ms, now_ms)
            await write(state.step(reading.orders, cursor, fields=tools.windows.fields, now_ms=now_ms))
            left = left.rest(reading.span)
        tools.stats.polls += 1
