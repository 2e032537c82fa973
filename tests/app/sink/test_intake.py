"""From fetched batches into lanes: nothing before the fences are known, nothing past what it must wait for."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

import pytest

from tests.support.sink_rig import CREATED, STATUS, TOPICS, PlainCodec, Rig, settled
from workers.app.sink.fetching import Fetching
from workers.app.sink.intake import Intake, cost
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.consume.start_position import NeedsOperator, StartAt, stop_reason
from workers.core.events import Event, EventHead
from workers.core.parked.fence import Fence, ParkReason
from workers.core.record import Headers, Partition, Record
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.owner import Batch, Fetched

C, S = Partition(CREATED, 0), Partition(STATUS, 0)


class NoSender:
    """What is in the lanes is for the test to take."""

    def pump(self) -> None:
        pass


class Stand:
    """An intake with one partition number of both topics, both assigned."""

    def __init__(self, source: Any = None, **spec: Any) -> None:
        self.rig = Rig(**spec)
        rig = self.rig
        self.fetching = Fetching(rig.context, rig.ownership, source)
        self.intake = Intake(
            rig.context,
            rig.ownership,
            lanes=rig.lanes,
            sender=cast("Any", NoSender()),
            finisher=rig.finisher,
            fetching=self.fetching,
            stats=rig.stats,
            wakeups=rig.wakeups,
        )
        self.assign(0)

    def assign(self, *numbers: int) -> None:
        self.rig.assign(*numbers)
        for shard in self.rig.shards.values():
            shard.fences_loaded = False
            shard.ledgers.clear()

    def begin(self, *, finished: FinishedOffsets | None = None, start: int = 0, loaded: bool = True) -> None:
        for at in (C, S):
            self.intake.begun(1, at, StartAt(start, finished))
        if loaded:
            self.load()

    def load(self) -> None:
        """Every parked order is known."""
        for shard in self.rig.shards.values():
            shard.fences_loaded = True
            self.intake.loaded(shard)

    def fetch(self, *records: Record, ends: dict[Partition, int] | None = None, epoch: int = 1) -> None:
        """One hand-over; each topic's position is after its last record."""
        batches = []
        for at in (C, S):
            own = [record for record in records if record.at == at]
            if own:
                batches.append(Batch(at, own, own[-1].offset + 1))
        known = {C: 0, S: 0} | {batch.partition: batch.position for batch in batches}
        self.intake.fetched(Fetched(epoch, batches, ends or known, {}))

    def reach(self, at: Partition, position: int) -> None:
        self.intake.fetched(Fetched(1, [Batch(at, [], position)], {}, {}))

    def taken(self) -> list[tuple[str, bytes | None]]:
        """What would be sent now, in its order."""
        found = []
        while (lane := self.rig.lanes.take()) is not None:
            head = self.rig.lanes.finish(lane)
            found.append((head.record.topic, head.record.value))
        return found


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_nothing_goes_before_the_fences_are_known(stand: Stand) -> None:
    stand.begin(loaded=False)
    stand.fetch(stand.rig.record("A"))
    assert stand.taken() == []
    stand.load()
    assert stand.taken() == [(STATUS, b"A")]


def test_a_status_waits_for_the_other_topic_to_be_read_up_to_its_stamp(stand: Stand) -> None:
    stand.begin()
    status = stand.rig.record("A:paid", ms=1)
    stand.fetch(status, ends={C: 1, S: 1})
    assert stand.taken() == []
    paused, awaited = stand.fetching.plan()
    assert not paused
    assert awaited == {C}
    stand.fetch(stand.rig.record("A:placed", CREATED, ms=0), ends={C: 1, S: 1})
    assert stand.taken() == [(CREATED, b"A:placed"), (STATUS, b"A:paid")]


def test_what_is_no_record_on_the_other_topic_is_waited_for_by_position(stand: Stand) -> None:
    stand.begin()
    stand.fetch(stand.rig.record("A"), ends={C: 3, S: 1})
    assert stand.taken() == []
    stand.reach(C, 3)
    assert stand.taken() == [(STATUS, b"A")]


