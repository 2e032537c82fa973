"""An order's history in Kafka: what was published, what became of each record, and what was parked."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from workers.app.config.specs import Config, SinkSpec
from workers.app.events.receipts import read_receipts
from workers.app.inspect.order_timeline import SinkEnd, Timeline, WaitingPlace, read_changes, read_tracked
from workers.app.inspect.parked_orders import fence_of
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.parked import headers
from workers.core.parked.fence import Fence
from workers.core.parked.headers import header_text
from workers.core.receipt import LONGEST_ORDER_ID, Receipt
from workers.core.record import CommitPoint, Partition, Record
from workers.edges.avro.reader import Undecodable

CLOCKS_APART_MS: Final = 3_600_000  # a receipt's clock may be so much behind the source's

Commits = Mapping[Partition, CommitPoint]


class SourceRecord(NamedTuple):
    """Names a consumed record within the order's partition."""

    topic: str
    offset: int


@dataclass(slots=True)
class ParkedPart:
    """What the parked topic says of the order."""

    ends: dict[SourceRecord, str] = field(default_factory=dict)  # what became of each record that was ever parked
    copies: defaultdict[SourceRecord, list[Record]] = field(default_factory=lambda: defaultdict(list))
    discards: list[Record] = field(default_factory=list)  # their traces


def read_timeline(timeline: Timeline, config: Config, committed: Callable[[str], Commits]) -> None:
    """Fill the timeline; ``committed`` gives the offsets of a group.

    Raises kafka-python's errors and `RegistryUnavailable`.
    """
    # Commits first: a record that finishes while the topics are read has its receipt before its commit.
    commits = {sink.name: committed(sink.group) for sink in config.sinks.values()}
    topics = dict.fromkeys(topic for sink in config.sinks.values() for topic in sink.consumes)
    published = {topic: _read_published(timeline, topic) for topic in topics}
    tracked: defaultdict[str, list[str]] = defaultdict(list)
    for sink in config.sinks.values():
        records = sorted((one for topic in sink.consumes for one in published[topic]), key=_appended)
        _read_sink(timeline, sink, records, commits[sink.name])
        tracked[sink.vendor] += read_tracked(timeline, sink)
    timeline.known.numbers = tracked
    for record in (one for records in published.values() for one in records):
        what, state = _event_words(timeline, record)
        timeline.add(record, record.timestamp_ms, what, "publisher", state=state)
    read_changes(timeline, config, tracked)
    timeline.entries.sort(key=lambda entry: entry.place_in_time)


def _appended(record: Record) -> tuple[int, str, int]:
    return record.timestamp_ms, record.topic, record.offset


def _read_published(timeline: Timeline, topic: str) -> list[Record]:
    partition, name = timeline.own_partition(topic), timeline.order_id.encode()
    if partition is None and not timeline.reader.partitions(topic):
        timeline.missing_topics.append(topic)
    found = (
        ()
        if partition is None
        else timeline.records(
            partition, lambda one: one.key == name or name in (one.value or b""), containing=timeline.own_bytes
        )
    )
    return [record for record in found if _is_of(timeline, record, name)]


def _is_of(timeline: Timeline, record: Record, name: bytes) -> bool:
    """Whether the sinks count the record as the order's: by the id in its value, or by its key if no id is readable."""
    content = timeline.decoded(record)
    order_id = content.get("order", content).get("order_id")
    return record.key == name if order_id is None else order_id == timeline.order_id


def _event_words(timeline: Timeline, record: Record) -> tuple[str, str]:
    """What was published: the kind and the state, never the content; and the word for machines."""
    if record.value is None:
        return "tombstone published", "published"
    content = timeline.decoded(record)
    if "order" in content:
        return "order published", "published"
    if "status" in content:
        return f"status {content['status']} published", "published"
    return "published, undecodable", "published"


def _read_sink(timeline: Timeline, sink: SinkSpec, records: Sequence[Record], commits: Commits) -> None:
    parked = _read_parked(timeline, sink)
    receipts = _read_receipts(timeline, sink, records)
    ends = timeline.ends[sink.name] = []
    for record in records:
        source = SourceRecord(record.topic, record.offset)
        if found := receipts.get(source):
            _add_receipts(timeline, sink, record, found, parked.copies[source])
            end = SinkEnd(record, found[-1].outcome, found[-1], found[-1].reason or "")
            if end.state in {"delivered", "found", "skipped"}:
                timeline.known.add_delivered(sink.name, record.timestamp_ms, timeline.decoded(record))
        else:
            end = _end_without_receipt(timeline, sink, record, parked, commits.get(record.at))
        ends.append(end)
    if not any(one.outcome == "discarded" for found in receipts.values() for one in found):
        for trace in parked.discards:
            _add_discard(timeline, sink, trace)


