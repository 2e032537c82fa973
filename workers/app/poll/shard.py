"""One shard of a poller: it owns its state, and publishes what its rounds find, step by step."""

import asyncio
from functools import partial
from typing import Final

from workers.app.poll.context import OrderPolling, PollerContext
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.rows import StateUnreadableError, load_state, step_records
from workers.app.poll.time_windows import WindowRounds
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.record import Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.transactions import Transactions
from workers.edges.log import log

RESTART_AFTER_S: Final = 2.0  # at least half of it
WRITE_GRACE_S: Final = 10.0  # for a transaction in progress, when the shard is given away


class PollShard:
    """Runs from assignment to revocation.

    Its right to write is the transactional id, not the assignment: Kafka accepts only the process that opened it last.
    So after a failed write the shard restarts: it opens the id, reads the state to its end, and goes on. A former owner
    that wakes up can therefore not write, and one whose answer was lost does not go on from outdated memory.
    """

    def __init__(self, number: int, context: PollerContext) -> None:
        self.number = number
        self.loaded = False
        self.state = ShardState()
        self._context = context
        self._rounds = _rounds_of(number, context)

    @property
    def orders(self) -> OrderRounds | None:
        """Its rounds over single orders; None where it polls time windows."""
        return self._rounds if isinstance(self._rounds, OrderRounds) else None

    async def run(self) -> None:
        """Own the shard until it is cancelled."""
        context = self._context
        while True:
            transactions = Transactions(context.connection, context.spec.transactional_id(self.number))
            try:
                await transactions.open()
                await self._load()
                await self._rounds.run(self.state, partial(self._write, transactions))
            except KafkaFailed as error:
                context.stats.taken_over += 1
                context.stats.last_error = str(error)
                log.warning("shard_restarts", worker=context.spec.name, shard=self.number, detail=str(error))
            except StateUnreadableError as error:
                context.failed(error)
                return
            finally:
                self.loaded = False
                await transactions.close()
            await asyncio.sleep(RESTART_AFTER_S * (0.5 + context.jitter() / 2))

    async def _load(self) -> None:
        context = self._context
        self.state = await load_state(context.codec, context.connection, Partition(context.spec.state, self.number))
        self.loaded = True
        cursor = self.state.cursor
        log.info(
            "shard_loaded",
            worker=context.spec.name,
            shard=self.number,
            orders=len(self.state.orders),
            cursor_ms=None if cursor is None else cursor.at_ms,
        )

    async def _write(self, transactions: Transactions, step: Step) -> None:
        """Write all of the step or nothing. When cancelled, wait: an open transaction would block the next owner."""
        writing = asyncio.ensure_future(transactions.append(step_records(self._context, self.number, step)))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=WRITE_GRACE_S)
            raise
        self.state.accept(step)
        self._context.stats.events += len(step.changes) + len(step.events)


def _rounds_of(shard: int, context: PollerContext) -> OrderRounds | WindowRounds:
    if isinstance(context.polling, OrderPolling):
        return OrderRounds(context, context.polling)
    return WindowRounds(shard, context, context.polling)
