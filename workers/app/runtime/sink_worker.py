"""One sink at work: Kafka to vendor, in sequence per order, losing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from workers.app.parked.commands import ParkedCommands
from workers.app.parked.discard import Discards
from workers.app.parked.replay import Redelivery
from workers.app.parked.table import ParkedState
from workers.app.parked.trim import ParkedTrim
from workers.app.sink.commits import Commits
from workers.app.sink.context import SinkContext
from workers.app.sink.flights import Flights
from workers.app.sink.intake import Intake
from workers.app.sink.outcomes import Outcomes
from workers.app.sink.shard import Shard
from workers.app.sink.state import SinkState
from workers.app.sink.status import sink_status
from workers.app.sink.tracked_orders import Marks
from workers.app.sink.write_queue import WriteQueue
from workers.core.consume.lanes import Entry, Lane
from workers.core.consume.start_position import NeedsOperator, StartAt, StartDecision
from workers.core.delivery.outcome import Outcome
from workers.core.delivery.tracked_order import Mark
from workers.core.parked.commands import BeginAt, Command
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking
from workers.core.record import CommitPoint, Partition
from workers.edges.aio import task_error
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Assignment, Fetched, Member, Release
from workers.edges.kafka.source import KafkaSource
from workers.edges.kafka.table import KafkaTable
from workers.edges.kafka.transactions import Transactions
from workers.edges.log import log

_TICK = 0.25
_STEER_AFTER = 0.02  # seconds: what to fetch changes with batches, not with every record


class SinkWorker:
    """Wires the parts of one sink; implements the Kafka thread's `Owner` and the parked state's `Reader`."""

    def __init__(self, state: SinkState, tools: SinkContext, member: Member) -> None:
        """Wire the parts; nothing runs before `start`. To be called in the running loop."""
        self.state = state
        self._tools = tools
        self._key_version = tools.credentials.version
        self._transactions = Transactions(member.connection, f"{state.spec.group}.{member.instance}")
        self._queue = WriteQueue(state)
        self.commits = Commits(state, self._queue, self._transactions)
        wake = self.commits.wake
        self.redelivery = Redelivery(
            state, self._queue, member.connection, tools.codec, pump=self._pump, wake=wake, ended=self._redelivered
        )
        self._discards = Discards(state, self._queue, member.connection, busy=self.redelivery.has, wake=wake)
        self._trim = ParkedTrim(state, self._queue, member.connection)
        self._commands = ParkedCommands(state, self._queue, self.redelivery, self._discards, wake=wake)
        self._outcomes = Outcomes(state, tools.codec, park=self._park, delivered=self._delivered)
        self.flights = Flights(state, tools, settle=self._settle, park=self._park)
        self.intake = Intake(
            state,
            tools.codec,
            park_undecodable=self._park_undecodable,
            pump=self._pump,
            commit_soon=self.commits.soon,
        )
        loop = asyncio.get_running_loop()
        self._table = KafkaTable(member.connection, state.spec.parked_state, loop, self.failed)
        tracks = state.spec.tracks
        marks_table = None if tracks is None else KafkaTable(member.connection, tracks, loop, self.failed)
        self._marks = Marks(state, tools.codec, self._queue, marks_table, self.failed)
        written = (state.spec.parks, state.spec.parked_state, *([tracks] if tracks else ()))
        self.source = KafkaSource(member, state.spec.consumes, self, loop, written_topics=written)
        self.commits.source = self.source
        self._told: tuple[frozenset[Partition], frozenset[Partition]] | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._steering: asyncio.TimerHandle | None = None
        self.ticked_at = state.monotonic()

    async def start(self) -> None:
        """Shut a former process of this name out, then join the group."""
        try:
            await self._transactions.open()
        except KafkaFailed as error:
            log.warning("transactions_not_ready", worker=self.state.spec.name, detail=str(error))
        await self._marks.start()
        self._table.start()
        self.source.start()
        loop = asyncio.get_running_loop()
        loops = (self.commits.run(), self.redelivery.run(), self._discards.run(), self._trim.run(), self._tick())
        self._loops = [loop.create_task(one) for one in loops]
        for task in self._loops:
            task.add_done_callback(self._loop_ended)

    async def drain(self, within: float) -> None:
        """Take nothing new, finish what is in flight, commit, leave the group; ``within`` seconds, then give up."""
        state = self.state
        state.draining = state.holding = True
        if not self._loops:
            return  # it has not started
        log.info("draining", worker=state.spec.name, in_flight=self.state.in_flight)
        self.flights.disband()
        await self._land(within)
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(self.source.stop(3.0), self._table.stop(1.0), self._marks.stop(1.0))
        await asyncio.gather(self._transactions.close(), self._tools.client.close(), return_exceptions=True)

    async def _land(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self.flights.landed()
                await self.commits.settled()
        except TimeoutError:
            log.warning("drain_timed_out", worker=self.state.spec.name, in_flight=self.state.in_flight)
            self.flights.give_up()
            await self.flights.landed()

    def status(self) -> dict[str, Any]:
        """The worker's part of ``GET /status``."""
        client = self._tools.client
        logins = {} if client.session is None else {"logins_total": client.session.logins}
        return sink_status(self.state) | {"look_ups_total": client.look_ups} | logins

    def age(self) -> float:
        """Seconds since the slowest of the loops moved: the Kafka thread's polls, and our own ticks.

        Endless for a partition that the watchdog could not bring back: only a new start helps.
        """
        if self.source.stuck is not None:
            return inf
        return self.state.monotonic() - min(self.ticked_at, self.source.polled_at)

    # The Kafka thread's news, in the loop.

    def assigned(self, assignment: Assignment) -> None:
        self._told = None
        self.intake.assigned(assignment)

    def previous_owner_fenced(self, epoch: int) -> None:
        """What it parked can be read now, and nothing is added to it."""
        if self.state.is_current(epoch):
            shards = self.state.shards
            self._table.follow(frozenset(shards), ParkedState(dict(shards), self._fences_loaded, self._commanded))
            self._marks.follow(dict(shards), self._marks_loaded)

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        self.intake.begun(epoch, partition, start)
        self._steer(force=True)

    def fetched(self, fetched: Fetched) -> None:
        self.intake.fetched(fetched)
        self._steer()

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        self.intake.stopped(epoch, partition, stop)

    def lost(self, epoch: int) -> None:
        self.intake.lost(epoch)
        self.flights.give_up()
        self._queue.forget()
        self.redelivery.forget()
        self._commands.forget()

    def release(self, release: Release) -> None:
        asyncio.get_running_loop().create_task(self._release(release)).add_done_callback(self._loop_ended)

    def failed(self, error: Exception) -> None:
        self._tools.failed(error)

    async def _release(self, release: Release) -> None:
        """Give the partitions away: finish what is in flight, as far as time allows, and publish what to commit."""
        state = self.state
        if not state.is_current(release.epoch):
            release.done = True
            return
        state.holding = True
        self.commits.releasing()
        publishing = asyncio.get_running_loop().create_task(self._publish(release))
        self.flights.disband()
        await self._land(max(0.0, release.deadline - state.monotonic()))
        publishing.cancel()
        release.offsets = self._committable()
        self.intake.forget()
        self._queue.forget()
        self.redelivery.forget()
        self._commands.forget()
        state.holding = state.draining
        release.done = True
        log.info("released", worker=state.spec.name, partitions=len(release.partitions))

    async def _publish(self, release: Release) -> None:
        while True:
            release.offsets = self._committable()
            await asyncio.sleep(0.1)

    def _committable(self) -> Mapping[Partition, CommitPoint]:
        """Nothing of a shard that is parking: its transaction commits further, and this might come after it."""
        parking = self._queue.numbers
        return {
            at: offset
            for shard in self.state.shards.values()
            if shard.number not in parking
            for at, offset in shard.committable().items()
        }

    # The parked state's rows.

    def _marks_loaded(self, shard: Shard) -> None:
        shard.tracked_loaded = True
        self.intake.loaded(shard)

    def _fences_loaded(self, shard: Shard) -> None:
        shard.fences_loaded = True
        self.intake.loaded(shard)
        self.redelivery.loaded(shard)

    def _commanded(self, shard: Shard, key: str, command: Command) -> None:
        """Do what a person asked of this shard, once: the command is taken away with it."""
        if shard is not self.state.shards.get(shard.number):
            return  # its next owner reads it too
        if isinstance(command, BeginAt):
            self._begin_at(shard, command)
            self._queue.fence_changed(shard.number, key)
            self.commits.wake()
        else:
            self._commands.carry_out(shard, key, command)

    def _begin_at(self, shard: Shard, command: BeginAt) -> None:
        at = Partition(command.topic, shard.number)
        if self.state.wall_ms() < command.expires_ms and at in shard.stopped:
            shard.begin(at, StartAt(command.offset))
            self.source.restart_at(self.state.epoch, at, command.offset)
            self._steer(force=True)
            log.info("partition_restarted", worker=self.state.spec.name, partition=str(at), offset=command.offset)

    def _redelivered(self, shard: Shard, order_id: str) -> None:
        self._commands.ended(shard, order_id)

    # Between the parts.

    def _settle(self, results: Sequence[tuple[Lane, Outcome]]) -> None:
        self._outcomes.settle(results)
        if self._steering is None:
            self._steering = asyncio.get_running_loop().call_later(_STEER_AFTER, self._steer)

    def _delivered(self, entry: Entry, mark: Mark | None) -> bool:
        """Whether the record finishes with what its delivery has to write, instead of now."""
        mended = self.redelivery.delivered(entry, marked=mark is not None and self.state.spec.tracks is not None)
        marked = mark is not None and self._marks.delivered(entry, mark)
        if mended or marked:
            self.commits.wake()
        return mended or marked

    def _park(self, entry: Entry, parking: Parking) -> None:
        if entry.replay:
            self.redelivery.parked_again(entry, parking)
            return
        log.info(
            "parking",
            worker=self.state.spec.name,
            order_id=entry.order_id,
            reason=parking.reason.value,
            detail=parking.detail,
        )
        self._queue.park(entry, parking)
        self.commits.wake()

    def _park_undecodable(self, entry: Entry, detail: str) -> None:
        self._park(entry, Parking(ParkReason.UNDECODABLE, detail))

    def _pump(self) -> None:
        self.flights.pump()

    def _steer(self, *, force: bool = False) -> None:
        """Tell the thread what to fetch, when that has changed."""
        self._steering = None
        wanted = self.intake.fetch_only()
        if wanted != self._told or force:
            self._told = wanted
            self.state.paused = wanted[0]
            self.source.fetch_only(self.state.epoch, *wanted)

    async def _tick(self) -> None:
        """What only time brings: a side unreachable for long enough, a new key, the loop's own pulse."""
        while True:
            await asyncio.sleep(_TICK)
            self.ticked_at = self.state.monotonic()
            version = self._tools.credentials.version
            if version != self._key_version:
                self._key_version = version
                log.info("credentials_changed", worker=self.state.spec.name)
                self.state.gate.try_now(self.ticked_at)
            if self._tools.client.session is not None:
                await self._tools.client.session.keep_alive()
            self.intake.look_for_overfull()
            self.intake.fill()
            self.flights.pump()
            self._steer()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if (fault := task_error(task)) is not None:
            self._tools.failed(fault)
