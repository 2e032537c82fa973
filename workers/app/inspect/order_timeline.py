"""Where is order X? The history of one order from Kafka alone, oldest first, without the customer's data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from workers.app.events.command_codec import OpenCodec
from workers.core.parked.fence import Fence
from workers.core.record import Partition, Record
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.reader import PartitionReader, partition_of
from workers.edges.telemetry import traceparent_of

ReportProgress = Callable[[Partition, int, int], None]
"""Reports a long read: partition, records read, records in all."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an order, with the record that shows it."""

    at_ms: int
    what: str
    by: str  # a worker, a vendor, or `publisher`
    where: Partition
    offset: int
    trace_id: str | None = None
    rank: int = 0  # orders entries of the same time, the lowest first


@dataclass(slots=True)
class Timeline:
    """Collects the entries of one order."""

    order_id: str
    reader: PartitionReader
    codec: OpenCodec
    report_progress: ReportProgress
    partition_number: int | None = None  # of the order, where Kafka's own partitioner did not choose it
    entries: list[TimelineEntry] = field(default_factory=list)
    parked: dict[str, Fence] = field(default_factory=dict)  # by sink: the order's present fence

    def records(self, partition: Partition, wanted: Callable[[Record], bool]) -> Iterator[Record]:
        """Read one partition from its beginning to its end."""
        first, end = self.reader.bounds([partition])[partition]
        for records in self.reader.stretch(partition, first, end):
            yield from filter(wanted, records)
            if records:
                self.report_progress(partition, records[-1].offset + 1 - first, end - first)

    def add(self, record: Record, at_ms: int, what: str, by: str, rank: int = 0) -> None:
        """Add one entry."""
        traceparent = traceparent_of(record)
        trace_id = traceparent.split("-")[1] if traceparent else None
        self.entries.append(TimelineEntry(at_ms, what, by, record.at, record.offset, trace_id, rank))

    def partition(self, topic: str, key: str) -> Partition | None:
        """The only partition that a key can be in; None when the cluster has no such topic."""
        count = len(self.reader.partitions(topic))
        return Partition(topic, partition_of(key.encode(), count)) if count else None

    def own_partition(self, topic: str) -> Partition | None:
        """The partition of the order id; None when the cluster has no such topic or partition."""
        if self.partition_number is None:
            return self.partition(topic, self.order_id)
        partition = Partition(topic, self.partition_number)
        return partition if partition in self.reader.partitions(topic) else None

    def decoded(self, record: Record) -> dict[str, Any]:
        """The record's content; empty when it cannot be decoded."""
        try:
            return self.codec.decode(record.topic, record.value or b"", record.headers)
        except Undecodable:
            return {}
