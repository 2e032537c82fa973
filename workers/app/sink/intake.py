"""From Kafka into the lanes: assignment, fetched batches, the merge, and what may be fetched next."""

from __future__ import annotations

from collections.abc import Callable

from workers.app.events.schema_waits import SchemaWaits
from workers.app.sink.shard import Shard, open_shard
from workers.app.sink.state import SinkState
from workers.core.consume.lanes import Entry
from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.record import Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.owner import Assignment, Batch, Fetched
from workers.edges.log import log

_RECORD_COST = 1_500  # bytes of memory that a record keeps beside its content: objects, lane, ledger
_SPREAD = 8  # in flight its value is there as Avro, as JSON (twice the size), in the body, and waiting for the socket


class Intake:
    """Takes hand-overs of the Kafka thread, in the loop, and fills the lanes in sequence."""

    def __init__(
        self,
        state: SinkState,
        codec: Codec,
        *,
        park_undecodable: Callable[[Entry, str], None],
        pump: Callable[[], None],
        commit_soon: Callable[[], None],
    ) -> None:
        self._state = state
        self._codec = codec
        self._park_undecodable = park_undecodable
        self._pump = pump
        self._commit_soon = commit_soon
        self._schema_waits = SchemaWaits(codec, self._go_on)
        self._overfull: frozenset[Partition] = frozenset()
        self._first_records = False  # of a partition, in the present hand-over

    def assigned(self, assignment: Assignment) -> None:
        state = self._state
        state.assignment = assignment
        state.stats.rebalances += 1
        state.paused = frozenset()
        now = state.monotonic()
        numbers = frozenset(at.number for at in assignment.partitions)
        spec = state.spec
        state.shards = {
            number: open_shard(number, spec.consumes, spec.merge_wait, now, tracks=spec.tracks is not None)
            for number in numbers
        }
        log.info("assigned", worker=spec.name, partitions=len(assignment.partitions))

    def begun(self, epoch: int, at: Partition, start: StartDecision) -> None:
        if not self._state.is_current(epoch):
            return
        if isinstance(start, NeedsOperator):
            self.stopped(epoch, at, start)
            return
        shard = self._state.shards[at.number]
        shard.begin(at, start)
        shard.repeatable[at] = max(start.offset, start.finished.end if start.finished else 0)

    def stopped(self, epoch: int, at: Partition, stop: NeedsOperator) -> None:
        """Say it once, loudly: nothing of this partition is read until a person decides."""
        if not self._state.is_current(epoch):
            return
        shard = self._state.shards[at.number]
        shard.stopped[at] = stop
        shard.merge.unreachable(at.topic, self._state.monotonic())
        name = self._state.spec.name
        self._state.stats.last_error = f"{at} stopped: {stop.reason}; decide with 'relay offsets {name} --to ...'"
        log.error("partition_stopped", worker=name, partition=str(at), detail=self._state.stats.last_error)

    def lost(self, epoch: int) -> None:
        """The group has gone on without us: whatever is in flight belongs to nobody now, and commits nothing."""
        if self._state.is_current(epoch):
            log.warning("assignment_lost", worker=self._state.spec.name)
            self.forget()

    def forget(self) -> None:
        """Drop everything of the present assignment, but flights: their lanes stay closed until they have ended."""
        state = self._state
        ledgers = [ledger for shard in state.shards.values() for ledger in (*shard.ledgers.values(), shard.replays)]
        state.lanes.drop(frozenset(ledgers))
        state.shards = {}
        state.assignment = None
        self._schema_waits.forget()

    def loaded(self, shard: Shard) -> None:
        """Something that the shard's records waited for is known."""
        self._fill(shard)
        self._pump()

    def fetched(self, fetched: Fetched) -> None:
        if not self._state.is_current(fetched.epoch):
            return
        for at, end in fetched.ends.items():
            self._note_end(at, end)
        self._note_unreachable(fetched)
        for batch in fetched.batches:
            self._take(batch, fetched)
        if self._first_records:
            self._commit_soon()  # what may be sent now must be told first, for a successor to count it
            self._first_records = False
        for number in {batch.partition.number for batch in fetched.batches}:
            self._fill(self._state.shards[number])
        self._pump()

    def fill(self) -> None:
        """Let go what waited only for time: a side that has been unreachable for long enough."""
        for shard in self._state.shards.values():
            self._fill(shard)

    def _take(self, batch: Batch, fetched: Fetched) -> None:
        shard = self._state.shards[batch.partition.number]
        ledger = shard.ledgers.get(batch.partition)
        if ledger is None or batch.partition in shard.stopped:
            return
        self._first_records = self._first_records or (bool(batch.records) and ledger.position == ledger.start)
        fresh = [record for record in batch.records if ledger.open(record.offset)]
        for record in fresh:
            shard.took(batch.partition, cost(record))
        ledger.reached(batch.position)
        stamps = {
            topic: fetched.ends.get(Partition(topic, shard.number))
            for topic in self._state.spec.consumes
            if topic != batch.partition.topic
        }
        shard.merge.push(batch.partition.topic, fresh, stamps, batch.position)

    def _note_end(self, at: Partition, end: int) -> None:
        shard = self._state.shards[at.number]
        shard.ends[at] = end
        shard.merge.restamp(at.topic, end)

    def _note_unreachable(self, fetched: Fetched) -> None:
        for shard in self._state.shards.values():
            for at in shard.ledgers:
                if at not in shard.stopped:
                    shard.merge.unreachable(at.topic, fetched.unreachable.get(at))

    def _go_on(self) -> None:
        self.fill()
        self._pump()

    def _fill(self, shard: Shard) -> None:
        """Move what may go from the merge into the lanes; nothing before the fences are known."""
        if not shard.ready or self._state.holding:
            return
        now = self._state.monotonic()
        while True:
            record = shard.next or shard.merge.pop(now)
            shard.next = None
            if record is None:
                break
            try:
                self._enter(shard, record)
            except UnknownSchema as unknown:
                shard.next = record  # the registry is asked; nothing of this shard may pass it meanwhile
                self._schema_waits.ask(unknown.schema_id)
                break
        self._state.stats.passed_unreachable += shard.merge.passed_unreachable
        shard.merge.passed_unreachable = 0

    def _enter(self, shard: Shard, record: Record) -> None:
        state = self._state
        if record.value is None:
            entry = self._entry(shard, record, order_id="")
            state.stats.skipped["tombstone"] += 1
            state.finish(entry)
            return
        key = None if record.key is None else record.key.decode("utf-8", "replace")
        try:
            order_id = self._codec.order_id(record.topic, record.value)
        except Undecodable as error:
            if key is None:
                self._park_undecodable(self._entry(shard, record, order_id=""), str(error))
                return
            order_id = key  # it belongs to this order's sequence: its lane and its fence
        else:
            state.stats.key_mismatches += key != order_id
        self._watch_partition(order_id, record)
        state.lanes.add(self._entry(shard, record, order_id))

    def _watch_partition(self, order_id: str, record: Record) -> None:
        """An order that comes in two partitions has no sequence of its own: say so."""
        lane = self._state.lanes.get(order_id)
        if lane is not None and lane.queue[-1].record.partition != record.partition:
            self._state.stats.two_partitions += 1
            log.warning("order_in_two_partitions", worker=self._state.spec.name, order_id=order_id)

    def _entry(self, shard: Shard, record: Record, order_id: str) -> Entry:
        at = record.at
        self._state.stats.repeated += record.offset < shard.repeatable.get(at, 0)
        return Entry(
            record=record,
            order_id=order_id,
            creates_order=record.topic in self._state.opening,
            ledger=shard.ledgers[at],
            size=cost(record),
        )

    def look_for_overfull(self) -> None:
        """Find the partitions whose finished records no longer fit a commit's metadata: they pause until they do."""
        self._overfull = frozenset(
            at for shard in self._state.shards.values() for at, ledger in shard.ledgers.items() if not ledger.fits
        )

    def fetch_only(self) -> tuple[frozenset[Partition], frozenset[Partition]]:
        """Which partitions to pause, and which the merges wait for."""
        state = self._state
        held = {at: one for shard in state.shards.values() for at, one in shard.held().items()}
        awaited = frozenset(at for shard in state.shards.values() for at in shard.awaited())
        paused = frozenset(state.window.to_pause(held, state.paused, awaited))
        return paused | (self._overfull - awaited), awaited


def cost(record: Record) -> int:
    """Bytes that a record keeps in memory until it is finished."""
    return _SPREAD * len(record.value or b"") + len(record.key or b"") + _RECORD_COST
