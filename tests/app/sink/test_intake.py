"""From fetched batches into lanes: nothing before the fences are known, nothing past what it must wait for."""

from random import Random
from typing import Any, cast

import pytest

from tests.support.intake_stand import C, S, Stand
from tests.support.sink_rig import CREATED, STATUS, TOPICS, settled
from workers.app.sink.intake import cost
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.consume.start_position import NeedsOperator, StartAt
from workers.core.parked.fence import Fence, ParkReason
from workers.core.record import Partition, Record
from workers.edges.kafka.owner import Batch, Fetched


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
    stand.intake.fetched(Fetched(1, [Batch(at, [record], 1)], ends, {}, 0))
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


@pytest.mark.parametrize(
    ("asked_at_ms", "created_end", "waits"), [(7_001, 0, False), (6_999, 0, True), (7_001, 1, True)]
)
def test_a_status_waits_unless_every_create_that_was_appended_soon_after_it_has_been_read(
    asked_at_ms: int, created_end: int, waits: bool
) -> None:
    stand = Stand(publish_skew="1s")
    stand.begin()
    ends = {C: created_end, S: 1}
    stand.fetch(stand.rig.record("A@9:paid", ms=1_001), ends=ends, asked_at_ms=asked_at_ms)
    stand.reach(C, created_end)
    assert stand.taken() == ([] if waits else [(STATUS, b"A@9:paid")])


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
    count, choose = 30_000, Random(1).random
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
