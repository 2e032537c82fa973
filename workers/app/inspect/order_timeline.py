"""What pollers have published about an order, and the order's numbers at its vendors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from workers.app.config.settings import TRACE_ID
from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.events.command_codec import OpenCodec
from workers.app.inspect.known_order import KnownOrder
from workers.core.delivery.tracked_order import Content
from workers.core.event_kinds import Summary, kind_of
from workers.core.parked.fence import Fence
from workers.core.receipt import Receipt
from workers.core.record import Partition, Record
from workers.edges.avro.json_text import time_text
from workers.edges.avro.reader import Undecodable
from workers.edges.kafka.reader import PartitionReader, partition_of
from workers.edges.telemetry.headers import parent_in
from workers.vendors.contract import load

ReportProgress = Callable[[Partition, int, int], None]
"""Reports a long read: partition, records read, records in all."""


VENDOR_EVENT: Final = "vendor_event"


class WaitingPlace(NamedTuple):
    """A record that a worker has not finished."""

    worker: str
    at: Partition
    offset: int


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
    state: str = ""  # what happened, in one word for machines
    receipt: Receipt | None = None  # that shows it

    @property
    def place_in_time(self) -> tuple[Any, ...]:
        """Sorts a timeline. A vendor's clock with whole seconds names their beginning: the event came in that second,
        and not before what was done to the order at its beginning.
        """
        is_whole = self.state == VENDOR_EVENT and self.at_ms % 1_000 == 0
        return self.at_ms + (999 if is_whole else 0), self.rank, self.where, self.offset


class SinkEnd(NamedTuple):
    """What became of one of the order's records in one sink."""

    record: Record
    state: str
    receipt: Receipt | None = None  # the last
    why: str = ""  # it waits, or is parked


@dataclass(slots=True)
class Timeline:
    order_id: str
    reader: PartitionReader
    codec: OpenCodec
    report_progress: ReportProgress
    partition_number: int | None = None  # of the order, where Kafka's own partitioner did not choose it
    entries: list[TimelineEntry] = field(default_factory=list)
    parked: dict[str, Fence] = field(default_factory=dict)  # by sink: the order's present fence
    known: KnownOrder = field(default_factory=KnownOrder)  # to be compared with the vendors' own words
    ends: dict[str, list[SinkEnd]] = field(default_factory=dict)  # by sink, in the sequence of publication
    asked_at_ms: int = 0
    waiting: Mapping[WaitingPlace, str] = field(default_factory=dict)  # what workers say that records wait for
    stopped: Mapping[tuple[str, Partition], str] = field(default_factory=dict)  # why, by worker and partition
    missing_topics: list[str] = field(default_factory=list)  # of those that sinks consume
    answered: frozenset[str] | None = None  # workers whose processes answered; None: none was asked

    @property
    def own_bytes(self) -> tuple[bytes, ...]:
        """Each record that names the order holds one of these; (): its key may be no UTF-8, and is shown replaced."""
        return () if "\ufffd" in self.order_id else (self.order_id.encode(),)

    def records(
        self,
        partition: Partition,
        wanted: Callable[[Record], bool],
        since_ms: int | None = None,
        containing: tuple[bytes, ...] = (),
    ) -> Iterator[Record]:
        """Read one partition from its beginning, or from what was appended at ``since_ms``, to its end.

        ``containing``: each wanted record holds one of these bytes, in its key, value or headers.
        """
        first, end = self.reader.bounds([partition])[partition]
        if since_ms is not None:
            first = max(first, self.reader.since(partition, since_ms, end))
        for records in self.reader.stretch(partition, first, end, containing):
            yield from filter(wanted, records)
            if records:
                self.report_progress(partition, records[-1].offset + 1 - first, end - first)

    def add(
        self,
        record: Record,
        at_ms: int,
        what: str,
        by: str,
        rank: int = 0,
        *,
        state: str,
        receipt: Receipt | None = None,
    ) -> None:
        parent = parent_in(record)
        trace_id = None if parent is None else parent.trace_id
        place = record.at, record.offset
        self.entries.append(TimelineEntry(at_ms, what, by, *place, trace_id, rank, state, receipt))

    def trace_addresses(self, url: str | None) -> dict[str, str]:
        """Where each trace of the order is shown, by its id; ``url``: of the settings."""
        ids = dict.fromkeys(entry.trace_id for entry in self.entries if entry.trace_id)
        return {} if url is None else {trace_id: url.replace(TRACE_ID, trace_id) for trace_id in ids}

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


def read_tracked(timeline: Timeline, sink: SinkSpec) -> list[str]:
    """The order's numbers at the vendor, the last one at the end, from the rows of a sink that tracks.

    They are in the order's own partition.
    """
    partition = None if sink.tracks is None else timeline.own_partition(sink.tracks)
    numbers: list[str] = []
    accepted: set[str] = set()
    begun: tuple[Record, int] | None = None  # the last row, and since when, where the delivery is not finished
    for record in (
        ()
        if partition is None
        else timeline.records(partition, lambda one: one.value is not None, containing=timeline.own_bytes)
    ):
        tracked = timeline.decoded(record)
        if tracked.get("order_id") != timeline.order_id:
            continue
        name, content = str(tracked["order_number"]), Content.of(tracked["content_hash"])
        begun = (record, tracked["since"]) if content.stage else None
        if content.stage:
            what = f"not finished at the vendor: {content.stage}"
            timeline.add(record, record.timestamp_ms, what, sink.name, 2, state="unfinished")
        elif tracked["canceled_at"] is not None:
            timeline.add(
                record, tracked["canceled_at"], f"canceled at the vendor as {name}", sink.name, 2, state="canceled"
            )
        elif name not in accepted:
            accepted.add(name)
            timeline.add(record, tracked["since"], f"accepted by the vendor as {name}", sink.name, 2, state="accepted")
        if name:
            numbers = [*(each for each in numbers if each != name), name]
    if begun is not None:
        _add_half_made(timeline, sink, *begun)
    return numbers


