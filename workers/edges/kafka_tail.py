"""Reads a topic as it is, in no group, committing nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from workers.core.record import Record
from workers.edges.kafka_client import KafkaConnection, KafkaFailed, consumer_options, kafka_errors, open_client

POLL_MS = 250


def tail(connection: KafkaConnection, topic: str, *, from_beginning: bool = False) -> Iterator[Record]:
    """Yield the topic's records, those to come included, without end; only of committed transactions.

    Raises `KafkaFailed` when the topic is not there or the cluster cannot be reached.
    """
    with kafka_errors(connection):
        consumer = open_client(KafkaConsumer, consumer_options(connection))
        try:
            _assign(consumer, topic, from_beginning=from_beginning)
            while True:
                for records in consumer.poll(timeout_ms=POLL_MS).values():
                    yield from map(_record, records)
        finally:
            consumer.close()


def _assign(consumer: Any, topic: str, *, from_beginning: bool) -> None:
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise KafkaFailed(f"no topic '{topic}' on the cluster; `relay topics apply` creates those of topics.yaml")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    # Explicit positions: with a lazy seek to the end, what is sent between now and the first poll would be missed.
    offsets = consumer.beginning_offsets(partitions) if from_beginning else consumer.end_offsets(partitions)
    for partition in partitions:
        consumer.seek(partition, offsets[partition])


def _record(found: Any) -> Record:
    return Record(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        timestamp_ms=found.timestamp,
        key=found.key,
        value=found.value,
        headers=tuple(found.headers or ()),
    )
