"""An order's history in Kafka: what was published, what became of each record, and what was parked."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

from workers.app.config.specs import Config, SinkSpec
from workers.app.inspect.order_timeline import Timeline, read_changes, read_tracked
from workers.app.inspect.parked_orders import fence_of
from workers.core.consume.commit_metadata import FinishedOffsets
from workers.core.parked import headers
from workers.core.parked.fence import Fence
from workers.core.parked.headers import header_text
from workers.core.record import CommitPoint, Partition, Record


class SourceRecord(NamedTuple):
    """Names a consumed record within the order's partition."""

    topic: str
    offset: int


Ends: TypeAlias = dict[SourceRecord, str]
"""What became of each source record that was ever parked."""


def read_timeline(
    timeline: Timeline, config: Config, committed: Callable[[str], Mapping[Partition, CommitPoint]]
) -> None:
    """Fill the timeline; ``committed`` gives the offsets of a group.

    Raises kafka-python's errors and `RegistryUnavailable`.
    """
    published: dict[str, list[Record]] = {}
    tracked: defaultdict[str, set[str]] = defaultdict(set)
    for sink in config.sinks.values():
        ends = _read_parked(timeline, sink)
        commits = committed(sink.group)
        for topic in sink.consumes:
            if topic not in published:
                published[topic] = _read_published(timeline, topic)
            for record in published[topic]:
                _add_end(timeline, sink, record, ends, commits.get(record.at))
        tracked[sink.vendor] |= read_tracked(timeline, sink)
    timeline.known.numbers = tracked
    for records in published.values():
        for record in records:
            timeline.add(record, record.timestamp_ms, _event_words(timeline, record), "publisher")
    read_changes(timeline, config, tracked)
    timeline.entries.sort(key=lambda entry: (entry.at_ms, entry.rank, entry.where, entry.offset))


def _read_published(timeline: Timeline, topic: str) -> list[Record]:
    partition, name = timeline.own_partition(topic), timeline.order_id.encode()
    found = (
        ()
        if partition is None
        else timeline.records(partition, lambda one: one.key == name or name in (one.value or b""))
    )
    return [record for record in found if _is_of(timeline, record, name)]


def _is_of(timeline: Timeline, record: Record, name: bytes) -> bool:
    """Whether the sinks count the record as the order's: by the id in its value, or by its key if no id is readable."""
    content = timeline.decoded(record)
    order_id = content.get("order", content).get("order_id")
    return record.key == name if order_id is None else order_id == timeline.order_id


def _event_words(timeline: Timeline, record: Record) -> str:
    """What was published: the kind and the state, never the content."""
    if record.value is None:
        return "tombstone published"
    content = timeline.decoded(record)
    if "order" in content:
        return "order published"
    return f"status {content['status']} published" if "status" in content else "published, undecodable"


def _add_end(timeline: Timeline, sink: SinkSpec, record: Record, ends: Ends, commit: CommitPoint | None) -> None:
    """Add what became of a source record, at the time of its publication: Kafka does not keep when it was delivered."""
    end = ends.get(SourceRecord(record.topic, record.offset))
    if end is None:
        finished = commit is not None and (
            record.offset < commit.offset
            or record.offset in (FinishedOffsets.parse(record.at, commit.offset, commit.metadata) or ())
        )
        end = "delivered, or nothing to send" if finished else "waits"
    timeline.add(record, record.timestamp_ms, end, sink.name, rank=1)
    if end.startswith("delivered"):
        timeline.known.add_delivered(sink.name, record.timestamp_ms, timeline.decoded(record))


def _read_parked(timeline: Timeline, sink: SinkSpec) -> Ends:
    """Add the entries of the parked topic and its state; return what became of each record that was ever parked."""
    partition = timeline.own_partition(sink.parks)
    if partition is None:
        return {}
    fence = _read_fence(timeline, sink)
    parked_at: dict[SourceRecord, int] = {}
    discarded: list[range] = []
    for record in timeline.records(partition, lambda one: headers.order_of(one) == timeline.order_id):
        _add_parked(timeline, sink, record)
        topic, offset = header_text(record, headers.SOURCE_TOPIC), header_text(record, headers.SOURCE_OFFSET)
        if headers.is_original(record) and topic is not None and offset is not None:
            parked_at[SourceRecord(topic, int(offset))] = record.offset
        elif record.header(headers.DISCARDED_AT) is not None:
            discarded.append(_discarded_offsets(record))
    return {source: _parked_end(offset, fence, discarded) for source, offset in parked_at.items()}


def _discarded_offsets(trace: Record) -> range:
    first, last = (int(header_text(trace, name) or 0) for name in (headers.DISCARDED_FIRST, headers.DISCARDED_LAST))
    return range(first, last + 1)


def _parked_end(offset: int, fence: Fence | None, discarded: list[range]) -> str:
    if any(offset in some for some in discarded):
        return "discarded"
    is_open = fence is not None and (fence.first is None or offset >= fence.first)
    return "parked" if is_open else "delivered from its parked record"


def _add_parked(timeline: Timeline, sink: SinkSpec, record: Record) -> None:
    if record.header(headers.DISCARDED_AT) is not None:
        by, why = header_text(record, headers.DISCARDED_BY), header_text(record, headers.DISCARDED_WHY)
        count = header_text(record, headers.DISCARDED_RECORDS)
        what = f"{count} parked records discarded by {by}" + (f": {why}" if why else "")
        timeline.add(record, _millis(header_text(record, headers.DISCARDED_AT), record), what, sink.name, rank=3)
        return
    again = " again" if record.header(headers.REPLAYS) is not None else ""
    what = f"parked{again}: {header_text(record, headers.REASON)}: {header_text(record, headers.DETAIL)}"
    timeline.add(record, _millis(header_text(record, headers.PARKED_AT), record), what, sink.name, rank=2)


def _read_fence(timeline: Timeline, sink: SinkSpec) -> Fence | None:
    """The order's present fence; adds an entry for its end, as long as compaction has not removed the tombstone."""
    key, fence = timeline.order_id.encode(), None
    partition = timeline.own_partition(sink.parked_state)
    for record in () if partition is None else timeline.records(partition, lambda one: one.key == key):
        fence = fence_of(record)
        if record.value is None:
            timeline.add(record, record.timestamp_ms, "nothing of it is parked any more", sink.name, rank=4)
    if fence is not None:
        timeline.parked[sink.name] = fence
    return fence


def _millis(text: str | None, record: Record) -> int:
    try:
        return int(datetime.fromisoformat(text or "").timestamp() * 1000)
    except ValueError:
        return record.timestamp_ms
