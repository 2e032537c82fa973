"""One shard of a poller: it owns its state, and publishes what its rounds find, step by step."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from workers.app.poll.context import OrderPolling, PollerContext, SetPolling
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.rows import StateUnreadableError, read_state, step_records
from workers.app.poll.set_rounds import SetRounds
from workers.app.poll.time_windows import WindowRounds
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.record import Partition
from workers.edges.avro.json_text import time_text
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.table import StartGoneError
from workers.edges.kafka.transactions import Transactions
from workers.edges.log import log
from workers.edges.telemetry.tracing import SendSpan

RESTART_AFTER_S: Final = 2.0  # at least half of it
LOOK_AGAIN_AFTER_S: Final = 0.5  # while no broker answers
KEPT_FOR_S: Final = 3600.0  # far below a day, for which Kafka keeps deletions by default (delete.retention.ms)
WRITE_GRACE_S: Final = 10.0  # for a transaction in progress, when the shard is given away


class PollShard:
    """Runs from assignment to revocation.

    Its right to write is the transactional id, not the assignment: Kafka accepts only the process that opened it last.
    So after a failed write the shard restarts: it opens the id, reads what was written since it has read the state, and
    goes on. A former owner that wakes up can therefore not write, and one whose answer was lost does not go on from
    outdated memory. While no broker answers, it waits with what it has loaded.
    """

    def __init__(self, number: int, context: PollerContext) -> None:
        self.number = number
        self.loaded = False
        self.state = ShardState()
        self._context = context
        self._partition = Partition(context.spec.state, number)
        self._end: int | None = None  # of the state's partition, as far as it was read
        self._owned_at = 0.0  # monotonic: the last time that we were known to be its only writer
        self._rounds = _rounds_of(number, context)

    @property
    def orders(self) -> OrderRounds | None:
        """Its rounds over single orders; None where it polls time windows."""
        return self._rounds if isinstance(self._rounds, OrderRounds) else None

    @property
    def sets(self) -> SetRounds | None:
        """Its rounds over sets; None where it polls no sets."""
        return self._rounds if isinstance(self._rounds, SetRounds) else None

    async def run(self) -> None:
        """Own the shard until it is cancelled."""
        context = self._context
        while True:
            transactions = Transactions(context.connection, context.spec.transactional_id(self.number))
            try:
                await self._brokers_answer()
                await transactions.open()
                await self._load()
                await self._rounds.run(self.state, partial(self._write, transactions))
            except KafkaFailed as error:
                self._failed(error)
            except StateUnreadableError as error:
                context.failed(error)
                return
            finally:
                await transactions.close()
            await asyncio.sleep(RESTART_AFTER_S * (0.5 + context.jitter() / 2))

    async def _brokers_answer(self) -> None:
        while self._context.brokers.is_down:  # noqa: ASYNC110 - the clock decides it, with what an IO thread has heard
            await asyncio.sleep(LOOK_AGAIN_AFTER_S)

    def _failed(self, error: KafkaFailed) -> None:
        """The process logs an outage, once for all shards; what the shard has loaded is still true after it."""
        context = self._context
        context.stats.errors.put(self._partition, str(error), context.wall_ms())
        say = log.debug
        if not context.brokers.may_fail:
            context.stats.taken_over += 1
            say = log.warning
        say("shard_restarts", worker=context.spec.name, shard=self.number, detail=str(error))

    async def _load(self) -> None:
        """Read the state: of a shard that has it already, only what was written since."""
        context, kept = self._context, self.loaded and self._is_fresh()
        if not kept:
            self.loaded, self.state, self._end = False, ShardState(), None
        try:
            self._end = await read_state(context.codec, context.connection, self._partition, self.state, self._end)
        except StartGoneError:
            self.loaded = False
            raise
        self.loaded, self._owned_at = True, context.monotonic()
        context.stats.errors.clear(self._partition)
        cursor = self.state.cursor
        log.info(
            "shard_loaded",
            worker=context.spec.name,
            shard=self.number,
            orders=self.state.row_count,
            cursor=None if cursor is None else time_text(cursor.at_ms),
            kept=kept or None,
        )

    def _is_fresh(self) -> bool:
        """Whether no row can be missed that another owner has deleted since, and whose deletion Kafka has forgotten."""
        return self._context.monotonic() - self._owned_at < KEPT_FOR_S

    async def _write(self, transactions: Transactions, step: Step) -> None:
        """Write all of the step or nothing. When cancelled, wait: an open transaction would block the next owner."""
        written = step_records(self._context, self.number, step)
        writing = asyncio.ensure_future(transactions.append(written.records))
        writing.add_done_callback(partial(_end_sends, written.sends))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing}, timeout=WRITE_GRACE_S)
            raise
        self._owned_at = self._context.monotonic()
        self.state.accept(step)
        self._context.stats.events += step.event_count


def _end_sends(sends: Sequence[SendSpan], writing: asyncio.Future[None]) -> None:
    """The transaction has committed all of the events, or none."""
    error = asyncio.CancelledError() if writing.cancelled() else writing.exception()
    for one in sends:
        one.end(None if error is None else type(error).__name__)


def _rounds_of(shard: int, context: PollerContext) -> OrderRounds | WindowRounds | SetRounds:
    if isinstance(context.polling, OrderPolling):
        return OrderRounds(context, context.polling)
    if isinstance(context.polling, SetPolling):
        return SetRounds(context, context.polling)
    return WindowRounds(shard, context, context.polling)
