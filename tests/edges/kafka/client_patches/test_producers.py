"""A producer that is given up sends nothing more, by kafka-python as released and as the relay ends it."""

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from tests.support.kafka_rig import Side
from workers.edges.kafka.client import producer_options
from workers.edges.kafka.client_patches.producers import close_within, give_up

pytestmark = pytest.mark.broker


@pytest.fixture
def producer(side: Side, linger_ms: int) -> Iterator[Any]:
    """One that keeps each record back for so long."""
    made = KafkaProducer(**producer_options(side.connection) | {"linger_ms": linger_ms})
    yield made
    give_up(made)


@pytest.fixture
def linger_ms() -> int:
    return 60_000


@pytest.mark.parametrize("linger_ms", [1_000])
def test_the_released_client_does_not_end_a_producer_with_a_record_that_is_not_acknowledged(
    side: Side, topics: Any, producer: Any
) -> None:
    topic = topics(partitions=1)
    sent = producer.send(topic, partition=0, value=b"late")
    with pytest.raises(KafkaTimeoutError):
        producer.close(timeout=0)
    assert sent.get(timeout=20).offset == 0, "its thread goes on, and writes the record"
    assert [one.value for one in side.read(topic)] == [b"late"]


@pytest.mark.parametrize("end", [give_up, lambda producer: close_within(producer, 0)], ids=["give_up", "close_within"])
def test_what_is_not_acknowledged_is_not_sent_any_more(
    side: Side, topics: Any, producer: Any, end: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer, "flush", flush_in_vain)
    topic = topics(partitions=1)
    sent = producer.send(topic, partition=0, value=b"late")
    end(producer)
    with pytest.raises(KafkaError):
        sent.get(timeout=20)
    producer.close(timeout=0)  # as its finalizer does: nothing is left to be done
    assert side.read(topic) == []


def flush_in_vain(timeout: float | None = None) -> None:
    """A flush whose records no broker takes: the broker of the test would take them at once, or by chance in time."""
    raise KafkaTimeoutError
