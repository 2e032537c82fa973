"""One shard of a poller: it owns its state, and what its rounds find it publishes, step by step."""

from __future__ import annotations

import asyncio
from functools import partial

from workers.app.poll.context import PollerContext
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.rows import StateUnreadableError, load_state, step_records
from workers.app.poll.time_windows import WindowRounds
from workers.core.poll.shard_state import ShardState, Step
from workers.core.record import Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.transactions import Transactions
from workers.edges.log import log

_BEGIN_AGAIN = 2.0  # seconds, at least half of it
_HALF_WRITTEN = 10.0  # seconds that a transaction under way gets to end, when the shard is given away


class PollShard:
    """Runs from assignment to revocation.

    Its right to write is the transactional id, not the assignment: whoever opened it last is the one writer.
    So after any failed write all is begun anew: open, read the state to its end, go on. A former owner that
    wakes up, or one that lost an answer, can then neither write nor go on from what it remembers.
    """

    def __init__(self, number: int, tools: PollerContext) -> None:
        self.number = number
        self.loaded = False
        self.state = ShardState()
        self.orders = None if tools.spec.follows is None else OrderRounds(tools)
        self._rounds = self.orders or WindowRounds(number, tools)
        self._tools = tools

    async def run(self) -> None:
        """Own the shard for ever; ends by being cancelled."""
        while True:
            transactions = Transactions(self._tools.connection, self._tools.spec.transactional_id(self.number))
            try:
                await transactions.open()
                await self._load()
                await self._rounds.run(self.state, partial(self._write, transactions))
            except KafkaFailed as error:
                self._tools.stats.taken_over += 1
                self._tools.stats.last_error = str(error)
                log.warning("shard_restarts", worker=self._tools.spec.name, shard=self.number, detail=str(error))
            except StateUnreadableError as error:
                self._tools.failed(error)
                return
            finally:
                self.loaded = False
                await transactions.close()
            await asyncio.sleep(_BEGIN_AGAIN * (0.5 + self._tools.jitter() / 2))

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

    async def _write(self, transactions: Transactions, step: Step) -> None:
        """All of the step or nothing. Cancelled, it waits: half a transaction would hold up the next owner."""
        writing = asyncio.ensure_future(transactions.append(step_records(self._tools, self.number, step)))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=_HALF_WRITTEN)
            raise
        self.state.accept(step)
        self._tools.stats.events += len(step.changes) + len(step.happened)
