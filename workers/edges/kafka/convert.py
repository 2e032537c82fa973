"""Between kafka-python's values and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from workers.core.record import CommitPoint, Partition, Record


def describe(error: Exception) -> str:
    """One line for people."""
    name, text = type(error).__name__, " ".join(str(error).split())
    text = re.sub(r"^\[Error \d+\] ", "", text).removesuffix(": None")
    if not text or text.startswith(name):  # kafka-python's errors begin with their numbers and names
        return text[:300] or name
    return f"{name}: {text}"[:300]


def to_kafka(offsets: Mapping[Partition, CommitPoint]) -> dict[TopicPartition, OffsetAndMetadata]:
    """(offset, metadata) of each partition, as a commit takes it."""
    return {TopicPartition(*at): OffsetAndMetadata(offset, metadata, -1) for at, (offset, metadata) in offsets.items()}


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
