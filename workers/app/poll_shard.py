"""One shard of a poller: it owns its state, polls, and publishes, step by step."""

from __future__ import annotations

import asyncio
from functools import partial

from workers.app.poll_clock import PollClock
from workers.app.poll_reads import PollReads
from workers.app.poll_rows import StateUnreadableError, load_state, step_records
from workers.app.poll_tiers import SlowTiers
from workers.app.poll_tools import PollTools
from workers.core.cursor import first_cursor, moved, window
from workers.core.record import Partition
from workers.core.shard_state import ShardState, Step
from workers.core.span import Stride
from workers.edges.kafka_client import KafkaFailed
from workers.edges.kafka_target import Transactions
from workers.edges.log import log

_BEGIN_AGAIN = 2.0  # seconds, at least half of it
_HALF_WRITTEN = 10.0  # seconds that a transaction under way gets to end, when the shard is given away


class PollShard:
    """Runs from assignment to revocation.

    Its right to write is the transactional id, not the assignment: whoever opened it last is the one writer.
    So after any failed write all is begun anew: open, read the state to its end, go on. A former owner that
    wakes up, or one that lost an answer, can then neither write nor go on from what it remembers.
    """

    def __init__(self, number: int, tools: PollTools) -> None:
        self.number = number
        self.loaded = False
        self.state = ShardState()
        self._tools = tools
        self._stride = Stride()
        self._due = 0.0  # monotonic: the next poll

    async def run(self) -> None:
        """Own the shard for ever; ends by being cancelled."""
        while True:
            transactions = Transactions(self._tools.connection, self._tools.spec.transactional_id(self.number))
            try:
                await transactions.open()
                await self._load()
                await self._rounds(transactions)
            except KafkaFailed as error:
                self._tools.stats.taken_over += 1
                self._tools.stats.last_error = str(error)
                log.warning("shard_begins_anew", worker=self._tools.spec.name, shard=self.number, detail=str(error))
            except StateUnreadableError as error:
                self._tools.failed(error)
                return
            finally:
                self.loaded = False
                await transactions.close()
            await asyncio.sleep(_BEGIN_AGAIN * (0.5 + self._tools.chance() / 2))

    async def _load(self) -> None:
        at = Partition(self._tools.spec.state, self.number)
        self.state = await load_state(self._tools.codec, self._tools.connection, at)
        self.loaded = True
        cursor = self.state.cursor
        log.info(
            "shard_loaded",
            worker=self._tools.spec.name,
            shard=self.number,
            orders=len(self.state.shadows),
            cursor_ms=None if cursor is None else cursor.at_ms,
        )

    async def _rounds(self, transactions: Transactions) -> None:
        async def write(step: Step) -> None:
            await self._write(transactions, step)

        reads = PollReads(self._tools)
        slow = SlowTiers(self.number, self._tools, reads, self.state, write)
        while True:
            wait = self._due - self._tools.monotonic()
            if wait <= 0:
                self._due = self._tools.monotonic() + self._tools.spec.every
                await self._poll(transactions, reads)
            elif not await slow.step():
                await asyncio.sleep(wait)

    async def _poll(self, transactions: Transactions, reads: PollReads) -> None:
        """Read everything from the cursor to now, one page at a time, each step written before the next is read."""
        tools, number = self._tools, self.number
        clock, settle_ms = PollClock(tools), round(tools.spec.settle_lag * 1000)
        cursor = self.state.cursor or first_cursor(clock.began_ms, round(tools.spec.lookback * 1000))
        left = window(cursor, clock.began_ms, tools.stats.skew_ms or 0, settle_ms)
        while not left.is_empty:
            asked = self._stride.ask(left)
            reading = await reads.read(partial(tools.poller.window, number, asked, clock.began_ms - settle_ms), clock)
            assert reading.span is not None, "a window's reading has its span"
            self._stride.read(reading.span)
            now_ms = tools.wall_ms()
            cursor = moved(cursor, reading.span, clock.start, settle_ms, now_ms)
            step = self.state.step(reading.orders, cursor, known=tools.poller.known, now_ms=now_ms)
            await self._write(transactions, step)
            left = left.rest(reading.span)
        tools.stats.polls += 1

    async def _write(self, transactions: Transactions, step: Step) -> None:
        """All of the step or nothing. Cancelled, it waits: half a transaction would hold up the next owner."""
        writing = asyncio.ensure_future(transactions.append(step_records(self._tools, self.number, step)))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=_HALF_WRITTEN)
            raise
        self.state.accept(step)
        self._tools.stats.events += len(step.changes)
