"""Where is order X? What Kafka alone tells of one order, oldest first; nothing of the customer's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workers.app.events.command_codec import OpenCodec
from workers.core.parked.fence import Fence
from workers.core.record import Partition, Record
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.reader import PartitionReader, partition_of
from workers.edges.telemetry import traceparent_of

Progress = Callable[[Partition, int, int], None]
"""Told of a long read: partition, records read, records in all."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to an order."""

    at_ms: int
    what: str
    by: str  # the worker, or the publisher's side
    where: Partition
    offset: int
    trace_id: str | None = None
    rank: int = 0  # of two at the same time the lower comes first


@dataclass(slots=True)
class Timeline:
    """Collects one order's moments."""

    order_id: str
    reader: PartitionReader
    codec: OpenCodec
    progress: Progress
    moments: list[Moment] = field(default_factory=list)
    parked: dict[str, Fence] = field(default_factory=dict)  # by sink: what is parked now

    def records(self, at: Partition, wanted: Callable[[Record], bool]) -> Iterator[Record]:
        """Read one partition from its beginning to its end."""
        first, end = self.reader.bounds([at])[at]
        for records in self.reader.stretch(at, first, end):
            yield from filter(wanted, records)
            if records:
                self.progress(at, records[-1].offset + 1 - first, end - first)

    def add(self, record: Record, at_ms: int, what: str, by: str, rank: int = 0) -> None:
        """Take note of one moment."""
        traceparent = traceparent_of(record)
        trace_id = traceparent.split("-")[1] if traceparent else None
        self.moments.append(Moment(at_ms, what, by, record.at, record.offset, trace_id, rank))

    def partition(self, topic: str, key: str, number: int | None = None) -> Partition | None:
        """Where a key lies: only there is it looked for; None when the topic is not on the cluster."""
        count = len(self.reader.partitions(topic))
        if not count:
            return None
        at = partition_of(key.encode(), count) if number is None else number
        return Partition(topic, at) if at < count else None

    def decoded(self, record: Record) -> dict[str, Any]:
        """The record's content; empty when it cannot be decoded."""
        try:
            return self.codec.decode(record.topic, record.value or b"")
        except Undecodable:
            return {}
