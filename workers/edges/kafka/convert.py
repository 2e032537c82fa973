"""Between kafka-python's values and ours."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from workers.core.consume.commit_metadata import stamped
from workers.core.consume.start_position import stop_reason
from workers.core.record import CommitPoint, Partition, Record

_NO_LEADER_EPOCH = -1


def to_kafka(offsets: Mapping[Partition, CommitPoint]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Commit points as kafka-python's commits take them, with the time."""
    now_s = int(time.time())
    return {
        TopicPartition(*partition): OffsetAndMetadata(point.offset, _metadata(point.metadata, now_s), _NO_LEADER_EPOCH)
        for partition, point in offsets.items()
    }


def _metadata(text: str, now_s: int) -> str:
    return text if stop_reason(text) else stamped(text, now_s)


def topic_partitions(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*partition) for partition in partitions]


def to_partition(found: TopicPartition) -> Partition:
    return Partition(found.topic, found.partition)


def to_record(one: Any) -> Record:
    """A ``ConsumerRecord`` as ours, its bytes untouched."""
    return Record(
        one.topic,
        one.partition,
        one.offset,
        one.timestamp,
        one.key,
        one.value,
        tuple(one.headers) if one.headers else (),
    )
