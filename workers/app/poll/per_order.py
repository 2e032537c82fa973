"""A shard's rounds where the vendor tells nothing but single orders: look after look, the most urgent first."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from workers.app.events.tracked_rows import decode_tracked
from workers.app.poll.clock import PollClock
from workers.app.poll.context import PollerContext, WriteStep
from workers.app.poll.vendor_reads import PollReads
from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.compacted_rows import CompactedRows, Row, take
from workers.core.poll.cursor import Cursor
from workers.core.poll.order_book import OrderBook
from workers.core.poll.order_look import Looked
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.schedule import LookSchedule, ScheduleRule
from workers.core.poll.shard_state import ShardState
from workers.core.poll.vendor_event import Look
from workers.core.record import Record
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.log import log

AT_ONCE: Final = 100  # looks in one transaction
LONGEST_BEAT_MS: Final = 30_000  # between two writes of the cursor, whatever there is to say
SHORTEST_BEAT_MS: Final = 1_000


class OrderRounds:
    """The rows that it follows stay from assignment to revocation; all else begins anew with each load of the state."""

    def __init__(self, tools: PollerContext) -> None:
        self._tools = tools
        self._reads = PollReads(tools)
        self._assigned_ms = tools.wall_ms()
        self._rows = CompactedRows[bytes]()
        self._read = ReadUntil(self._assigned_ms)
        self._book: OrderBook | None = None
        self._wake = asyncio.Event()  # rows or an answer have come
        self._loaded = asyncio.Event()  # the rows have been read to the end that they had
        self._looks: set[asyncio.Task[None]] = set()
        self._waiting = 0  # looks that wait for their turn: which order it will be is not decided yet
        self._answered: deque[Looked] = deque()
        self._failures: Counter[str] = Counter()
        self._broken: BaseException | None = None
        self._due_ms = 0  # the next write of the cursor, by the clock that is never set back

    @property
    def tracked(self) -> int:
        """Orders that are looked at."""
        return len(self._rows.rows)

    def due_and_late(self) -> tuple[int, int]:
        """Orders that are due, and those of them that should have been looked at by now."""
        if self._book is None:
            return 0, 0
        tick_ms = self._tick_ms()
        return self._book.agenda.due_count(tick_ms), self._book.agenda.late_count(tick_ms)

    def took(self, records: Iterable[Record], position: int, end: int | None) -> None:
        """Take rows in as they come; to be called in the loop."""
        tick_ms = self._tick_ms()
        for record in records:
            number = take(self._rows, record)
            if number is not None and self._book is not None:
                self._book.noticed(number, tick_ms)
        self._read.took(position, end, self._tools.wall_ms())
        if self._read.at_ms is not None:
            self._loaded.set()
        self._wake.set()

    async def run(self, state: ShardState, write: WriteStep) -> None:
        """Look for ever; ends by being cancelled, or by a write that fails."""
        await self._loaded.wait()
        book = book_of(self._tools, state, self._rows)
        book.begin(self._tools.wall_ms(), self._tick_ms())
        self._book, self._due_ms = book, 0
        try:
            while True:
                await self._write(book, state, write)
                self._begin_looks(book)
                await self._sleep(book)
        finally:
            self._book = None
            await self._end_looks()

    async def _write(self, book: OrderBook, state: ShardState, write: WriteStep) -> None:
        """Write what the answers that have come say; without news the cursor alone, and that not each time."""
        looks = [self._answered.popleft() for _ in range(min(AT_ONCE, len(self._answered)))]
        now_ms = self._tools.wall_ms()
        fresh_ms = book.fresh_ms(self._read.at_ms or self._assigned_ms, now_ms)
        first_ms = self._assigned_ms if state.cursor is None else state.cursor.snapshot_until_ms
        step = book.step(looks, Cursor(fresh_ms, first_ms, looked_ms=0, swept_ms=0, beat_ms=now_ms), now_ms)
        tick_ms = self._tick_ms()
        if not step.is_empty or state.cursor is None or tick_ms >= self._due_ms:
            await write(step)
            self._due_ms = tick_ms + self._beat()
        else:
            state.cursor = replace(step.cursor, beat_ms=state.cursor.beat_ms)
        book.written(step, looks, now_ms, self._tick_ms())
        self._tools.stats.polls += len(looks)
        if given_up := sum(1 for number in step.settled if not book.has_ended(number)):
            self._tools.stats.notes["given_up"] += given_up

    def _begin_looks(self, book: OrderBook) -> None:
        due, most = book.agenda.due_count(self._tick_ms()), self._tools.spec.max_in_flight
        while self._waiting < due and len(self._looks) < most:
            self._waiting += 1
            look = asyncio.get_running_loop().create_task(self._look(book))
            self._looks.add(look)
            look.add_done_callback(self._ended)

    async def _look(self, book: OrderBook) -> None:
        async with self._tools.slots:
            await self._reads.admitted()
            self._waiting -= 1
            row = book.take(self._tick_ms())  # only now: what is most urgent may have changed
            if row is not None:
                await self._ask(book, row)

    async def _ask(self, book: OrderBook, row: Row[bytes]) -> None:
        number, clock = row.key, PollClock(self._tools)
        try:
            tracked = await self._tracked(row)
        except RegistryUnavailable as error:
            log.warning("registry_unavailable", worker=self._tools.spec.name, detail=str(error))
            self._again(book, number)
            return
        failures = self._failures[number]
        found = await self._reads.once(self._tools.orders.look(number), clock, failures, order=number)
        if not isinstance(found, Look):
            self._again(book, number)
            return
        self._failures.pop(number, None)
        self._answered.append(Looked(number, row.offset, row.saved_ms, clock.began_ms, found, tracked))
        if found.seen is None:
            self._tools.stats.notes["not_found"] += 1

    def _again(self, book: OrderBook, number: str) -> None:
        """This look gave nothing: others go on meanwhile, and nothing of the order has moved."""
        self._failures[number] += 1
        book.failed(number, self._tick_ms(), _ms(self._reads.delay(self._failures[number])))

    async def _tracked(self, row: Row[bytes]) -> Tracked | None:
        """What the order's row says; None: it cannot be read, and is looked at all the same. Raises as the registry."""
        topic = self._tools.spec.follows
        assert topic is not None, "order rounds follow a topic"
        try:
            return await decode_tracked(self._tools.codec, topic, row.content)
        except Undecodable as error:
            self._tools.stats.notes["unreadable_tracked_row"] += 1
            log.error("tracked_order_unreadable", topic=topic, offset=row.offset, detail=str(error))
            return None

    def _ended(self, look: asyncio.Task[None]) -> None:
        self._looks.discard(look)
        if not look.cancelled() and look.exception() is not None:
            self._broken = look.exception()
        elif self._book is not None:
            self._begin_looks(self._book)  # a write that is under way holds up no look
        self._wake.set()

    async def _sleep(self, book: OrderBook) -> None:
        """Until something has come, or is due, or the cursor is to be written."""
        if self._broken is not None:
            raise self._broken
        tick_ms, until_ms, next_ms = self._tick_ms(), self._due_ms, book.agenda.next_ms()
        if next_ms is not None and not book.agenda.due_count(tick_ms):
            until_ms = min(until_ms, next_ms)
        if not self._answered and not book.has_more:
            try:
                async with asyncio.timeout(max(0.001, (until_ms - tick_ms) / 1000)):
                    await self._wake.wait()
            except TimeoutError:
                return
        self._wake.clear()

    async def _end_looks(self) -> None:
        looks = list(self._looks)
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
        self._answered.clear()
        self._failures.clear()
        self._broken, self._waiting = None, 0

    def _tick_ms(self) -> int:
        return _ms(self._tools.monotonic())

    def _beat(self) -> int:
        return min(LONGEST_BEAT_MS, max(SHORTEST_BEAT_MS, round(self._tools.spec.every * 1000)))


def book_of(tools: PollerContext, state: ShardState, rows: CompactedRows[bytes]) -> OrderBook:
    """A shard's orders, looked at as often as the worker's table says."""
    spec = tools.spec
    lines = [ScheduleRule(_ms(line.quiet_for), _ms(line.every), line.status) for line in spec.slower]
    pace = LookSchedule(_ms(spec.every), lines, _ms(spec.grace), _ms(spec.give_up_after))
    return OrderBook(state, rows, pace, _ms(spec.forget_after), tools.orders.fields)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
