"""What waits to be parked: in order, with the fences that follow from it."""

from __future__ import annotations

import json

import pytest

from tests.support.sink_rig import CREATED, Rig, make_rig
from workers.app.sink.write_queue import WriteQueue, with_places
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking
from workers.core.record import Partition

REJECTED = Parking(ParkReason.REJECTED, "no", 422, 3)
BEHIND = Parking(ParkReason.BEHIND, "behind")


@pytest.fixture
def rig() -> Rig:
    return make_rig()


@pytest.fixture
def queue(rig: Rig) -> WriteQueue:
    return WriteQueue(rig.state)


def test_a_parked_record_fences_its_order_at_once(rig: Rig, queue: WriteQueue) -> None:
    queue.park(rig.entry("A"), REJECTED)
    fence = rig.state.shards[0].fences["A"]
    assert (fence.reason, fence.records, fence.first) == (ParkReason.REJECTED, 1, None)
    assert rig.committable() == 0, "it is not safe yet"


def test_records_behind_keep_the_first_reason_and_are_counted(rig: Rig, queue: WriteQueue) -> None:
    queue.park(rig.entry("A"), REJECTED)
    queue.park(rig.entry("A", CREATED), BEHIND)
    fence = rig.state.shards[0].fences["A"]
    assert (fence.reason, fence.records, fence.creates_order) == (ParkReason.REJECTED, 2, True)


def test_a_record_that_was_refused_for_itself_alone_is_listed_and_holds_nothing(rig: Rig, queue: WriteQueue) -> None:
    queue.park(
        rig.entry("A", CREATED), Parking(ParkReason.REJECTED, "Order Unable to Modify", 409, 1, blocks_following=False)
    )
    fence = rig.state.shards[0].fences["A"]
    assert (fence.reason, fence.records, fence.holds(creates_order=False)) == (ParkReason.REJECTED, 1, False)
    queue.park(rig.entry("A"), REJECTED)
    assert rig.state.shards[0].fences["A"].holds(creates_order=False)


def test_a_record_without_an_order_fences_nothing(rig: Rig, queue: WriteQueue) -> None:
    queue.park(rig.entry("", key=None), Parking(ParkReason.UNDECODABLE, "begins wrong"))
    assert all(order.startswith("\0") for order in rig.state.shards[0].fences), "no order's id has a control character"
    draft = queue.draft(queue.take([0]))
    assert len(draft.records()) == 1


def test_a_record_of_a_partition_that_was_given_away_is_not_parked(rig: Rig, queue: WriteQueue) -> None:
    entry = rig.entry("A")
    rig.assign(0, epoch=2)
    queue.park(entry, REJECTED)
    assert queue.numbers == []
    assert rig.state.shards[0].fences == {}


def test_parked_records_are_the_original_bytes_with_the_reason_in_headers(rig: Rig, queue: WriteQueue) -> None:
    own = (("traceparent", b"00-a"), ("empty", None), ("relay-reason", b"of a former parking"))
    queue.park(rig.entry("A:canary", key=b"\xff", headers=own, ms=5), REJECTED)
    (record,) = queue.draft(queue.take([0])).records()
    headers = dict(record.headers)
    assert (record.partition, record.key, record.value) == (Partition("ecdp-parked", 0), b"\xff", b"A:canary")
    assert record.headers[:2] == own[:2]
    assert headers["relay-reason"] == b"rejected"
    assert {name: headers[f"relay-source-{name}"] for name in ("topic", "partition", "offset", "timestamp")} == {
        "topic": b"order-status", "partition": b"0", "offset": b"0", "timestamp": b"5",
    }  # fmt: skip
    assert (headers["relay-http-status"], headers["relay-attempts"]) == (b"422", b"3")
    assert headers["relay-sink"] == b"ecdp-sink"
    assert [name for name, _ in record.headers].count("relay-reason") == 1


def test_a_draft_says_where_each_orders_records_lie(rig: Rig, queue: WriteQueue) -> None:
    for order in ("A", "B", "A"):
        queue.park(rig.entry(order), REJECTED)
    draft = queue.draft(queue.take([0]))
    rows = {row.key: json.loads(row.value or b"") for row in draft.rows([100, 101, 102])}
    assert (rows[b"A"]["first"], rows[b"A"]["last"], rows[b"A"]["records"]) == (100, 102, 2)
    assert (rows[b"B"]["first"], rows[b"B"]["last"]) == (101, 101)
    assert {row.partition for row in draft.rows([1, 2, 3])} == {Partition("ecdp-parked-state", 0)}


def test_the_end_of_a_fence_is_a_tombstone(rig: Rig, queue: WriteQueue) -> None:
    queue.fence_changed(0, "A")
    (row,) = queue.draft(queue.take([0])).rows([])
    assert (row.key, row.value) == (b"A", None)


def test_what_is_taken_stays_queued_until_it_is_written_and_in_order(rig: Rig, queue: WriteQueue) -> None:
    for order in ("A", "B"):
        queue.park(rig.entry(order), REJECTED)
    first = queue.take([0])
    queue.park(rig.entry("C"), REJECTED)
    assert queue.holds(0, "A")
    queue.done(first)
    assert [write.order_id for write in queue.take([0])] == ["C"]
    assert not queue.holds(0, "A")


def test_numbers_of_partitions_wait_apart(rig: Rig, queue: WriteQueue) -> None:
    rig.assign(0, 1)
    queue.park(rig.entry("A", number=0), REJECTED)
    queue.park(rig.entry("B", number=1), REJECTED)
    assert sorted(queue.numbers) == [0, 1]
    assert [write.order_id for write in queue.take([1])] == ["B"]
    assert not queue.holds(1, "A"), "its records in one partition do not hold up those in another"


def test_what_was_not_written_when_the_partitions_go_is_forgotten(rig: Rig, queue: WriteQueue) -> None:
    queue.park(rig.entry("A"), REJECTED)
    writes = queue.take([0])
    queue.forget()
    queue.done(writes)
    assert queue.numbers == []


def test_places_never_move_a_fence_back() -> None:
    grown = Fence(ParkReason.REJECTED, "no", 0, records=5, first=120, last=130)
    placed = Fence(ParkReason.REJECTED, "no", 0, records=4, first=100, last=140)
    assert (with_places(grown, placed).first, with_places(grown, placed).last) == (120, 140)
    assert with_places(grown, placed).records == 5


def test_what_is_written_together_is_bounded_in_bytes(
    rig: Rig, queue: WriteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.app.sink.write_queue.MOST_BYTES", 20)
    for number in range(6):
        queue.park(rig.entry(f"A:{number}-bytes"), REJECTED)
    assert len(queue.take([0])) == 3, "9 bytes each; what passes the bound is the last"
