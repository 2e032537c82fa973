"""A worker's producer without transactions, on a real broker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.kafka_rig import Side
from workers.core.record import Partition
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.publisher import Appended, Appender
from workers.edges.kafka.transactions import Outgoing

pytestmark = pytest.mark.broker


@dataclass(frozen=True)
class Draft:
    """One record for each of these partitions."""

    partitions: tuple[Partition, ...]

    def records(self) -> list[Outgoing]:
        return [Outgoing(at, None, b"a receipt", ()) for at in self.partitions]


@pytest.fixture
async def appender(connection: KafkaConnection) -> AsyncIterator[Appender]:
    made = Appender(connection)
    yield made
    await made.close()


async def test_a_topic_that_is_given_more_partitions_takes_records_in_the_new_ones_at_once(
    side: Side, topics: Any, appender: Appender
) -> None:
    """The producer still keeps the former number. A refusal would hold the commits back, also before a hand-over."""
    topic = topics(partitions=1)
    old, new = Partition(topic, 0), Partition(topic, 1)
    assert await appender.append(Draft((old,))) == Appended(frozenset({old}))
    side.add_partitions(topic, 2)
    assert await appender.append(Draft((old, new))) == Appended(frozenset({old, new}))
    assert [len(side.read(topic, number)) for number in (0, 1)] == [2, 1]
