"""What an operator's tools do to the topics of a running member: it waits, or stops the partition by name."""

from typing import Any

import pytest

from tests.support.kafka_rig import Side
from workers.core.record import CommitPoint, Partition
from workers.devkit.broker.broker import Broker

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("first", [0, 1])
async def test_members_leave_while_their_topics_have_unequal_numbers_of_partitions(
    side: Side, topics: Any, join: Any, first: int
) -> None:
    pair = topics("created", partitions=2), topics("status", partitions=2)
    witnesses = [join(pair[0], pair, instance)[1] for instance in ("one", "two")]
    for witness in witnesses:
        await witness.until(lambda: len(witness.begun_at) == 2)  # noqa: B023 - awaited here
    side.add_partitions(pair[first], 4)
    for witness in witnesses:
        await witness.until(lambda: witness.waits_for and witness.released)  # noqa: B023
        assert f"4 partitions are wanted, and {pair[1 - first]} has 2" in witness.waits_for[-1]
    for number in range(4):
        side.produce(pair[first], [b"%d" % number], number)
    assert not any(witness.records for witness in witnesses)
    side.add_partitions(pair[1 - first], 4)
    for witness in witnesses:
        await witness.until(lambda: len(witness.assignment.partitions) == len(witness.begun_at) == 4)  # noqa: B023
        numbers = {at.number for at in witness.begun_at}
        assert {Partition(topic, number) for topic in pair for number in numbers} == set(witness.begun_at)
        await witness.until(lambda: len(set(witness.values)) >= 2)  # noqa: B023
    assert {value for witness in witnesses for value in witness.values} == {b"0", b"1", b"2", b"3"}


async def test_a_member_waits_for_a_topic_that_was_deleted_and_stops_what_was_created_in_its_place(
    broker: Broker, side: Side, topics: Any, join: Any
) -> None:
    gone, other = topics("gone", partitions=1), topics("other", partitions=1)
    side.produce(gone, [b"1"])
    source, witness = join(gone, [gone, other])
    await witness.until(lambda: witness.records)
    await source.commit(witness.epoch, {Partition(gone, 0): CommitPoint(1, "")})
    side.delete_topic(gone)
    await witness.until(lambda: witness.waits_for)
    assert f"no {gone}" in witness.waits_for[0]
    broker.create_topic(gone)
    side.produce(other, [b"2"])
    await witness.until(lambda: len(witness.records) == 2)
    assert "its commit is gone" in witness.begun_at[Partition(gone, 0)].reason


async def test_a_topic_that_was_created_again_with_as_many_records_stops_by_name(
    broker: Broker, side: Side, topics: Any, join: Any
) -> None:
    """Our position lies within the new records: those before it would be passed over without a word."""
    topic, other = topics(partitions=1), topics("other", partitions=1)
    side.produce(topic, [b"old"] * 3)
    _, witness = join(topic, [topic, other])
    await witness.until(lambda: len(witness.records) == 3)
    side.delete_topic(topic)
    broker.create_topic(topic)
    side.produce(topic, [b"new"] * 10)
    at = Partition(topic, 0)
    await witness.until(lambda: at in witness.stops or (at in witness.begun_at and witness.waits_for))
    assert witness.values.count(b"new") in {0, 7}, "at most those of the fetch that was under way"
