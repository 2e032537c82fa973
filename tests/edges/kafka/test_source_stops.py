"""A partition stops where its log lacks what the group must read, and the other partitions go on."""

from typing import Any

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from tests.support.kafka_rig import KeepsConsumer, Side
from workers.core.consume.start_position import NeedsOperator
from workers.core.record import CommitPoint, Partition

pytestmark = pytest.mark.broker


@pytest.mark.parametrize(
    ("committed", "why"), [(2, "records 2 to 4 expired"), (99, "lies beyond the log's end 10")], ids=["below", "beyond"]
)
async def test_a_commit_outside_the_log_stops_its_partition_and_no_other(
    side: Side, topics: Any, join: Any, committed: int, why: str
) -> None:
    topic = topics(partitions=2)
    bad, good = Partition(topic, 0), Partition(topic, 1)
    for number in (0, 1):
        side.produce(topic, [b"%d" % n for n in range(10)], number)
    side.delete_before(bad, 5)
    side.commit(topic, {bad: committed, good: 8})
    _, witness = join(topic, [topic])
    await witness.until(lambda: len(witness.records) == 2)
    stop = witness.begun_at[bad]
    assert isinstance(stop, NeedsOperator)
    assert why in stop.reason
    assert {record.at for record in witness.records} == {good}


async def test_a_stopped_partition_restarts_where_the_operator_decided(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    side.produce(topic, [b"%d" % n for n in range(10)])
    side.commit(topic, {at: 99})
    source, witness = join(topic, [topic])
    await witness.until(lambda: isinstance(witness.begun_at.get(at), NeedsOperator))
    source.restart_at(witness.epoch, at, 7)
    source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: len(witness.records) == 3)
    assert witness.values == [b"7", b"8", b"9"]


async def test_records_that_expire_before_they_are_read_stop_the_partition(side: Side, topics: Any, join: Any) -> None:
    topic = topics(partitions=1)
    at = Partition(topic, 0)
    side.produce(topic, [b"a"])
    source, witness = join(topic, [topic])
    await witness.until(lambda: witness.records)
    source.fetch_only(witness.epoch, frozenset([at]), frozenset())
    await source.commit(witness.epoch, {at: CommitPoint(1, "")})  # executed after the pause
    side.produce(topic, [b"%d" % n for n in range(9)])
    side.delete_before(at, 10)
    source.restart_at(witness.epoch, at, 5)
    source.fetch_only(witness.epoch, frozenset(), frozenset())
    await witness.until(lambda: witness.stops)
    assert "expired" in witness.stops[at].reason


async def test_a_log_that_was_cut_off_stops_its_partition_and_no_other(side: Side, topics: Any, join: Any) -> None:
    """An unclean leader election loses records that were read (KIP-320): the error would come at every poll."""
    topic, connector = topics(partitions=2), KeepsConsumer()
    cut = Partition(topic, 0)
    side.produce(topic, [b"read"])
    _, witness = join(topic, [topic], connector=connector)
    await witness.until(lambda: witness.records)
    subscription = connector.member_consumer._subscription
    subscription.seek(TopicPartition(*cut), OffsetAndMetadata(5, "", 0))  # the leader's epoch 0 ends at offset 1
    subscription.request_position_validation(TopicPartition(*cut))
    await witness.until(lambda: witness.stops)
    assert "cut off" in witness.stops[cut].reason
    side.produce(topic, [b"elsewhere"], number=1)
    await witness.until(lambda: b"elsewhere" in witness.values)
    assert list(witness.stops) == [cut]
