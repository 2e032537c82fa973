"""From Kafka into the lanes: assignment, fetched batches, the merge, and what may be fetched next."""

from __future__ import annotations

from workers.app.events.log_context import about_order
from workers.app.events.schemas import SchemaWaits
from workers.app.events.stop_log import StopLog, stop_text
from workers.app.sink.assignment import Ownership, SinkAssignment
from workers.app.sink.context import SinkContext
from workers.app.sink.fetching import Fetching
from workers.app.sink.finisher import Finisher
from workers.app.sink.sender import Sender
from workers.app.sink.shard import Shard
from workers.app.sink.stats import SinkStats
from workers.app.sink.suspect_schemas import SuspectSchemas
from workers.app.sink.wakeups import Wakeups
from workers.core.consume.lanes import Entry, Lanes
from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.delivery.outcome import Skipped
from workers.core.events import EventHead
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking
from workers.core.record import Partition, Record
from workers.core.trace import Wait
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.owner import Batch, Fetched
from workers.edges.log import log

TOMBSTONE = Skipped("tombstone")
_RECORD_COST_BYTES = 1_500  # of memory for a record's objects, its lane and its place in the ledger
_CLOCKS_DIFFER_MS = 5_000  # of brokers and workers, by less: else a create could count as read that is still to come
_COPIES = 8  # in flight a value exists as Avro, as JSON (twice the size), in the body, and in the socket's buffer