def test_a_side_that_cannot_be_fetched_is_passed_after_its_wait_and_counted() -> None:
    stand = Stand(merge_wait="10s")
    stand.intake.begun(1, S, StartAt(0))
    stand.load()
    stand.intake.stopped(1, C, NeedsOperator("expired"))
    stand.fetch(stand.rig.record("A"), ends={S: 1})
    stand.intake.fill()
    assert stand.taken() == []
    stand.rig.now[0] += 10
    stand.intake.fill()
    assert stand.taken() == [(STATUS, b"A")]
    assert stand.rig.stats.passed_unreachable == 1


def test_a_stopped_partition_is_reported_with_the_command_to_give(stand: Stand) -> None:
    stand.intake.begun(1, C, NeedsOperator("records 2 to 4 expired before they were read"))
    said = stand.rig.stats.last_error or ""
    assert "order-created/0 stopped: records 2 to 4 expired" in said
    assert "relay offsets ecdp-sink --to" in said


def test_what_finished_under_the_former_owner_is_not_sent_again_and_what_may_be_is_counted(stand: Stand) -> None:
    finished = FinishedOffsets.all_but(0, 3, [0, 2])  # 1 is done, 0 and 2 are not
    stand.begin(finished=finished)
    stand.fetch(*(stand.rig.record(order) for order in "ABCD"))
    assert stand.taken() == [(STATUS, b"A"), (STATUS, b"C"), (STATUS, b"D")]
    assert stand.rig.stats.repeated == 2, "beyond its metadata the former owner may have sent nothing"


def test_tombstones_are_recorded_skips(stand: Stand) -> None:
    stand.begin()
    stand.fetch(Record(STATUS, 0, 0, 0, b"A", None))
    assert stand.rig.stats.skipped == {"tombstone": 1}
    assert stand.rig.committable() == 1
    assert stand.rig.shard.memory_use()[S].records == 0


@pytest.mark.parametrize("key", [None, b"B", b"\xff"])
def test_the_values_order_counts_whatever_the_key_says(stand: Stand, key: bytes | None) -> None:
    stand.begin()
    stand.fetch(Record(STATUS, 0, 0, 0, key, b"A"))
    assert "A" in stand.rig.lanes
    assert stand.rig.stats.key_mismatches == 1


def test_what_cannot_be_decoded_goes_with_its_keys_order_or_is_parked_at_once(stand: Stand) -> None:
    stand.begin()
    stand.fetch(Record(STATUS, 0, 0, 0, b"A", b"!"), Record(STATUS, 0, 1, 0, None, b"!"))
    assert "A" in stand.rig.lanes
    ((entry, parking),) = stand.rig.parked
    assert (entry.order_id, entry.record.offset, parking.detail) == ("", 1, "begins wrong")
    assert parking.reason is ParkReason.UNDECODABLE


async def test_an_unknown_schema_is_asked_for_and_nothing_passes_meanwhile(stand: Stand) -> None:
    stand.begin()
    stand.fetch(stand.rig.record("?A"), stand.rig.record("B"))
    assert stand.taken() == []
    await settled()
    assert stand.rig.codec.asked == [42]
    assert stand.taken() == [(STATUS, b"?A"), (STATUS, b"B")]


def test_an_order_in_two_partitions_is_counted(stand: Stand) -> None:
    rig = stand.rig
    at = Partition(STATUS, 1)
    everything = frozenset(Partition(topic, number) for topic in TOPICS for number in (0, 1))
    stand.assign(0, 1)
    for partition in everything:
        stand.intake.begun(1, partition, StartAt(0))
    stand.load()
    stand.fetch(rig.record("A"))
    record = rig.record("A", number=1)
    ends = dict.fromkeys(everything, 0)
    stand.intake.fetched(Fetched(1, [Batch(at, [record], 1)], ends, {}))
    assert rig.stats.two_partitions == 1


