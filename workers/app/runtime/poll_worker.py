"""One running poller: vendor to Kafka, each change published once."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from math import inf
from typing import Any

from workers.app.events.edges_status import edges_status
from workers.app.events.schemas import learn_to_write
from workers.app.poll.context import PollerContext
from workers.app.poll.shard import PollShard
from workers.app.poll.status import poll_status
from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.last_errors import Part
from workers.core.record import Partition
from workers.edges.aio import task_error
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Assignment, Fetched, Member, Release
from workers.edges.kafka.source import KafkaSource
from workers.edges.log import log

TICK_S = 0.5


class PollWorker:
    """Runs the shards that the consumer group assigns; implements the consumer thread's `Owner`.

    The group only assigns partitions. Each shard reads its state's partition itself, after it has fenced the former
    owner, and the poller never commits offsets.
    """

    def __init__(self, context: PollerContext, member: Member) -> None:
        """Nothing runs before `start`. To be called in the running loop."""
        self.context = context
        self._member = member
        self.source = KafkaSource(member, context.spec.topics, self, asyncio.get_running_loop())
        self._assignment: Assignment | None = None
        self._shards: dict[int, PollShard] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._draining = False
        self.ticked_at = context.monotonic()

    async def start(self) -> None:
        """Get the schemas to write with, waiting for the registry if there is one; then join the group."""
        spec = self.context.spec
        await learn_to_write(self.context, (*spec.publishes, spec.state), self.context.stats.errors)
        self.source.start()
        self.ticked_at = self.context.monotonic()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def drain(self, within: float) -> None:
        """Wait for each shard's step in progress, then leave the group."""
        self._draining = True
        if self._ticking is None:
            return  # it has not started
        log.info("draining", worker=self.context.spec.name, shards=sorted(self._shards))
        await self._end(self._running, within)
        self._ticking.cancel()
        await self.source.stop(3.0)
        await asyncio.gather(self.context.client.close(), return_exceptions=True)

    def status(self) -> dict[str, Any]:
        """The worker's part of ``GET /status``."""
        status = poll_status(self.context, [shard for _, shard in sorted(self._shards.items())], self.state)
        return status | edges_status(self.context, self._member.brokers, self.source.fetched_at)

    @property
    def kind(self) -> str:
        return "poller"

    @property
    def vendor(self) -> str:
        return self.context.spec.vendor

    @property
    def state(self) -> str:
        if self._draining:
            return "draining"
        return "starting" if self._assignment is None else "running"

    def waiting(self, order_id: str | None = None) -> dict[str, Any] | None:  # noqa: ARG002 - a sink's question
        """Its orders are the vendor's: none of them waits here."""
        return None

    def age(self) -> float:
        """Seconds since the last activity of the slower loop: the consumer thread's polls, or our own ticks.

        0 before they begin: a start waits for the registry, and a restart would not bring that back.
        """
        if self._ticking is None:
            return 0.0
        if self.source.stuck is not None:
            return inf
        return self.context.monotonic() - min(self.ticked_at, self.source.polled_at)

    # Called by the consumer thread, in the loop.

    def assigned(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self.context.stats.rebalances += 1
        self.context.stats.errors.clear(Part.TOPICS)

    def previous_owner_fenced(self, epoch: int) -> None:
        """Nothing to do: each shard fences its former owner itself, by the transactional id."""

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        """The partition is ours: start its shard. ``start`` does not apply, because no offset is ever committed."""
        del start
        if self._assignment is None or self._assignment.epoch != epoch or self._draining:
            return
        unread = (one for one in self._assignment.partitions if one.topic == self.context.spec.state)
        self.source.fetch_only(epoch, frozenset(unread), frozenset())
        if partition.number in self._shards:
            return  # its other topic has started it
        shard = self._shards[partition.number] = PollShard(partition.number, self.context)
        task = asyncio.get_running_loop().create_task(shard.run())
        task.add_done_callback(self._ended)
        self._running[partition.number] = task

    def fetched(self, fetched: Fetched) -> None:
        """Pass on the rows of tracked orders. The shard reads its state itself, once it is the only writer."""
        if self._assignment is None or self._assignment.epoch != fetched.epoch:
            return
        for batch in fetched.batches:
            shard = self._shards.get(batch.partition.number)
            if batch.partition.topic == self.context.spec.follows and shard is not None and shard.orders is not None:
                shard.orders.took(batch.records, batch.position, fetched.ends.get(batch.partition))

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        """A gap in the tracked orders' topic makes our rows untrue. The state's topic is not fetched here."""
        log.info("partition_not_followed", epoch=epoch, partition=str(partition), reason=stop.reason)
        if partition.topic == self.context.spec.follows:
            self.context.failed(KafkaFailed(f"{partition}: {stop.reason}; the relay must read all of it again"))

    def release(self, release: Release) -> None:
        asyncio.get_running_loop().create_task(self._release(release)).add_done_callback(self._ended)

    def waits(self, why: str) -> None:
        self.context.stats.errors.put(Part.TOPICS, why, self.context.wall_ms())

    def lost(self, epoch: int) -> None:
        """Others own the shards already, and Kafka refuses our writes."""
        log.warning("shards_lost", worker=self.context.spec.name, epoch=epoch)
        for task in self._running.values():
            task.cancel()
        self._forget(list(self._running))

    def failed(self, error: Exception) -> None:
        self.context.failed(error)

    async def _release(self, release: Release) -> None:
        within = max(0.0, release.deadline - self.context.monotonic())
        await self._end({partition.number for partition in release.partitions}, within)
        release.done = True

    async def _end(self, shards: Iterable[int], within: float) -> None:
        """Cancel these shards, and wait for their writes in progress."""
        tasks = {shard: self._running[shard] for shard in shards if shard in self._running}
        for task in tasks.values():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values(), timeout=within)
        self._forget(list(tasks))

    def _forget(self, shards: Iterable[int]) -> None:
        for shard in shards:
            self._running.pop(shard, None)
            self._shards.pop(shard, None)
            self.context.stats.errors.clear(Partition(self.context.spec.state, shard))  # its next owner will say it

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.ticked_at = self.context.monotonic()
            self._log_gates()
            if (note := await self.context.client.keep_alive()) is not None:
                self.context.note(Counter({note: 1}))

    def _log_gates(self) -> None:
        self.context.log_gate()
        for shard in self._shards.values():
            if shard.sets is not None:
                shard.sets.log_gates()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if (fault := task_error(task)) is not None:
            self.context.failed(fault)
