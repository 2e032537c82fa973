"""A shard's rounds at a vendor that shows single orders only: looks, and the steps that publish their answers."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from workers.app.poll.context import OrderPolling, PollerContext, WriteStep
from workers.app.poll.order_looks import OrderLooks
from workers.app.poll.vendor_reads import VendorReads
from workers.core.poll.compacted_rows import CompactedRows, apply_row
from workers.core.poll.order_book import OrderBook
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.schedule import LookSchedule, ScheduleRule
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import AnsweredLook, Done
from workers.core.record import Record

MAX_LOOKS_IN_STEP: Final = 100
MAX_CURSOR_INTERVAL_MS: Final = 30_000  # the cursor is written at least this often
MIN_CURSOR_INTERVAL_MS: Final = 1_000


class OrderRounds:
    """Keeps the tracked rows from assignment to revocation; `run` starts afresh with each load of the state."""

    def __init__(self, context: PollerContext, polling: OrderPolling) -> None:
        self._context = context
        self._polling = polling
        self._reads = VendorReads(context)
        self._rows = CompactedRows[bytes]()
        self._read = ReadUntil(context.wall_ms())
        self._loaded = asyncio.Event()  # the rows have been read to their first known end
        self._wake = asyncio.Event()  # new rows, or the end of a look
        self._book: OrderBook | None = None
        self._cursor_due_ms = 0  # when the cursor must be written, by the monotonic clock

    @property
    def tracked(self) -> int:
        return len(self._rows.rows)

    def due_and_late(self) -> tuple[int, int]:
        """How many orders are due, and how many of them are past their deadline."""
        if self._book is None:
            return 0, 0
        tick_ms = self._context.now().tick_ms
        return self._book.due.due_count(tick_ms), self._book.due.late_count(tick_ms)

    def took(self, records: Iterable[Record], position: int, end: int | None) -> None:
        """Apply rows from the consumer thread; to be called in the loop."""
        now = self._context.now()
        for record in records:
            order_number = apply_row(self._rows, record)
            if order_number is not None and self._book is not None:
                self._book.row_changed(order_number, now)
        self._read.took(position, end, now.wall_ms)
        if self._read.at_ms is not None:
            self._loaded.set()
        self._wake.set()

    async def run(self, state: ShardState, write: WriteStep) -> None:
        """Look at orders until it is cancelled or a write fails."""
        await self._loaded.wait()
        book = open_book(self._context, self._polling, state, self._rows, self._read)
        book.begin(self._context.now())
        looks = OrderLooks(self._context, self._polling, self._reads, book, self._wake)
        self._book, self._cursor_due_ms = book, 0
        try:
            while True:
                await self._write(book, looks.take_answers(MAX_LOOKS_IN_STEP), state, write)
                looks.start()
                await self._sleep(book, looks)
        finally:
            self._book = None
            await looks.cancel()

    async def _write(self, book: OrderBook, answered: list[AnsweredLook], state: ShardState, write: WriteStep) -> None:
        """Write what the answers change; a step with the cursor alone only when the cursor is due."""
        now = self._context.now()
        step = book.step(answered, now)
        if not step.is_empty or state.cursor is None or now.tick_ms >= self._cursor_due_ms:
            await write(step)
            self._cursor_due_ms = now.tick_ms + self._cursor_interval_ms()
        else:
            state.cursor = replace(step.cursor, beat_ms=state.cursor.beat_ms)
        book.accept(step, self._context.now())
        self._context.stats.polls += len(answered)
        if given_up := sum(1 for update in step.updates if update.done is Done.GIVEN_UP):
            self._context.note(Counter({"given_up": given_up}))

    async def _sleep(self, book: OrderBook, looks: OrderLooks) -> None:
        """Wait for a row or an answer, or until an order or the cursor is due."""
        tick_ms, until_ms, next_ms = self._context.now().tick_ms, self._cursor_due_ms, book.due.next_ms()
        if next_ms is not None and not book.due.due_count(tick_ms):
            until_ms = min(until_ms, next_ms)
        if not looks.has_answers and not book.has_rows_to_put_back:
            try:
                async with asyncio.timeout(max(0.001, (until_ms - tick_ms) / 1000)):
                    await self._wake.wait()
            except TimeoutError:
                return
        self._wake.clear()

    def _cursor_interval_ms(self) -> int:
        return min(MAX_CURSOR_INTERVAL_MS, max(MIN_CURSOR_INTERVAL_MS, _ms(self._context.spec.every)))


def open_book(
    context: PollerContext, polling: OrderPolling, state: ShardState, rows: CompactedRows[bytes], read: ReadUntil
) -> OrderBook:
    """A shard's order book, with the worker's schedule."""
    spec = context.spec
    rules = [ScheduleRule(_ms(rule.quiet_for), _ms(rule.every), rule.status) for rule in spec.slower]
    schedule = LookSchedule(_ms(spec.every), rules, _ms(spec.grace), _ms(spec.give_up_after))
    return OrderBook(state, rows, read, schedule, _ms(spec.forget_after), polling.poller.fields)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
