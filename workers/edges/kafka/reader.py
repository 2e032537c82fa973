"""Reads partitions in no group, committing nothing: ranges of offsets, or from an offset on without end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner import murmur2

from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, consumer_options, open_client
from workers.edges.kafka.client_patches.fetches import search
from workers.edges.kafka.convert import to_partition, to_record, topic_partitions
from workers.edges.kafka.errors import kafka_errors, no_topic
from workers.edges.kafka.log_ends import Bounds

FOLLOW_WAIT_MS = 500
"""How long a broker may wait for new records of one who follows: half a second spares it fifty answers a second."""
READ_WAIT_MS = 20
_POLL_MS = 500
_SEARCH_POLL_MS = 20  # a poll without records lasts to its end, although the position has moved
_FOLLOW_POLL_MS = 100
_BOUNDS_TIMEOUT_MS = 10_000
_FETCH_BYTES = 1024 * 1024  # of the one partition that is read at a time: with less it is many round trips
_POSITIVE = 0x7FFFFFFF


class PartitionReader:
    """Blocking; raises kafka-python's errors: see `kafka_errors`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._oldest: dict[Partition, int] = {}
        self._searched: tuple[bytes, ...] = ()

    def partitions(self, topic: str) -> list[Partition]:
        """All partitions of a topic; none when it does not exist."""
        return [Partition(topic, number) for number in sorted(self._consumer.partitions_for_topic(topic) or ())]

    def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, Bounds]:
        """The oldest offset of each, and the end of its committed records."""
        asked = topic_partitions(partitions)
        if not asked:
            return {}
        starts = self._consumer.beginning_offsets(asked, timeout_ms=_BOUNDS_TIMEOUT_MS)
        ends = self._consumer.end_offsets(asked, timeout_ms=_BOUNDS_TIMEOUT_MS)
        return {to_partition(one): Bounds(starts[one], ends[one]) for one in asked}

    def oldest(self, partition: Partition) -> int:
        """The oldest offset at the time of the first question: a read below what has expired since then fails."""
        if partition not in self._oldest:
            self._oldest[partition] = self.bounds([partition])[partition].earliest
        return self._oldest[partition]

    def since(self, partition: Partition, at_ms: int, end: int) -> int:
        """The first record that was appended at this time or later; ``end`` if there is none."""
        asked = TopicPartition(*partition)
        found = self._consumer.offsets_for_times({asked: at_ms}, timeout_ms=_BOUNDS_TIMEOUT_MS)[asked]
        return end if found is None else int(found.offset)

    def stretch(
        self, partition: Partition, first: int, end: int, containing: tuple[bytes, ...] = ()
    ) -> Iterator[list[Record]]:
        """Yield the records from ``first`` to before ``end``, in batches; ``first`` must not be expired.

        A batch may be empty: transaction markers and compacted offsets are passed over. ``containing``: most records
        that hold none of these bytes are passed over, too, and much faster than they would be read.
        """
        assigned, wait_ms = TopicPartition(*partition), _SEARCH_POLL_MS if containing else _POLL_MS
        if containing != self._searched:
            search(self._consumer, containing)
            self._searched = containing
        self._consumer.assign([assigned])
        self._consumer.seek(assigned, first)
        position = first
        while position < end:
            records = self._consumer.poll(timeout_ms=wait_ms).get(assigned, ())
            position = self._consumer.position(assigned, timeout_ms=1_000) or position
            yield [to_record(one) for one in records if one.offset < end]

    def follow(self, starts: Mapping[Partition, int]) -> Iterator[Sequence[Record]]:
        """Yield what comes in these partitions from these offsets on, without end; first, and now and then, nothing."""
        self._consumer.assign(topic_partitions(starts))
        for partition, offset in starts.items():
            self._consumer.seek(TopicPartition(*partition), offset)
        yield ()
        while True:
            polled = self._consumer.poll(timeout_ms=_FOLLOW_POLL_MS)
            yield [to_record(one) for records in polled.values() for one in records]

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=2_000)


def new_reader(connection: KafkaConnection, fetch_wait_ms: int = READ_WAIT_MS) -> PartitionReader:
    """Connect; raises kafka-python's errors.

    ``fetch_wait_ms``: how long a broker may wait for new records. A fetch that waits at the end of one partition
    holds up the next one: with kafka-python's default, half a second for each.
    """
    options = consumer_options(connection) | {
        "fetch_max_wait_ms": fetch_wait_ms,
        "max_partition_fetch_bytes": _FETCH_BYTES,
        "max_poll_records": 5_000,
    }
    return PartitionReader(open_client(KafkaConsumer, options, connection.waiting))


@contextmanager
def open_reader(connection: KafkaConnection, fetch_wait_ms: int = READ_WAIT_MS) -> Iterator[PartitionReader]:
    """Connect for the length of a ``with`` block; raises `KafkaFailed` for whatever goes wrong in it."""
    with kafka_errors(connection):
        reader = new_reader(connection, fetch_wait_ms)
        try:
            yield reader
        finally:
            reader.close()


def tail(connection: KafkaConnection, topic: str, *, from_beginning: bool = False) -> Iterator[Record]:
    """Yield the committed records of a topic and then those to come, without end.

    Raises `KafkaFailed` when the topic does not exist or the cluster cannot be reached.
    """
    with open_reader(connection, FOLLOW_WAIT_MS) as reader:
        bounds = reader.bounds(all_partitions(reader, topic))
        starts = {partition: found.earliest if from_beginning else found.end for partition, found in bounds.items()}
        for records in reader.follow(starts):
            yield from records


def partition_of(key: bytes, count: int) -> int:
    """Where Kafka's default partitioner puts a key (murmur2)."""
    return int((murmur2(key) & _POSITIVE) % count)


def all_partitions(reader: PartitionReader, topic: str) -> list[Partition]:
    """All partitions of a topic; raises `KafkaFailed` when it does not exist."""
    found = reader.partitions(topic)
    if not found:
        raise KafkaFailed(no_topic(topic))
    return found
