"""Reads stretches of partitions, in no group: one consumer for many of them, one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner import murmur2

from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, consumer_options, kafka_errors, open_client
from workers.edges.kafka.convert import to_record

_POLL_MS = 500
_FETCH_WAIT_MS = 20
_FOLLOW_MS = 100
FOLLOW_WAIT_MS = 500
_FETCH_BYTES = 1024 * 1024  # of the one partition that is read at a time: with less it is many round trips
_POSITIVE = 0x7FFFFFFF


class PartitionReader:
    """Blocking; raises kafka-python's errors: see `kafka_errors`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._oldest: dict[Partition, int] = {}

    def partitions(self, topic: str) -> list[Partition]:
        """All partitions of a topic; none when it is not there."""
        return [Partition(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic) or ())]

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """(oldest offset, end of what is committed) of each."""
        asked = [TopicPartition(*at) for at in partitions]
        if not asked:
            return {}
        starts = self._consumer.beginning_offsets(asked, timeout_ms=10_000)
        ends = self._consumer.end_offsets(asked, timeout_ms=10_000)
        return {Partition(at.topic, at.partition): (starts[at], ends[at]) for at in asked}

    def oldest(self, at: Partition) -> int:
        """The oldest offset that was there when it was first asked: a read below what expired since then fails."""
        if at not in self._oldest:
            self._oldest[at] = self.bounds([at])[at][0]
        return self._oldest[at]

    def stretch(self, at: Partition, first: int, end: int) -> Iterator[list[Record]]:
        """Yield the records from ``first`` to before ``end``, in batches; ``first`` must not be expired.

        A batch may be empty: transaction markers and compacted offsets are passed over.
        """
        partition = TopicPartition(*at)
        self._consumer.assign([partition])
        self._consumer.seek(partition, first)
        position = first
        while position < end:
            records = self._consumer.poll(timeout_ms=_POLL_MS).get(partition, ())
            position = self._consumer.position(partition, timeout_ms=1_000) or position
            yield [to_record(one) for one in records if one.offset < end]

    def follow(self, starts: Mapping[Partition, int]) -> Iterator[Sequence[Record]]:
        """Yield what comes in these partitions from these offsets on, without end; now and then, and first, nothing."""
        self._consumer.assign([TopicPartition(*at) for at in starts])
        for at, offset in starts.items():
            self._consumer.seek(TopicPartition(*at), offset)
        yield ()
        while True:
            polled = self._consumer.poll(timeout_ms=_FOLLOW_MS)
            yield [to_record(one) for records in polled.values() for one in records]

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=2_000)


def new_reader(connection: KafkaConnection, fetch_wait_ms: int = _FETCH_WAIT_MS) -> PartitionReader:
    """Connect; raises kafka-python's errors.

    A fetch that waits at the end of one partition holds up the next one: half a second for each with the default.
    """
    options = consumer_options(connection) | {
        "fetch_max_wait_ms": fetch_wait_ms,
        "max_partition_fetch_bytes": _FETCH_BYTES,
        "max_poll_records": 5_000,
    }
    return PartitionReader(open_client(KafkaConsumer, options))


@contextmanager
def open_reader(connection: KafkaConnection, fetch_wait_ms: int = _FETCH_WAIT_MS) -> Iterator[PartitionReader]:
    """Connect for the length of a ``with`` block; raises `KafkaFailed` for whatever goes wrong in it.

    ``fetch_wait_ms``: so long a broker may wait for news; more, to follow, spares it fifty answers a second.
    """
    with kafka_errors(connection):
        reader = new_reader(connection, fetch_wait_ms)
        try:
            yield reader
        finally:
            reader.close()


def partition_of(key: bytes, count: int) -> int:
    """Where Kafka's own default partitioner puts a key (murmur2)."""
    return int((murmur2(key) & _POSITIVE) % count)


def all_partitions(reader: PartitionReader, topic: str) -> list[Partition]:
    """All partitions of a topic; raises `KafkaFailed` when it is not there."""
    found = reader.partitions(topic)
    if not found:
        raise KafkaFailed(f"no topic '{topic}' on the cluster; `relay topics apply` creates those of topics.yaml")
    return found
