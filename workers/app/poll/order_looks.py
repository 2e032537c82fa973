"""The looks in flight of one shard: each reads one order, and the most urgent order goes first."""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field

from workers.app.events.tracked_rows import decode_tracked
from workers.app.poll.context import OrderPolling, PollerContext
from workers.app.poll.vendor_reads import PollClock, VendorReads
from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.compacted_rows import Row
from workers.core.poll.order_book import OrderBook
from workers.core.poll.step import AnsweredLook
from workers.core.poll.vendor_event import Look
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.log import log


@dataclass(slots=True, eq=False)
class OrderLooks:
    """Starts looks, and collects their answers, from one load of the state to the next."""

    _context: PollerContext
    _polling: OrderPolling
    _reads: VendorReads
    _book: OrderBook
    _wake: asyncio.Event  # set when a look ends
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _waiting: int = 0  # looks that wait for a slot and the gate: they have not taken their order yet
    _answers: deque[AnsweredLook] = field(default_factory=deque)
    _failures: Counter[str] = field(default_factory=Counter)  # consecutive ones, by order number
    _error: BaseException | None = None
    _closed: bool = False

    @property
    def has_answers(self) -> bool:
        return bool(self._answers)

    def take_answers(self, at_most: int) -> list[AnsweredLook]:
        return [self._answers.popleft() for _ in range(min(at_most, len(self._answers)))]

    def start(self) -> None:
        """Start looks at the orders that are due; raises the error of a look that broke."""
        if self._error is not None:
            raise self._error
        due, at_most = self._book.due.due_count(self._context.now().tick_ms), self._context.spec.max_in_flight
        while self._waiting < due and len(self._tasks) < at_most:
            self._waiting += 1
            task = asyncio.get_running_loop().create_task(self._look())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def cancel(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        async with self._polling.slots:
            await self._reads.admitted()
            self._waiting -= 1
            row = self._book.take(self._context.now())  # not before: another order may have become more urgent
            if row is not None:
                await self._read(row)

    async def _read(self, row: Row[bytes]) -> None:
        with PollClock(self._context) as clock:
            await self._look_at(row, clock)

    async def _look_at(self, row: Row[bytes], clock: PollClock) -> None:
        order_number = row.key
        try:
            tracked = await self._tracked(row)
        except RegistryUnavailable as error:
            log.warning("registry_unavailable", worker=self._context.spec.name, detail=str(error))
            clock.fault = "registry_unavailable"
            self._failed(order_number)
            return
        if tracked is not None:
            clock.trace.about(tracked.order_id, tracked.context)
        flow = self._polling.poller.look(order_number)
        found = await self._reads.read_once(flow, clock, self._failures[order_number], order_number=order_number)
        if not isinstance(found, Look):
            self._failed(order_number)
            return
        self._failures.pop(order_number, None)
        self._answers.append(AnsweredLook(row, clock.began_ms, found, tracked, clock.trace.context))
        if found.order is None:
            self._context.note(Counter({"not_found": 1}))

    def _failed(self, order_number: str) -> None:
        """Look again later. Other orders are not delayed, and nothing of this one changes."""
        self._failures[order_number] += 1
        delay_ms = round(self._reads.delay(self._failures[order_number]) * 1000)
        self._book.failed(order_number, delay_ms, self._context.now())

    async def _tracked(self, row: Row[bytes]) -> Tracked | None:
        """The content of the order's row; None: unreadable, which prevents no look. Raises `RegistryUnavailable`."""
        topic = self._polling.follows
        try:
            return await decode_tracked(self._context.codec, topic, row.content, row.carried)
        except Undecodable as error:
            self._context.stats.notes["unreadable_tracked_row"] += 1
            log.error("tracked_order_unreadable", topic=topic, offset=row.offset, detail=str(error))
            return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._error = task.exception()
        elif self._error is None and not self._closed:
            self.start()  # a write in progress delays no look
        self._wake.set()
