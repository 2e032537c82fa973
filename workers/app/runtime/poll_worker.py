"""One poller at work: vendor to Kafka, each change published once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from math import inf
from typing import Any

from workers.app.events.schema_waits import learn_to_write
from workers.app.poll.context import PollerContext
from workers.app.poll.shard import PollShard
from workers.app.poll.status import poll_status
from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.record import Partition
from workers.edges.aio import task_error
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Assignment, Fetched, Member, Release
from workers.edges.kafka.source import KafkaSource
from workers.edges.log import log

_TICK = 0.25


class PollWorker:
    """Runs the shards that the group gives it; implements the Kafka thread's `Owner`.

    The group only shares out the work: its partitions are fetched by each shard itself, after it has shut
    a former owner out, and nothing is ever committed for them.
    """

    def __init__(self, tools: PollerContext, member: Member) -> None:
        """Wire the parts; nothing runs before `start`. To be called in the running loop."""
        self.tools = tools
        self.source = KafkaSource(member, tools.spec.topics, self, asyncio.get_running_loop())
        self._assignment: Assignment | None = None
        self._shards: dict[int, PollShard] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._draining = False
        self.ticked_at = tools.monotonic()

    async def start(self) -> None:
        """Learn how to write, waiting for the registry if there is one; then join the group."""
        spec = self.tools.spec
        await learn_to_write(self.tools.codec, (*spec.publishes, spec.state), worker=spec.name)
        self.source.start()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def drain(self, within: float) -> None:
        """End each shard's step, then leave the group."""
        self._draining = True
        if self._ticking is None:
            return  # it has not started
        log.info("draining", worker=self.tools.spec.name, shards=sorted(self._shards))
        await self._end(self._running, within)
        self._ticking.cancel()
        await self.source.stop(3.0)
        await asyncio.gather(self.tools.client.close(), return_exceptions=True)

    def status(self) -> dict[str, Any]:
        """The worker's part of ``GET /status``."""
        return poll_status(self.tools, self._shards.values(), self._state())

    def age(self) -> float:
        """Seconds since the slower of the loops moved: the Kafka thread's polls, and our own ticks."""
        if self.source.stuck is not None:
            return inf
        return self.tools.monotonic() - min(self.ticked_at, self.source.polled_at)

    # The Kafka thread's news, in the loop.

    def assigned(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self.tools.stats.rebalances += 1

    def previous_owner_fenced(self, epoch: int) -> None:
        """Nothing: each shard shuts its former owner out itself, by the transactional id."""

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        """The partition is ours: its shard begins. ``start`` says nothing, for nothing is committed."""
        del start
        if self._assignment is None or self._assignment.epoch != epoch or self._draining:
            return
        unread = (one for one in self._assignment.partitions if one.topic == self.tools.spec.state)
        self.source.fetch_only(epoch, frozenset(unread), frozenset())
        if partition.number in self._shards:
            return  # by the other of its topics
        shard = self._shards[partition.number] = PollShard(partition.number, self.tools)
        task = asyncio.get_running_loop().create_task(shard.run())
        task.add_done_callback(self._ended)
        self._running[partition.number] = task

    def fetched(self, fetched: Fetched) -> None:
        """Rows of the orders to look at. Of the state nothing: the shard reads it itself, once it is the one writer."""
        if self._assignment is None or self._assignment.epoch != fetched.epoch:
            return
        for batch in fetched.batches:
            shard = self._shards.get(batch.partition.number)
            if batch.partition.topic == self.tools.spec.follows and shard is not None and shard.orders is not None:
                shard.orders.took(batch.records, batch.position, fetched.ends.get(batch.partition))

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        """The state's partition is not fetched here. The orders' is: what we know of its rows is no longer true."""
        log.info("partition_not_followed", epoch=epoch, partition=str(partition), reason=stop.reason)
        if partition.topic == self.tools.spec.follows:
            self.tools.failed(KafkaFailed(f"{partition}: {stop.reason}; all of it is to be read again"))

    def release(self, release: Release) -> None:
        asyncio.get_running_loop().create_task(self._release(release)).add_done_callback(self._ended)

    def lost(self, epoch: int) -> None:
        """Others own the shards already; what is written now is refused."""
        log.warning("shards_lost", worker=self.tools.spec.name, epoch=epoch)
        for task in self._running.values():
            task.cancel()
        self._forget(list(self._running))

    def failed(self, error: Exception) -> None:
        self.tools.failed(error)

    async def _release(self, release: Release) -> None:
        within = max(0.0, release.deadline - self.tools.monotonic())
        await self._end({at.number for at in release.partitions}, within)
        release.done = True

    async def _end(self, numbers: Iterable[int], within: float) -> None:
        """Cancel these shards, and wait for what they are just writing."""
        tasks = {number: self._running[number] for number in numbers if number in self._running}
        for task in tasks.values():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks.values(), timeout=within)
        self._forget(list(tasks))

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._running.pop(number, None)
            self._shards.pop(number, None)

    def _state(self) -> str:
        if self._draining:
            return "draining"
        return "starting" if self._assignment is None else "running"

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.ticked_at = self.tools.monotonic()
            if self.tools.client.session is not None:
                await self.tools.client.session.keep_alive()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if (fault := task_error(task)) is not None:
            self.tools.failed(fault)