def _read_receipts(
    timeline: Timeline, sink: SinkSpec, records: Collection[Record]
) -> dict[SourceRecord, list[Receipt]]:
    """The receipts of these records, each record's in the order of their time."""
    partition = timeline.own_partition(sink.receipts) if sink.receipts else None
    wanted = {SourceRecord(one.topic, one.offset) for one in records}
    found: defaultdict[SourceRecord, list[Receipt]] = defaultdict(list)
    if partition is None or not wanted:
        return found
    name = timeline.order_id.encode() if len(timeline.order_id) <= LONGEST_ORDER_ID else b""
    since_ms = min(one.timestamp_ms for one in records) - CLOCKS_APART_MS
    own = timeline.own_bytes if name else ()
    for batch in timeline.records(partition, lambda one: name in (one.value or b""), since_ms, own):
        for receipt in _receipts_in(timeline, batch):
            if SourceRecord(receipt.topic, receipt.offset) in wanted:
                found[SourceRecord(receipt.topic, receipt.offset)].append(receipt)
    return {source: sorted(ours, key=lambda one: one.finished_at_ms) for source, ours in found.items()}


def _receipts_in(timeline: Timeline, batch: Record) -> list[Receipt]:
    try:
        timeline.codec.decode(batch.topic, batch.value or b"", batch.headers)  # learns the schema from the registry
        return read_receipts(timeline.codec.codec, batch.topic, batch.value or b"")
    except Undecodable:
        return []


def _add_receipts(
    timeline: Timeline, sink: SinkSpec, record: Record, receipts: Sequence[Receipt], copies: Sequence[Record]
) -> None:
    """One entry for each, at its own time; ``copies``: the record's in the parked topic, the first parking first."""
    details = iter(copies)
    for receipt in receipts:
        copy = next(details, None) if receipt.outcome == "parked" else None
        what = _receipt_words(receipt, None if copy is None else header_text(copy, headers.DETAIL))
        timeline.add(record, receipt.finished_at_ms, what, sink.name, 1, state=receipt.outcome, receipt=receipt)


def _receipt_words(receipt: Receipt, detail: str | None) -> str:
    reason = f": {receipt.reason}" if receipt.reason else ""
    match receipt.outcome:
        case "parked":
            return f"parked{reason}" + (f": {detail}" if detail else "")
        case "skipped":
            return f"skipped{reason}"
        case "discarded" | "passed_over":
            return f"{receipt.outcome.replace('_', ' ')} {receipt.reason or ''}".rstrip()
        case "delivered" | "found":
            words = ["delivered" if receipt.outcome == "delivered" else "found at the vendor"]
            words += [f"HTTP {receipt.http_status}"] * (receipt.http_status is not None)
            words += [f"{receipt.attempts} tries"] * (receipt.attempts > 1)
            words += [f"as {receipt.vendor_ref}"] * (receipt.vendor_ref is not None)
            return ", ".join(words + ([receipt.reason] if receipt.reason else []))


def _end_without_receipt(
    timeline: Timeline, sink: SinkSpec, record: Record, parked: ParkedPart, commit: CommitPoint | None
) -> SinkEnd:
    """It has not ended, or ended before there were receipts, or its receipt has expired."""
    source = SourceRecord(record.topic, record.offset)
    state = parked.ends.get(source)
    for copy in parked.copies[source]:
        again = " again" if copy.header(headers.REPLAYS) is not None else ""
        what = f"parked{again}: {header_text(copy, headers.REASON)}: {header_text(copy, headers.DETAIL)}"
        timeline.add(record, _millis(header_text(copy, headers.PARKED_AT), copy), what, sink.name, 2, state="parked")
    if state is not None:
        if state == "no_receipt":
            last = parked.copies[source][-1]
            parked_ms, what = (
                _millis(header_text(last, headers.PARKED_AT), last),
                "replayed since; no receipt says when",
            )
            timeline.add(record, parked_ms, what, sink.name, 3, state=state)
        return SinkEnd(record, state)
    if _is_finished(record, commit):
        what = "no receipt: it is finished, and what became of it is not known"
        timeline.add(record, record.timestamp_ms, what, sink.name, 1, state="no_receipt")
        return SinkEnd(record, "no_receipt")
    why = _why_it_waits(timeline, sink, record)
    timeline.add(record, timeline.asked_at_ms, f"waits: {why}" if why else "waits", sink.name, 9, state="waits")
    return SinkEnd(record, "waits", None, why)


