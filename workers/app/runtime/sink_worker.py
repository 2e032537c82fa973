"""One sink at work: Kafka to vendor, in sequence per order, losing nothing."""

import asyncio
from contextlib import suppress
from math import inf
from typing import Any

from workers.app.events.edges_status import edges_status
from workers.app.events.schemas import learn_to_write
from workers.app.parked.trim import ParkedTrim
from workers.app.runtime.sink_pipe import SinkEdges, SinkPipe, open_edges
from workers.app.sink.assignment import SinkAssignment
from workers.app.sink.commit.handover import Handover
from workers.app.sink.context import SinkContext
from workers.app.sink.status.status import sink_status, state_of
from workers.app.sink.status.waiting import waiting_status
from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.last_errors import Part
from workers.core.record import Partition
from workers.edges.aio import task_error
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Assignment, Fetched, Member, Release
from workers.edges.log import log

TICK_S = 0.5
PUBLISH_EVERY_S = 0.1  # while partitions are given away


class SinkWorker:
    """The life of one sink, from start to drain; implements the Kafka thread's `Owner`."""

    def __init__(self, context: SinkContext, member: Member, edges: SinkEdges | None = None) -> None:
        """Nothing runs before `start`. To be called in the running loop. ``edges``: other ones than Kafka's."""
        self._context = context
        self._edges = edges or open_edges(context.spec, member, self)
        self._member = member
        self.pipe = SinkPipe(context, self._edges)
        self._trim = ParkedTrim(context, self.pipe.ownership, self._edges.connection)
        self._key_version = context.credentials.version
        self._is_draining = False
        self._tasks: list[asyncio.Task[None]] = []
        self._ticked_at = context.monotonic()

    async def start(self) -> None:
        """Fence a former process of this name, then join the group."""
        edges = self._edges
        try:
            await edges.transactions.open()
        except KafkaFailed as error:
            log.warning("transactions_not_ready", worker=self._context.spec.name, detail=str(error))
        written = [topic for topic in (self._context.spec.tracks, self._context.spec.receipts) if topic is not None]
        await learn_to_write(self._context, written, self.pipe.stats.errors)
        self.pipe.tracked.start()
        self.pipe.receipts.start()
        edges.parked_state.start()
        edges.source.start()
        self._ticked_at = self._context.monotonic()
        for work in (self.pipe.commits.run(), self._trim.run(), self._tick()):
            task = asyncio.get_running_loop().create_task(work)
            task.add_done_callback(self._task_ended)
            self._tasks.append(task)

    async def drain(self, within: float) -> None:
        """Take nothing new, finish what is in flight, commit, leave the group; ``within`` seconds, then give up."""
        self._is_draining = True
        self.pipe.close()
        if not self._tasks:
            return  # it has not started
        edges, pipe = self._edges, self.pipe
        log.info("draining", worker=self._context.spec.name, in_flight=pipe.sender.in_flight)
        pipe.sender.release_batch()
        await self.pipe.settle(within)
        # The release of the partitions waits for the commit loop: cancelled before, it would never be done.
        await asyncio.gather(edges.source.stop(3.0), edges.parked_state.stop(2.0), pipe.tracked.stop(2.0))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        pipe.ownership.end()
        closing = (edges.transactions.close(), pipe.receipts.close(), self._context.client.close())
        await asyncio.gather(*closing, return_exceptions=True)

    def status(self) -> dict[str, Any]:
        """The worker's part of ``GET /status``."""
        status = sink_status(self._context, self.pipe, is_draining=self._is_draining)
        return status | edges_status(self._context, self._member.brokers, self._edges.source.fetched_at)

    @property
    def kind(self) -> str:
        return "sink"

    @property
    def vendor(self) -> str:
        return self._context.spec.vendor

    @property
    def state(self) -> str:
        return state_of(self.pipe.ownership, is_draining=self._is_draining)

    def waiting(self, order_id: str | None = None) -> dict[str, Any]:
        """The worker's part of ``GET /status/waiting``; of one order: each of its records."""
        return waiting_status(self._context, self.pipe, order_id)

    def age(self) -> float:
        """Seconds since the slowest of the loops moved: the Kafka thread's polls, and our own ticks.

        0 before they begin: a start waits for the registry, and a restart would not bring that back.
        Endless for a partition that the watchdog could not bring back: only a new start helps.
        """
        if not self._tasks:
            return 0.0
        if self._edges.source.stuck is not None:
            return inf
        return self._context.monotonic() - min(self._ticked_at, self._edges.source.polled_at)

    # The Kafka thread's Owner.

    def assigned(self, assignment: Assignment) -> None:
        log.info("assigned", worker=self._context.spec.name, partitions=len(assignment.partitions))
        self.pipe.stats.rebalances += 1
        self.pipe.stats.errors.clear(Part.TOPICS)
        self.pipe.begin(assignment)
        if self._is_draining:
            self.pipe.close()

    def previous_owner_fenced(self, epoch: int) -> None:
        assignment = self.pipe.ownership.current(epoch)
        if assignment is not None:
            self.pipe.follow_state(assignment)

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        self.pipe.intake.begun(epoch, partition, start)
        self.pipe.fetching.recheck(force=True)

    def fetched(self, fetched: Fetched) -> None:
        self.pipe.intake.fetched(fetched)
        self.pipe.fetching.recheck()

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        self.pipe.intake.stopped(epoch, partition, stop)

    def waits(self, why: str) -> None:
        self.pipe.ownership.has_joined = False  # it has left the group, or never came so far
        self.pipe.stats.errors.put(Part.TOPICS, why, self._context.wall_ms())

    def lost(self, epoch: int) -> None:
        """What is in flight commits nothing."""
        if self.pipe.ownership.current(epoch) is not None:
            log.warning("assignment_lost", worker=self._context.spec.name)
            self.pipe.ownership.end()
        self.pipe.sender.cancel_flights()

    def release(self, release: Release) -> None:
        asyncio.get_running_loop().create_task(self._release(release)).add_done_callback(self._task_ended)

    def failed(self, error: Exception) -> None:
        self._context.failed(error)

    async def _release(self, release: Release) -> None:
        """Give the partitions away: finish what is in flight, as far as time allows, and publish what to commit."""
        pipe = self.pipe
        assignment = pipe.ownership.current(release.epoch)
        if assignment is None:
            release.done = True
            return
        self.pipe.close()
        pipe.commits.abandon_plain_commit()
        settled = asyncio.Event()
        publishing = asyncio.get_running_loop().create_task(self._publish(release, assignment, settled))
        pipe.sender.release_batch()
        await self.pipe.settle(max(0.0, release.deadline - self._context.monotonic()))
        settled.set()
        await publishing
        pipe.ownership.end()
        release.done = True
        self._log_release(len(release.partitions))

    def _log_release(self, partitions: int) -> None:
        name = self._context.spec.name
        if self._is_draining and not self._member.leaves:
            log.info("kept", worker=name, partitions=partitions, for_s=self._member.session_timeout_s)
        else:
            log.info("released", worker=name, partitions=partitions)

    async def _publish(self, release: Release, assignment: SinkAssignment, settled: asyncio.Event) -> None:
        """Publish what may be committed again and again, the last time when all has settled."""
        handover = Handover(self._context.spec.name, assignment, self.pipe.receipts)
        is_last = False
        while not is_last:
            is_last = settled.is_set()
            release.offsets = await handover.offsets()
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBLISH_EVERY_S):
                    await settled.wait()

    async def _tick(self) -> None:
        """What only time brings: a side unreachable for long enough, a new key, a session to be kept alive."""
        pipe = self.pipe
        while True:
            await asyncio.sleep(TICK_S)
            self._ticked_at = self._context.monotonic()
            version = self._context.credentials.version
            if version != self._key_version:
                self._key_version = version
                log.info("credentials_changed", worker=self._context.spec.name)
                pipe.gate.try_now(self._ticked_at)
            if (note := await self._context.client.keep_alive()) is not None:
                pipe.outcomes.note(note)
            pipe.outcomes.log_gate()
            pipe.intake.stops.write_due(self._ticked_at)
            pipe.fetching.look_for_overfull()
            pipe.intake.fill_and_send()
            pipe.fetching.recheck()

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if (error := task_error(task)) is not None:
            self._context.failed(error)
