"""What waits to be written, in order and within limits; no entry is finished before all its writes are."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.sink_rig import Rig
from workers.app.sink.wakeups import Wakeups
from workers.app.sink.write_queue import TransactionDraft, Write, WriteLimits, WriteQueue
from workers.core.parked.fence import OrderKey, ParkReason
from workers.core.parked.headers import Parking
from workers.core.record import Partition

REJECTED = Parking(ParkReason.REJECTED, "no", 422, 3)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def draft(rig: Rig) -> TransactionDraft:
    """What the next transaction of partition number 0 writes."""
    writes = rig.shard.writes.next_writes()
    fences = {OrderKey(0, one.order_id): rig.shard.fences.get(one.order_id) for one in writes if one.order_id}
    return TransactionDraft({0: writes}, fences, "ecdp-sink", "ecdp-parked", "ecdp-parked-state", 0)


def test_parked_records_are_the_original_bytes_with_the_reason_in_headers(rig: Rig) -> None:
    own = (("traceparent", b"00-a"), ("empty", None), ("relay-reason", b"of a former parking"))
    rig.finisher.park(rig.entry("A:canary", key=b"\xff", headers=own, ms=5), REJECTED)
    (record,) = draft(rig).records()
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


def test_a_draft_says_where_each_orders_records_lie(rig: Rig) -> None:
    for order in ("A", "B", "A"):
        rig.finisher.park(rig.entry(order), REJECTED)
    one = draft(rig)
    rows = {row.key: json.loads(row.value or b"") for row in one.rows([100, 101, 102])}
    assert (rows[b"A"]["first"], rows[b"A"]["last"], rows[b"A"]["records"]) == (100, 102, 2)
    assert (rows[b"B"]["first"], rows[b"B"]["last"]) == (101, 101)
    assert {row.partition for row in one.rows([1, 2, 3])} == {Partition("ecdp-parked-state", 0)}


def test_a_lifted_fences_row_is_a_tombstone(rig: Rig) -> None:
    rig.finisher.park(rig.entry("A"), REJECTED)
    rig.shard.fences.acknowledge(rig.shard.writes.next_writes(), {})
    rig.shard.fences.lift("A")
    (row,) = draft(rig).rows([])
    assert (row.key, row.value) == (b"A", None)


def test_writes_stay_queued_in_order_until_they_are_acknowledged(rig: Rig) -> None:
    queue = rig.shard.writes
    for order in ("A", "B"):
        rig.finisher.park(rig.entry(order), REJECTED)
    first = queue.next_writes()
    rig.finisher.park(rig.entry("C"), REJECTED)
    assert queue.has_writes_of("A")
    queue.acknowledge(first)
    assert [write.order_id for write in queue.next_writes()] == ["C"]
    assert not queue.has_writes_of("A")


def test_partition_numbers_have_queues_of_their_own(rig: Rig) -> None:
    rig.assign(0, 1)
    for number, order in enumerate("AB"):
        rig.finisher.park(rig.entry(order, number=number), REJECTED)
    assert [[write.order_id for write in shard.writes.next_writes()] for shard in rig.shards.values()] == [["A"], ["B"]]
    assert not rig.shards[1].writes.has_writes_of("A"), "its records in one partition do not hold up those in another"


def test_a_transaction_is_bounded_in_bytes_and_in_writes() -> None:
    rig = Rig(limits=WriteLimits(writes=4, value_bytes=20))
    for number in range(6):
        rig.finisher.park(rig.entry(f"A:{number}-bytes"), REJECTED)
    assert len(rig.shard.writes.next_writes()) == 3, "9 bytes each; what passes the bound is the last"
    rig = Rig(limits=WriteLimits(writes=4))
    for number in range(6):
        rig.finisher.park(rig.entry(f"A:{number}"), REJECTED)
    assert len(rig.shard.writes.next_writes()) == 4
    assert rig.shard.writes.exceeds_one_transaction


@given(named=st.lists(st.integers(0, 2) | st.none(), max_size=12), sizes=st.lists(st.integers(1, 4), max_size=12))
def test_an_entry_is_finished_with_the_last_write_that_names_it(
    named: Sequence[int | None], sizes: Sequence[int]
) -> None:
    """Whatever the order of the writes, and however they are cut into transactions."""
    rig = Rig()
    entries = [rig.entry(order) for order in "ABC"]
    queue = WriteQueue(Wakeups())
    left = list(named)
    for one in named:
        queue.append(Write(entry=None if one is None else entries[one]))
    for size in (*sizes, len(named)):
        finished = queue.acknowledge(queue.next_writes()[:size])
        gone, left = left[:size], left[size:]
        assert set(finished) == {entries[one] for one in set(gone) if one is not None and one not in left}
        assert [entry.pending_writes for entry in entries] == [left.count(number) for number in range(3)]
