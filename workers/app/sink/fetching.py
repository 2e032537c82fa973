"""Which partitions the Kafka thread fetches, so that memory and the commits' metadata stay bounded (backpressure)."""

import asyncio
from typing import NamedTuple

from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.core.consume.backpressure import FetchBudget
from workers.core.consume.start_position import NeedsOperator, StartAt
from workers.core.record import Partition
from workers.edges.kafka.source import KafkaSource
from workers.edges.log import log

MOST_RECEIPTS = 20_000  # unwritten, some 5 MB: several seconds' worth, while a commit writes them every 0.2 s
RECHECK_AFTER_S = 0.02  # what to fetch changes with batches, not with every record


class FetchPlan(NamedTuple):
    """The Kafka thread's instructions."""

    paused: frozenset[Partition]
    awaited: frozenset[Partition]  # a merge waits for these


class Fetching:
    """Sends the Kafka thread a new plan whenever it has changed."""

    def __init__(self, context: SinkContext, ownership: Ownership, source: KafkaSource) -> None:
        self._context = context
        self._ownership = ownership
        self._source = source
        spec = context.spec
        self._budget = FetchBudget(spec.max_unfinished, spec.max_unfinished_bytes)
        self._sent: FetchPlan | None = None
        self._overfull: frozenset[Partition] = frozenset()
        self._timer: asyncio.TimerHandle | None = None

    def assigned(self) -> None:
        """Nothing is fetched of the new assignment yet, and nothing is paused."""
        self._sent = None

    def recheck_soon(self) -> None:
        """Records have finished."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECHECK_AFTER_S, self.recheck)

    def recheck(self, *, force: bool = False) -> None:
        """Send the plan if it has changed; ``force``: a partition has started, to which the last plan did not apply."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        plan = self.plan()
        if plan != self._sent or force:
            self._sent = plan
            self._source.fetch_only(self._ownership.epoch, plan.paused, plan.awaited)

    def plan(self) -> FetchPlan:
        """What should be fetched now. One that a merge waits for is paused only where it alone uses too much memory."""
        shards = self._ownership.shards
        memory = {at: use for shard in shards for at, use in shard.memory_use().items()}
        awaited = frozenset(at for shard in shards for at in shard.awaited())
        before = self._sent.paused if self._sent else frozenset[Partition]()
        paused = frozenset(self._budget.to_pause(memory, before, awaited))
        return FetchPlan(paused | (self._overfull - awaited) | self._without_receipts(), awaited)

    def _without_receipts(self) -> frozenset[Partition]:
        """All partitions, while so many receipts cannot be written that memory would not stay bounded."""
        shards = self._ownership.shards
        if sum(len(shard.receipts) for shard in shards) < max(MOST_RECEIPTS, self._context.spec.max_unfinished):
            return frozenset()
        return frozenset(at for shard in shards for at in shard.ledgers)

    def look_for_overfull(self) -> None:
        """Find the partitions whose finished records no longer fit a commit's metadata: they pause until they do."""
        self._overfull = frozenset(
            at for shard in self._ownership.shards for at, ledger in shard.ledgers.items() if not ledger.fits
        )

    def restart(self, shard: Shard, at: Partition, offset: int) -> None:
        """Fetch a stopped partition again, from where an operator said."""
        shard.begin(at, StartAt(offset))
        self._fetch_from(at, offset)

    def resume(self, shard: Shard, at: Partition) -> bool:
        """Fetch a partition again that stopped before a record which can be read by now; False: it has not stopped yet.

        If it has stopped for another reason since, that reason stays.
        """
        if at not in shard.stopped:
            return False
        suspect, shard.suspect = shard.suspect, None
        if shard.stopped[at] is suspect:
            del shard.stopped[at]
            shard.merge.unreachable(at.topic, None)
            self._fetch_from(at, shard.ledgers[at].position)
        return True

    def stop(self, at: Partition, stop: NeedsOperator) -> None:
        """Fetch nothing more of the partition; the Kafka thread answers by the owner's ``stopped``."""
        self._source.stop_at(self._ownership.epoch, at, stop)

    def _fetch_from(self, at: Partition, offset: int) -> None:
        self._source.restart_at(self._ownership.epoch, at, offset)
        self.recheck(force=True)
        log.info("partition_restarted", worker=self._context.spec.name, partition=str(at), offset=offset)