class Intake:
    """Takes the Kafka thread's hand-overs, in the loop, and fills the lanes in sequence."""

    def __init__(
        self,
        context: SinkContext,
        ownership: Ownership,
        *,
        lanes: Lanes,
        sender: Sender,
        finisher: Finisher,
        fetching: Fetching,
        stats: SinkStats,
        wakeups: Wakeups,
    ) -> None:
        self._context = context
        self.stops = StopLog(context.spec.name)
        self._ownership = ownership
        self._lanes = lanes
        self._sender = sender
        self._finisher = finisher
        self._stats = stats
        self._wakeups = wakeups
        self._fetching = fetching
        self._may_come_late_ms = int(context.spec.publish_skew * 1000) + _CLOCKS_DIFFER_MS
        self._schema_waits = SchemaWaits(context.codec, self.fill_and_send)
        self._suspects = SuspectSchemas(context.codec, context.spec.suspect_after)

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        """The partition is fetched from there, or waits for an operator."""
        assignment = self._ownership.current(epoch)
        if assignment is None:
            return
        if isinstance(start, NeedsOperator):
            self.stopped(epoch, partition, start)
            return
        shard = assignment.shards[partition.number]
        shard.begin(partition, start)
        shard.repeatable[partition] = max(start.offset, start.finished.end if start.finished else 0)
        if start.metadata_ignored:
            self._stats.metadata_ignored += 1
            detail = "it was not written for this offset; what had finished beyond the offset is delivered again"
            log.warning(
                "commit_metadata_ignored",
                worker=self._context.spec.name,
                partition=str(partition),
                offset=start.offset,
                detail=detail,
            )

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        """Log it once, as an error: nothing of this partition is read until an operator decides."""
        assignment = self._ownership.current(epoch)
        if assignment is None:
            return
        shard = assignment.shards[partition.number]
        shard.stopped[partition] = stop
        shard.merge.unreachable(partition.topic, self._context.monotonic())
        detail = stop_text(self._context.spec.name, partition.topic, [partition.number], stop.reason)
        self._stats.errors.put(partition, detail, self._context.wall_ms())
        self.stops.stopped(partition, stop.reason, self._context.monotonic())

    def loaded(self, shard: Shard) -> None:
        """The shard's fences or its tracked orders are known: its records may have waited for that."""
        if self._ownership.owns(shard):
            self._fill(shard)
            self._sender.pump()

    def fetched(self, fetched: Fetched) -> None:
        """Take a hand-over in, and send what may go."""
        assignment = self._ownership.current(fetched.epoch)
        if assignment is None:
            return
        now = self._context.monotonic()
        for at, end in fetched.ends.items():
            shard = assignment.shards[at.number]
            shard.note_end(at, end, now)
            shard.merge.restamp(at.topic, end)
        self._note_unreachable(assignment, fetched)
        first_records = [
            self._take(assignment.shards[batch.partition.number], batch, fetched) for batch in fetched.batches
        ]
        if any(first_records):
            self._wakeups.commit_soon()
        _note_read(assignment, fetched)
        for number in {batch.partition.number for batch in fetched.batches}:
            self._fill(assignment.shards[number])
        self._sender.pump()

    def fill(self) -> None:
        """Let go what waited only for time: a side that has been unreachable for long enough."""
        for shard in self._ownership.shards:
            self._fill(shard)

    def fill_and_send(self) -> None:
        """A schema that records waited for is known."""
        self.fill()
        self._sender.pump()

    def _take(self, shard: Shard, batch: Batch, fetched: Fetched) -> bool:
        """Whether the batch brings the first records of its partition."""
        ledger = shard.ledgers.get(batch.partition)
        if ledger is None or batch.partition in shard.stopped:
            return False
        is_first = bool(batch.records) and ledger.position == ledger.start
        fresh = [record for record in batch.records if ledger.open(record.offset)]
        shard.fetched(batch.partition, len(fresh), sum(map(cost, fresh)))
        ledger.reached(batch.position)
        if now_ns := self._context.tracing.now_ns():
            shard.fetch_times[batch.partition].fetched(batch.position, now_ns)
        stamps = {
            topic: fetched.ends.get(Partition(topic, shard.number))
            for topic in self._context.spec.consumes
            if topic != batch.partition.topic
        }
        shard.merge.push(batch.partition.topic, fresh, stamps, batch.position)
        return is_first

    def _note_unreachable(self, assignment: SinkAssignment, fetched: Fetched) -> None:
        for shard in assignment.shards.values():
            for at in shard.ledgers:
                if at not in shard.stopped:
                    shard.merge.unreachable(at.topic, fetched.unreachable.get(at))

    def _fill(self, shard: Shard) -> None:
        """Move what may go from the merge into the lanes; nothing before the fences are known."""
        if not shard.is_ready or self._ownership.is_closing:
            return
        now = self._context.monotonic()
        while True:
            record = shard.next or shard.merge.pop(now)
            if record is None:
                break
            shard.next = record  # while the registry is asked, or a schema is suspect, no other record may pass it
            try:
                if not self._may_enter(shard, record):
                    break
                self._enter(shard, record)
            except UnknownSchema as unknown:
                self._schema_waits.ask(unknown.schema_id)
                break
            shard.next = None
        self._stats.passed_unreachable += shard.merge.passed_unreachable
        shard.merge.passed_unreachable = 0

    def _may_enter(self, shard: Shard, record: Record) -> bool:
        """Whether the record's schema is not suspect: else its partition stops, until the schema can be read."""
        reason = self._suspects.stop_before(record)
        if reason is None:
            return shard.suspect is None or self._fetching.resume(shard, record.at)
        if shard.suspect is None:
            shard.suspect = NeedsOperator(reason, damaged=True)
            self._fetching.stop(record.at, shard.suspect)
        return False

    def _enter(self, shard: Shard, record: Record) -> None:
        if record.value is None:
            self._stats.skipped[TOMBSTONE.reason] += 1
            order_id = (record.key or b"").decode("utf-8", "replace")
            self._finisher.skipped(self._entry(shard, record, EventHead(order_id)), TOMBSTONE)
            return
        key = None if record.key is None else record.key.decode("utf-8", "replace")
        try:
            head = self._context.codec.head(record.topic, record.value, record.headers)
        except Undecodable as error:
            if key is None:
                parking = Parking(ParkReason.UNDECODABLE, str(error))
                self._finisher.park(self._entry(shard, record, EventHead("")), parking)
                return
            head = EventHead(key)  # it belongs to this order's sequence: its lane and its fence
        else:
            self._stats.key_mismatches += key != head.order_id
        self._watch_partition(head.order_id, record)
        entry = self._entry(shard, record, head)
        if not self._sender.gate_is_open:
            entry.span.waits(Wait.GATE)
        self._lanes.add(entry, self._context.monotonic(), hold=self._may_precede_its_create(shard, entry))

    def _may_precede_its_create(self, shard: Shard, entry: Entry) -> bool:
        """A status of an order that nothing here knows: its publisher may have sent the create first.

        Of a backlog no status waits: whatever creates were appended within `publish_skew` after it have been read.
        """
        if (
            entry.creates_order
            or entry.producer is None
            or entry.order_id in self._lanes.delivered_orders
            or entry.order_id in shard.tracked
            or shard.fences.get(entry.order_id) is not None
        ):
            return False
        until_ms = entry.record.timestamp_ms + self._may_come_late_ms
        return not all(shard.has_read(topic, until_ms) for topic in self._context.create_topics)

    def _watch_partition(self, order_id: str, record: Record) -> None:
        """An order whose records come in two partitions has no sequence of its own: log it."""
        lane = self._lanes.get(order_id)
        if lane is not None and lane.queue[-1].record.partition != record.partition:
            self._stats.two_partitions += 1
            log.warning("order_in_two_partitions", worker=self._context.spec.name, **about_order(order_id, record))

    def _entry(self, shard: Shard, record: Record, head: EventHead) -> Entry:
        at = record.at
        self._stats.repeated += record.offset < shard.repeatable.get(at, 0)
        span = self._context.tracing.process(record, shard.fetch_times[at].of(record.offset))
        span.belongs_to(head.order_id)
        return Entry(
            record=record,
            order_id=head.order_id,
            creates_order=record.topic in self._context.create_topics,
            ledger=shard.ledgers[at],
            size=cost(record),
            producer=head.producer,
            occurred_at=head.occurred_at,
            span=span,
        )


def _note_read(assignment: SinkAssignment, fetched: Fetched) -> None:
    """Note which partitions had been read to their ends when the ends were asked for."""
    for at, end in fetched.ends.items():
        shard = assignment.shards[at.number]
        if at in shard.ledgers and at not in shard.stopped and shard.ledgers[at].position >= end:
            shard.read_until_ms[at] = fetched.asked_at_ms


def cost(record: Record) -> int:
    """Bytes that a record keeps in memory until it is finished."""
    return _COPIES * len(record.value or b"") + len(record.key or b"") + _RECORD_COST_BYTES
