"""Reads a topic as it is, in no group, committing nothing."""

from __future__ import annotations

from collections.abc import Iterator

from workers.core.record import Record
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.reader import FOLLOW_WAIT_MS, all_partitions, open_reader


def tail(connection: KafkaConnection, topic: str, *, from_beginning: bool = False) -> Iterator[Record]:
    """Yield the topic's records, those to come included, without end; only of committed transactions.

    Raises `KafkaFailed` when the topic is not there or the cluster cannot be reached.
    """
    with open_reader(connection, FOLLOW_WAIT_MS) as reader:
        bounds = reader.bounds(all_partitions(reader, topic))
        for records in reader.follow({at: oldest if from_beginning else end for at, (oldest, end) in bounds.items()}):
            yield from records