def _add_half_made(timeline: Timeline, sink: SinkSpec, row: Record, since_ms: int) -> None:
    """Say until when the vendor keeps what an unfinished delivery has left there."""
    vendor = load(sink.vendor)
    until_ms = vendor.half_made_until_ms(since_ms)
    if until_ms is None:
        return
    verb = "keeps" if timeline.asked_at_ms < until_ms else "kept"
    what = f"half made since {time_text(since_ms)}: {vendor.title} {verb} it until {time_text(until_ms)}"
    timeline.add(row, timeline.asked_at_ms, what, sink.name, 9, state="half_made")


def read_changes(timeline: Timeline, config: Config, tracked: Mapping[str, Iterable[str]]) -> None:
    """Add what pollers have published; ``tracked``: by vendor, the order's numbers from `read_tracked`."""
    schemas, pollers = timeline.codec.codec.schemas, config.pollers.values()
    numbers = {poller.vendor: _published_as(poller.vendor, config, timeline.order_id, tracked) for poller in pollers}
    for topic in sorted({topic for poller in pollers for topic in poller.publishes} & schemas.keys()):
        summary = kind_of(schemas[topic].today.name).summary
        vendors = {poller.vendor for poller in pollers if topic in poller.publishes}
        if summary is not None:
            search = Search.of(timeline.order_id, {vendor: numbers[vendor] for vendor in vendors})
            _read_topic(timeline, topic, search, summary)


def _published_as(vendor: str, config: Config, order_id: str, tracked: Mapping[str, Iterable[str]]) -> set[str]:
    """The numbers under which the vendor's poller publishes the order; none: only the events' content can show them.

    A vendor that gives the numbers may give an order another one later: Komet's web orders become invoices.
    """
    if load(vendor).tracked_key == "order_id":
        return set()
    return numbers_at(vendor, config, order_id) | set(tracked.get(vendor, ()))


def numbers_at(vendor: str, config: Config, order_id: str) -> set[str]:
    """The order's numbers at a vendor by its workers' configuration; none: only the events' content can show them."""
    number_by = load(vendor).order_number
    workers: list[SinkSpec | PollerSpec] = [*config.sinks.values(), *config.pollers.values()]
    options = [worker.options for worker in workers if worker.vendor == vendor]
    return set(filter(None, (number_by(one, order_id) for one in options))) if number_by else set()


@dataclass(frozen=True, slots=True)
class Search:
    """Which records of a topic may be about an order."""

    order_id: str
    keys: frozenset[str]  # of vendors that know the order by a number that we know: its only keys
    prefixes: tuple[bytes, ...]  # of the keys of the other vendors: only the content shows the order

    @classmethod
    def of(cls, order_id: str, numbers: Mapping[str, AbstractSet[str]]) -> Self:
        """``numbers``: by vendor; an empty set where none is known."""
        keys = frozenset(f"{vendor}:{number}" for vendor, ours in numbers.items() for number in ours)
        return cls(order_id, keys, tuple(f"{vendor}:".encode() for vendor, ours in numbers.items() if not ours))

    def partitions(self, timeline: Timeline, topic: str) -> Iterable[Partition]:
        """Those of the keys; all of the topic when any record may be about the order."""
        if self.prefixes:
            return timeline.reader.partitions(topic)
        return sorted(filter(None, {timeline.partition(topic, key) for key in self.keys}))

    @property
    def bytes(self) -> tuple[bytes, ...]:
        """Each record that is about the order holds one of these."""
        return (*(key.encode() for key in self.keys), *([self.order_id.encode()] if self.prefixes else []))

    def may_match(self, record: Record) -> bool:
        """Whether the record is worth decoding."""
        return self.has_key(record) or (
            (record.key or b"").startswith(self.prefixes) and self.order_id.encode() in (record.value or b"")
        )

    def has_key(self, record: Record) -> bool:
        return (record.key or b"").decode("utf-8", "replace") in self.keys

    def matches(self, record: Record, content: Mapping[str, Any]) -> bool:
        """``content``: decoded; empty when the record is undecodable."""
        return bool(content) and (self.has_key(record) or content.get("order_id") == self.order_id)


def _read_topic(timeline: Timeline, topic: str, search: Search, summary: Summary) -> None:
    for partition in search.partitions(timeline, topic):
        for record in timeline.records(partition, search.may_match, containing=search.bytes):
            content = timeline.decoded(record)
            if search.matches(record, content):
                what, vendor = summary(content), str(content["vendor"])
                timeline.add(record, _when(content, record), what, vendor, rank=5, state=VENDOR_EVENT)
                timeline.known.add_published(content)


def _when(content: Mapping[str, Any], record: Record) -> int:
    """When it happened at the vendor, if the vendor says so; else when the poller saw it."""
    for name in ("occurred_at", "vendor_modified_at", "observed_at"):
        if content.get(name) is not None:
            return int(content[name])
    return record.timestamp_ms
