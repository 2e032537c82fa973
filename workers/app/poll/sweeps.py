"""The slower looks: they find what the windows could not, one step at a time between two polls, and count it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from workers.app.poll.clock import PollClock
from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.vendor_reads import PollReads
from workers.core.poll.change import Seen
from workers.core.poll.cursor import Cursor
from workers.core.poll.last_published import LastPublished
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange, span

_TIDY_AT_ONCE = 500  # rows in one transaction


class SlowTiers:
    """A look back over hours, and a sweep of all open orders, each when it is due."""

    def __init__(
        self, number: int, tools: PollerContext, reads: PollReads, state: ShardState, write: WriteStep
    ) -> None:
        self._number = number
        self._tools = tools
        self._reads = reads
        self._state = state
        self._write = write
        self._stride = AdaptiveWidth()
        self._back: TimeRange | None = None  # what is left of a look back
        self._named: list[str] | None = None  # what is left of a sweep
        self._tidy: list[str] = []

    async def step(self) -> bool:
        """Do one step of what is due; False: nothing is."""
        cursor = self._state.cursor
        if cursor is None:
            return False
        if self._back is None and self._named is None and not self._begin(cursor):
            return False
        if self._back is not None:
            await self._look_back(cursor, self._back)
        elif self._named:
            await self._sweep(cursor, self._named)
        else:
            await self._tidy_up(cursor)
        return True

    def _begin(self, cursor: Cursor) -> bool:
        spec, now = self._tools.spec, self._tools.wall_ms()
        if now - cursor.swept_ms >= spec.sweep_every * 1000:
            rest_ms = round(spec.rest * 1000)
            self._named = list(self._state.keys(lambda one: _is_awaited(one, now, rest_ms)))
            self._tidy = list(self._state.keys(lambda one: one.may_rest(now, rest_ms)))
            return True
        if now - cursor.looked_ms >= spec.look_again.every * 1000:
            self._back = span(round(now - spec.look_again.back * 1000), cursor.at_ms)
            return True
        return False

    async def _look_back(self, cursor: Cursor, left: TimeRange) -> None:
        if not left.is_empty:
            asked = self._stride.ask(left)
            poller, number = self._tools.windows, self._number
            reading = await self._reads.read(
                partial(poller.window, number, asked, asked.end_ms), PollClock(self._tools)
            )
            assert reading.span is not None, "a window's reading has its span"
            self._stride.read(reading.span)
            left = left.rest(reading.span)
            cursor = cursor if left.is_empty else replace(cursor, beat_ms=self._tools.wall_ms())
            await self._publish(reading.orders, _looked(cursor, self._tools.wall_ms()) if left.is_empty else cursor)
        else:
            await self._write(Step(_looked(cursor, self._tools.wall_ms())))
        self._back = None if left.is_empty else left

    async def _sweep(self, cursor: Cursor, named: list[str]) -> None:
        batch, self._named = named[: self._tools.windows.batch], named[self._tools.windows.batch :]
        poller, number = self._tools.windows, self._number
        reading = await self._reads.read(partial(poller.named, number, batch), PollClock(self._tools))
        self._tools.stats.notes["not_found_by_sweep"] += len(batch) - len(reading.orders)
        await self._publish(reading.orders, cursor)

    async def _tidy_up(self, cursor: Cursor) -> None:
        """After a sweep: shrink and forget, and the sweep is done."""
        batch, self._tidy = self._tidy[:_TIDY_AT_ONCE], self._tidy[_TIDY_AT_ONCE:]
        now, spec = self._tools.wall_ms(), self._tools.spec
        done = cursor if self._tidy else replace(cursor, swept_ms=now)
        await self._write(
            self._state.tidied(
                batch, done, now_ms=now, rest_ms=round(spec.rest * 1000), forget_ms=round(spec.forget_after * 1000)
            )
        )
        if not self._tidy:
            self._named = None

    async def _publish(self, orders: Sequence[Seen], cursor: Cursor) -> None:
        """Write what has changed; what lies behind the cursor had been missed."""
        before = self._state.cursor or cursor
        step = self._state.step(orders, cursor, fields=self._tools.windows.fields, now_ms=self._tools.wall_ms())
        await self._write(step)
        late = [one for one in step.changes if one.seen.modified_ms is None or one.seen.modified_ms < before.at_ms]
        self._tools.stats.late_found += len(late)


def _looked(cursor: Cursor, now_ms: int) -> Cursor:
    return replace(cursor, looked_ms=now_ms)


def _is_awaited(shadow: LastPublished, now_ms: int, rest_ms: int) -> bool:
    return shadow.is_open and not shadow.may_rest(now_ms, rest_ms)