def test_a_status_of_an_order_that_nothing_here_knows_waits_for_its_create() -> None:
    stand = Stand(publish_skew="1s")
    stand.begin()
    stand.rig.lanes.delivered_orders.add("known")
    stand.rig.shard.tracked["tracked"] = cast("Any", None)
    stand.rig.fence("fenced", Fence(ParkReason.REJECTED, "", 0, 1))
    for order in ("known@5", "tracked@5", "fenced@5", "no-producer", "new@5"):
        stand.fetch(stand.rig.record(order))
    stand.fetch(stand.rig.record("created@5", CREATED), ends={C: 1, S: 5})
    sent = [value for _, value in stand.taken()]
    assert sent == [b"known@5", b"tracked@5", b"fenced@5", b"no-producer", b"created@5"]
    stand.rig.now[0] += 1.3
    stand.rig.lanes.wake(stand.rig.now[0])
    assert stand.taken() == [(STATUS, b"new@5")]
    assert stand.rig.lanes.held == 1


def test_a_status_that_was_appended_before_its_create_is_sent_after_it() -> None:
    stand = Stand(publish_skew="1s")
    stand.begin()
    stand.fetch(stand.rig.record("A@9:paid", ms=1000))
    stand.fetch(stand.rig.record("A@5:placed", CREATED, ms=1200), ends={C: 1, S: 1})
    assert stand.taken() == [(CREATED, b"A@5:placed"), (STATUS, b"A@9:paid")]


def test_calls_of_an_earlier_assignment_are_ignored(stand: Stand) -> None:
    stand.begin()
    stand.fetch(stand.rig.record("A"), epoch=0)
    stand.intake.begun(0, C, StartAt(99))
    stand.intake.stopped(0, C, NeedsOperator("old"))
    assert stand.taken() == []
    assert stand.rig.shard.stopped == {}


def test_the_end_of_an_assignment_empties_the_lanes_but_for_what_is_in_flight(stand: Stand) -> None:
    stand.begin()
    stand.fetch(*(stand.rig.record(order) for order in ("A:1", "A:2", "B")))
    lane = stand.rig.lanes.take()
    stand.rig.ownership.end()
    assert len(stand.rig.lanes) == 1
    assert lane is not None
    assert [entry.record.value for entry in lane.queue] == [b"A:1"]
    assert stand.rig.ownership.assignment is None


def test_metadata_of_another_commit_is_counted_and_logged(stand: Stand) -> None:
    stand.intake.begun(1, C, StartAt(4, metadata_ignored=True))
    assert stand.rig.stats.metadata_ignored == 1


def test_over_the_bound_partitions_pause_but_never_the_one_that_is_waited_for() -> None:
    stand = Stand(max_unfinished=10)
    stand.begin()
    stand.fetch(*(stand.rig.record(f"A-{n}") for n in range(12)), ends={C: 5, S: 12})
    paused, awaited = stand.fetching.plan()
    assert paused == {S}
    assert awaited == {C}


def test_memory_is_bounded_in_bytes_too() -> None:
    stand = Stand(max_unfinished_bytes="10KiB")
    stand.begin()
    stand.fetch(stand.rig.record("A:" + "x" * 11_000))
    assert stand.fetching.plan()[0] == {S}
    stand.rig.finisher.finish(stand.rig.lanes.take().queue[0])  # type: ignore[union-attr]
    assert stand.fetching.plan()[0] == frozenset()


def test_a_partition_whose_finished_records_no_longer_fit_the_metadata_pauses_until_they_do() -> None:
    stand = Stand(max_unfinished=1_000_000, max_unfinished_bytes="4GiB")
    stand.begin()
    count, choose = 60_000, Random(1).random
    stand.fetch(*(Record(STATUS, 0, offset, 0, b"A", b"A") for offset in range(count)))
    ledger = stand.rig.shard.ledgers[S]
    finished = [offset for offset in range(1, count) if choose() < 0.5]
    for offset in finished:
        ledger.finish(offset)
    stand.fetching.look_for_overfull()
    assert stand.fetching.plan().paused == {S}
    for offset in range(count):
        ledger.finish(offset)
    stand.fetching.look_for_overfull()
    assert stand.fetching.plan().paused == frozenset()