def _why_it_waits(timeline: Timeline, sink: SinkSpec, record: Record) -> str:
    """As the worker says; empty where no worker was asked, or the worker does not say."""
    told = timeline.waiting.get(WaitingPlace(sink.name, record.at, record.offset))
    stopped = timeline.stopped.get((sink.name, record.at))
    if told is not None:
        return told
    if stopped is not None:
        return f"{record.at} is stopped: {stopped}; 'relay offsets {sink.name} --to ...' decides"
    asked_others = timeline.answered is not None and sink.name not in timeline.answered
    return f"no process that was asked runs {sink.name} (--at HOST:PORT asks others)" if asked_others else ""


def _is_finished(record: Record, commit: CommitPoint | None) -> bool:
    return commit is not None and (
        record.offset < commit.offset
        or record.offset in (FinishedOffsets.parse(record.at, commit.offset, commit.metadata) or ())
    )


def _read_parked(timeline: Timeline, sink: SinkSpec) -> ParkedPart:
    found = ParkedPart()
    partition = timeline.own_partition(sink.parks)
    if partition is None:
        return found
    fence = _read_fence(timeline, sink)
    parked_at: dict[SourceRecord, int] = {}
    for record in timeline.records(
        partition, lambda one: headers.order_of(one) == timeline.order_id, containing=timeline.own_bytes
    ):
        if record.header(headers.DISCARDED_AT) is not None:
            found.discards.append(record)
            continue
        topic, offset = header_text(record, headers.SOURCE_TOPIC), header_text(record, headers.SOURCE_OFFSET)
        if topic is None or offset is None:
            continue
        source = SourceRecord(topic, int(offset))
        found.copies[source].append(record)
        if headers.is_original(record):
            parked_at[source] = record.offset
    given_up = [_discarded_offsets(trace) for trace in found.discards]
    found.ends = {source: _parked_end(offset, fence, given_up) for source, offset in parked_at.items()}
    return found


def _discarded_offsets(trace: Record) -> range:
    first, last = (int(header_text(trace, name) or 0) for name in (headers.DISCARDED_FIRST, headers.DISCARDED_LAST))
    return range(first, last + 1)


def _parked_end(offset: int, fence: Fence | None, discarded: list[range]) -> str:
    if any(offset in some for some in discarded):
        return "discarded"
    is_open = fence is not None and (fence.first is None or offset >= fence.first)
    return "parked" if is_open else "no_receipt"


def _add_discard(timeline: Timeline, sink: SinkSpec, trace: Record) -> None:
    by, why = header_text(trace, headers.DISCARDED_BY), header_text(trace, headers.DISCARDED_WHY)
    count = header_text(trace, headers.DISCARDED_RECORDS)
    what = f"{count} parked records discarded by {by}" + (f": {why}" if why else "")
    at_ms = _millis(header_text(trace, headers.DISCARDED_AT), trace)
    timeline.add(trace, at_ms, what, sink.name, 3, state="discarded")


def _read_fence(timeline: Timeline, sink: SinkSpec) -> Fence | None:
    """The order's present fence; adds an entry for its end, as long as compaction has not removed the tombstone."""
    key, fence = timeline.order_id.encode(), None
    partition = timeline.own_partition(sink.parked_state)
    if partition is None:
        return None
    for record in timeline.records(partition, lambda one: one.key == key, containing=timeline.own_bytes):
        fence = fence_of(record)
        if record.value is None:
            what = "nothing of it is parked any more"
            timeline.add(record, record.timestamp_ms, what, sink.name, 4, state="released")
    if fence is not None:
        timeline.parked[sink.name] = fence
    return fence


def _millis(text: str | None, record: Record) -> int:
    try:
        return int(datetime.fromisoformat(text or "").timestamp() * 1000)
    except ValueError:
        return record.timestamp_ms
