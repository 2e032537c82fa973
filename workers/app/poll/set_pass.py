"""One reading of a set: asks for what is due, publishes what has changed, and finds what was deleted."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar, assert_never

from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.set_asks import SetAsks
from workers.app.poll.vendor_reads import PollClock
from workers.core.last_errors import Part
from workers.core.poll.cursor import Cursor, first_cursor
from workers.core.poll.sets.book import SetBook
from workers.core.poll.sets.failing import FailingRows
from workers.core.poll.sets.plan import RowTime, SetPlan, full_plan, horizon_ms, partial_plan
from workers.core.poll.step import Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange, whole_seconds
from workers.core.poll.vendor_set import Created, Details, SetReading, SetRow, Updated, Whole
from workers.edges.telemetry.tracing import NO_CONTEXT

MAX_ROWS_IN_STEP: Final = 500
MAX_WALKS: Final = 3  # readings of a whole set in one pass, while its rows move
KEPT_MOVING: Final = "rows_kept_moving"  # a note in /status, and the word that ends the pass's span
_MOVING: Final = f"rows moved in each of {MAX_WALKS} walks over the pages: fresh_until stays until two walks agree"
_AHEAD_MS: Final = 2_000  # a range ends this far in the vendor's future, so that rounding misses no row

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class SetPass:
    """Reads one set, again and again; what a pass could not read stays due, and its cursor stays."""

    _context: PollerContext
    _asks: SetAsks
    _book: SetBook
    _write: WriteStep
    # Held from the making of a step to its end, by all sets of the shard. Invariant: a step is made of the rows as they
    # were written last. Otherwise a part that touches a row would undo what the row's own set has just published.
    _writing: asyncio.Lock
    _failing: FailingRows = field(default_factory=FailingRows)
    _witness: SetRow | None = None  # of this pass: it has not changed, so its details were read before
    _poll: Mapping[str, str] = field(default_factory=lambda: NO_CONTEXT)  # the trace context of this pass
    _beat_since_ms: int | None = None  # what a beat would have asked for, while a pass looks further back
    _is_full: bool = False  # this pass reads what only `sweep_every` asks for
    _looks_again: bool = False  # this pass reads what only `look_again` asks for

    async def run(self) -> int:
        """Read what is due, once; returns how many requests that took."""
        now_ms = self._context.wall_ms()
        if self._cursor is None:
            await self._save(self._first(now_ms))
        cursor = self._present
        self._is_full = now_ms - cursor.swept_ms >= self._context.spec.sweep_every * 1000
        self._looks_again = now_ms - cursor.looked_ms >= self._context.spec.look_again.every * 1000
        self._book.begin()
        self._asks.begin()
        self._failing.begin()
        self._witness = None
        with PollClock(self._context) as clock:
            self._poll = clock.trace.context
            is_whole = await self._read(cursor, clock)
            await self._judge(clock)
            clock.fault = None if is_whole else clock.fault or "unavailable"
        if is_whole:
            await self._end(clock)
        return clock.requests

    async def _read(self, cursor: Cursor, clock: PollClock) -> bool:
        match self._book.vendor_set.kind:
            case "created":
                return await self._created(cursor, clock)
            case "whole":
                return await self._whole(clock)
            case "updated":
                return await self._updated(cursor, clock) and await self._beyond(cursor, clock)
            case _:
                assert_never(self._book.vendor_set.kind)

    @property
    def _cursor(self) -> Cursor | None:
        return self._book.state.sets[self._book.vendor_set.name].cursor

    @property
    def _present(self) -> Cursor:
        assert self._cursor is not None, "a pass begins with its cursor"
        return self._cursor

    def _first(self, now_ms: int) -> Cursor:
        """Nothing has been read: what the first readings show are snapshots."""
        lookback_ms = round(self._context.spec.lookback * 1000)
        cursor = first_cursor(now_ms, lookback_ms)
        return replace(cursor, open_from_ms=cursor.at_ms)

    async def _created(self, cursor: Cursor, clock: PollClock) -> bool:
        plan = await asyncio.to_thread(self._plan, cursor, clock.began_ms)  # half a second of a hundred thousand rows
        read = [asked for asked in plan.ranges if await self._range(asked, clock)]
        await self._delete(self._book.missing(plan.expected(read)))
        return len(read) == len(plan.ranges)

    def _plan(self, cursor: Cursor, now_ms: int) -> SetPlan:
        times, at_once = self._book.times(), self._book.vendor_set.rows_at_once
        end_ms = now_ms + max(0, self._context.stats.skew_ms or 0) + _AHEAD_MS
        if cursor.open_from_ms is not None:
            plan = full_plan(times, whole_seconds(cursor.open_from_ms, end_ms), at_once)
            return replace(plan, ranges=plan.ranges[::-1])  # the cursor says how far the first picture is read
        if self._is_full:
            from_ms = min(self._horizon_ms(times, now_ms), self._new_from_ms(cursor))  # an operator may reset it
            return full_plan(times, whole_seconds(from_ms, end_ms), at_once)
        return partial_plan(times, whole_seconds(self._new_from_ms(cursor), end_ms), at_once)

    def _new_from_ms(self, cursor: Cursor) -> int:
        return min(cursor.at_ms, self._context.wall_ms()) - round(self._context.spec.settle_lag * 1000)

    def _horizon_ms(self, times: Sequence[RowTime], now_ms: int) -> int:
        return horizon_ms(times, now_ms - round(self._context.spec.lookback * 1000))

    async def _range(self, rest: TimeRange, clock: PollClock) -> bool:
        """Read a range of creation times, one answer at a time; False: not all of it, or its rows moved."""
        is_whole, width = True, AdaptiveWidth()
        while not rest.is_empty:
            reading = await self._asks.rows(Created(width.next_range(rest)), clock)
            if reading is None:
                return False
            assert reading.done is not None, "the reading of a range has its time range"
            if await self._take(reading, clock) and not reading.moved:
                await self._first_picture_read(reading.done)
            else:
                is_whole = False
            width.one_page_held(reading.done)
            rest = rest.after(reading.done)
        return is_whole

    async def _first_picture_read(self, done: TimeRange) -> None:
        """Say how far the first picture is read.

        Invariant: all before ``open_from_ms`` was read. Otherwise a range that failed, older than this one, would wait
        for the next full reading, and so would its rows.
        """
        cursor = self._present
        if cursor.open_from_ms is not None and done.start_ms <= cursor.open_from_ms < done.end_ms:
            await self._save(replace(cursor, open_from_ms=done.end_ms))

    async def _whole(self, clock: PollClock) -> bool:
        """Read the whole set, and again while its rows move under the walk over its pages.

        A row that goes shifts the others, and one of them is passed over at the next page. The row that went was shown
        by this walk, and is not shown by the next one: so of two walks that agree the first has passed over none.
        Without two that agree the cursor stays, though what all walks showed is published: a row may be hidden still.
        After the first picture one walk is enough where it shows all known rows; a new row that it passes over is found
        with the next beat.
        """
        shown: frozenset[str] | None = None
        for walk in range(MAX_WALKS):
            reading = await self._asks.rows(Whole(walk), clock)
            if reading is None or not await self._take(reading, clock):
                return False
            before, shown = shown, frozenset(row.key for row in reading.rows)
            agrees = reading.pages == 1 or shown == before
            if not reading.moved and (agrees or self._shows_all_known):
                self._context.stats.errors.clear(Part.PAGES)
                await self._delete(self._book.missing(self._book.known_keys()))
                return True
        clock.fault = KEPT_MOVING
        self._context.note(Counter({KEPT_MOVING: 1}))
        self._context.stats.errors.put(Part.PAGES, _MOVING, self._context.wall_ms())
        return False

    @property
    def _shows_all_known(self) -> bool:
        """Whether this pass has shown all rows that the passes before it had; the first picture has none before it."""
        return not self._book.first_picture and not self._book.lacking(self._book.known_keys())

    async def _updated(self, cursor: Cursor, clock: PollClock) -> bool:
        """Read what was updated since the cursor, or, now and then, further back."""
        now_ms, spec = clock.began_ms, self._context.spec
        since_ms = min(cursor.at_ms, now_ms - round(spec.settle_lag * 1000))
        self._beat_since_ms = None
        if cursor.open_from_ms is None and self._looks_again:
            self._beat_since_ms = since_ms
            # A row that was updated beyond these days, and not read there since, may be in them now.
            back_ms = round(now_ms - spec.look_again.back * 1000)
            since_ms = min(since_ms, back_ms, cursor.looked_ms - round(spec.settle_lag * 1000))
        return await self._days(self._book.vendor_set.days(now_ms), since_ms, clock)

    async def _beyond(self, cursor: Cursor, clock: PollClock) -> bool:
        """Read what was updated on further days: on later ones with each look back, on earlier ones with a full pass.

        Invariant: it is asked for since these days were read last. Otherwise a row that is far ahead would be published
        with its next update only.
        """
        is_first, lag_ms = cursor.open_from_ms is not None, round(self._context.spec.settle_lag * 1000)
        self._beat_since_ms = None  # no beat asks for these days: nothing on them is late
        beyond = self._book.vendor_set.beyond(clock.began_ms)
        if is_first or self._is_full or self._looks_again:
            since_ms = min(cursor.at_ms, cursor.looked_ms - lag_ms)
            if not await self._days(beyond.later, since_ms, clock):
                return False
        if is_first or self._is_full:
            since_ms = min(cursor.at_ms, (cursor.swept_ms or cursor.at_ms) - lag_ms)  # an operator's reset makes it 0
            return await self._days(beyond.earlier, since_ms, clock)
        return True

    async def _days(self, rest: TimeRange, since_ms: int, clock: PollClock) -> bool:
        """Read what was updated on these days."""
        width = AdaptiveWidth()
        while not rest.is_empty:
            reading = await self._asks.rows(Updated(since_ms, width.next_range(rest)), clock)
            if reading is None or not await self._take(reading, clock):
                return False
            assert reading.done is not None, "the reading of days has its time range"
            width.one_page_held(reading.done)
            rest = rest.after(reading.done)
        return True

    async def _take(self, reading: SetReading, clock: PollClock) -> bool:
        """Publish what an answer shows; False: some details could not be read, so that their rows stay due."""
        changed = self._book.changed(reading)
        # Before any of them is published: a row that is known wants details, and those without would become known.
        wanting = [row for row in changed if self._book.wants_details(row)]
        wanted, keys = {row.key for row in wanting}, {row.key for row in changed}
        async with self._writing:
            adopted = self._book.adopted(reading, self._present)
            for rows in _pieces(adopted.rows, MAX_ROWS_IN_STEP):
                await self._save_step(replace(adopted, rows=rows))
        for some in _pieces([row for row in changed if row.key not in wanted], MAX_ROWS_IN_STEP):
            await self._publish(some, reading, self._touches(some))
        at_once = max(1, self._book.vendor_set.detailed_at_once)
        is_whole = True
        for some in self._failing.batches(wanting, at_once):
            is_whole &= await self._detail(some, reading, clock)
        witnesses = (row for row in reading.rows if row.key not in keys and self._book.wants_details(row))
        self._witness = self._witness or next(witnesses, None)
        return is_whole

    async def _detail(self, rows: Sequence[SetRow], reading: SetReading, clock: PollClock) -> bool:
        touches = self._touches(rows)  # before the vendor is asked
        is_suspect = self._failing.is_suspect(rows[0].key)
        found: Details | None = None
        if self._failing.asks_suspects if is_suspect else not self._asks.details_fail:
            found = await self._asks.details(rows, clock, is_suspect=is_suspect)
        shown = {row.key for row in found.rows} if found is not None else set[str]()
        if found is not None:
            await self._publish(found.rows, reading, touches)
            self._failing.answered(rows, shown)
        return await self._without_details([row for row in rows if row.key not in shown], reading)

    async def _judge(self, clock: PollClock) -> None:
        """At the end of a pass: do rows fail of themselves, or does the vendor? Where none was read, a witness is."""
        if self._failing.wants_witness and self._witness is not None and not self._asks.details_fail:
            found = await self._asks.details([self._witness], clock, is_suspect=True)
            if found is not None and found.rows:
                self._failing.witnessed()
        self._failing.end()

    def _touches(self, rows: Sequence[SetRow]) -> Counter[str]:
        own = self._book.state.sets[self._book.vendor_set.name]
        return Counter({row.key: own.touches[row.key] for row in rows})

    async def _without_details(self, rows: Sequence[SetRow], reading: SetReading) -> bool:
        """Publish rows that are given up with the details that were published last; False: other rows wait."""
        given_up = [row for row in rows if self._failing.is_given_up(row.key)]
        told = [one for row in given_up if (one := self._book.given_up(row)) is not None]
        await self._publish(told, reading, Counter({row.key: -1 for row in told}))
        await self._withhold({row.key for row in given_up} - {row.key for row in told})
        self._context.note(Counter({"without_details": len(given_up)} if given_up else {}))
        return len(given_up) == len(rows)

    async def _withhold(self, keys: Collection[str]) -> None:
        async with self._writing:
            step = self._book.withheld(keys, self._present)
            if step.rows:
                await self._save_step(step)

    async def _publish(self, rows: Sequence[SetRow], reading: SetReading, touches: Counter[str]) -> None:
        if not rows:
            return
        async with self._writing:
            cursor = self._present
            late = self._late(rows, cursor)
            step = self._book.step(rows, cursor, self._context.wall_ms(), done=reading.done, touches=touches)
            await self._save_step(step)
        self._context.stats.late_found += sum(1 for row in step.rows if row.changes and row.key in late)

    def _late(self, rows: Sequence[SetRow], cursor: Cursor) -> set[str]:
        if self._book.first_picture:
            return set()
        if self._book.vendor_set.kind == "updated":
            return {row.key for row in rows if row.item is not None and self._is_before_beat(row.item.modified_ms)}
        if not self._is_full:
            return set()
        return {row.key for row in rows if self._book.is_late(row, self._new_from_ms(cursor))}

    def _is_before_beat(self, modified_ms: int | None) -> bool:
        return modified_ms is not None and self._beat_since_ms is not None and modified_ms < self._beat_since_ms

    async def _delete(self, keys: Sequence[str]) -> None:
        for some in _pieces(keys, MAX_ROWS_IN_STEP):
            async with self._writing:
                await self._save_step(self._book.deletions(some, self._present, self._context.wall_ms()))

    async def _end(self, clock: PollClock) -> None:
        """All of the pass was read: move the cursor to its beginning."""
        cursor, now_ms = self._present, self._context.wall_ms()
        if self._is_full and not self._book.first_picture:
            await self._forget(now_ms)
            cursor = replace(cursor, swept_ms=clock.began_ms)
        if self._looks_again:
            cursor = replace(cursor, looked_ms=clock.began_ms)
        lag_ms = round(self._context.spec.settle_lag * 1000) if self._book.vendor_set.kind == "updated" else 0
        at_ms = max(cursor.at_ms, clock.start.earlier_ms - lag_ms)
        await self._save(replace(cursor, at_ms=at_ms, open_from_ms=None, beat_ms=now_ms))
        self._context.stats.polls += 1

    async def _forget(self, now_ms: int) -> None:
        async with self._writing:
            keys = await asyncio.to_thread(self._forgettable, now_ms)  # as `_plan`
            for some in _pieces(keys, MAX_ROWS_IN_STEP):
                await self._save_step(self._book.forgotten(some, self._present))

    def _forgettable(self, now_ms: int) -> list[str]:
        forget_ms = round(self._context.spec.forget_after * 1000)
        return list(self._book.forgettable(now_ms, forget_ms, self._horizon_ms(self._book.times(), now_ms)))

    async def _save(self, cursor: Cursor) -> None:
        async with self._writing:
            await self._save_step(Step(cursor, set_name=self._book.vendor_set.name))

    async def _save_step(self, step: Step) -> None:
        await self._write(replace(step, poll=self._poll))
        self._book.accept(step)
        self._context.stats.events += step.event_count


def _pieces(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