def test_a_records_cost_counts_its_bytes() -> None:
    small, large = Record(STATUS, 0, 0, 0, b"k", b"v"), Record(STATUS, 0, 0, 0, b"k", b"v" * 1001)
    assert cost(large) - cost(small) >= 1000


@dataclass
class Kafka:
    """The Kafka thread: keeps what it is told."""

    told: list[tuple[object, ...]] = field(default_factory=list)

    def stop_at(self, epoch: int, at: Partition, stop: NeedsOperator) -> None:
        self.told.append(("stop", epoch, at, stop))

    def restart_at(self, epoch: int, at: Partition, offset: int) -> None:
        self.told.append(("restart", epoch, at, offset))

    def fetch_only(self, *_: object) -> None:
        pass


class SchemaCodec(PlainCodec):
    """A codec for which a schema's records decode once the schema is known; ``x`` is broken all the same."""

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> Event:
        if not self.known or value.endswith(b"x"):
            raise Undecodable("has a schema of another kind")
        return super().decode(topic, value[5:], headers)

    def head(self, topic: str, value: bytes, headers: Headers = ()) -> EventHead:
        if not self.known:
            raise Undecodable("has a schema of another kind")
        return super().head(topic, value[5:], headers)


def suspect_stand() -> tuple[Stand, Kafka]:
    kafka = Kafka()
    stand = Stand(source=kafka, codec=SchemaCodec(), suspect_after=3)
    stand.begin()
    return stand, kafka


def of_schema(stand: Stand, *values: str) -> list[Record]:
    return [stand.rig.record(f"\x00\x00\x00\x00\x07{value}", key=value.encode()) for value in values]


def test_a_schema_none_of_whose_first_records_decodes_stops_its_partition_and_goes_on_once_it_is_readable() -> None:
    stand, kafka = suspect_stand()
    stand.fetch(*of_schema(stand, "A", "B", "C", "D", "E"))
    assert len(stand.taken()) == 3, "as many as suspect_after are parked"
    ((_, epoch, at, stop),) = kafka.told
    assert (epoch, at) == (1, S)
    assert isinstance(stop, NeedsOperator)
    assert "none of the first 3 records of a schema could be decoded" in stop.reason
    stand.rig.codec.known = True
    stand.intake.fill()
    assert stand.taken() == [], "the Kafka thread has not stopped yet: it would stop after it was restarted"
    stand.intake.stopped(1, S, stop)
    assert "order-status/0 stopped: none of the first" in (stand.rig.stats.last_error or "")
    stand.intake.fill()
    assert len(stand.taken()) == 2
    assert kafka.told[1:] == [("restart", 1, S, 5)]
    assert stand.rig.shard.stopped == {}


def test_a_schema_whose_records_decode_stops_nothing_however_many_are_broken() -> None:
    stand, kafka = suspect_stand()
    stand.rig.codec.known = True
    stand.fetch(*of_schema(stand, "Ax", "Bx", "C", *(f"{number}x" for number in range(9))))
    assert len(stand.taken()) == 12
    assert kafka.told == []


def test_an_operator_passes_over_what_a_suspect_schema_wrote() -> None:
    stand, kafka = suspect_stand()
    stand.fetch(*of_schema(stand, "A", "B", "C", "D", "E"))
    stop = stand.rig.shard.suspect
    assert stop is not None
    stand.intake.stopped(1, S, stop)
    while (lane := stand.rig.lanes.take()) is not None:
        stand.rig.finisher.finish(stand.rig.lanes.finish(lane))
    offset, metadata = stand.rig.shard.committable()[S]
    assert (offset, stop_reason(metadata)) == (3, stop.reason), "`relay offsets` moves only what has stopped"
    stand.fetching.restart(stand.rig.shard, S, 5)
    stand.intake.fill()
    assert stand.taken() == []
    assert stand.rig.shard.suspect is None
    assert kafka.told[1:] == [("restart", 1, S, 5)]
