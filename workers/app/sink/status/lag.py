"""A sink's lag: how far its commits are behind the ends of its partitions, and how old what it has fetched is."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from typing import Annotated, Final

from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.app.sink.status.waiting import WaitingParts
from workers.core.metrics import measured
from workers.core.record import Partition, Record

ENDS_OLD_AFTER_S: Final = 5.0  # they are asked every second or two


@dataclass(frozen=True, slots=True)
class SinkLag:
    """The lag at the moment it is asked."""

    lag_records: Annotated[int, measured("Records between the committed offsets and the ends of the partitions")]
    lag_known: Annotated[
        bool, measured("1 while the ends of all partitions are known; else relay_lag_records has no sample. Alert on 0")
    ]
    topic_lag_records: Annotated[Mapping[str, int], measured("The same, of each topic", label="topic")]
    topic_lag_seconds: Annotated[
        Mapping[str, float],
        measured("Age of each topic's oldest record that is fetched and unfinished; 0: there is none", label="topic"),
    ]
    stalled_seconds: Annotated[
        float, measured("Longest time for which a partition with lag has not moved its committed offset. Alert on it")
    ]
    oldest_unfinished_seconds: Annotated[
        float, measured("Age of the oldest record that is fetched and unfinished, in seconds; 0 when there is none")
    ]


def lag_of(context: SinkContext, parts: WaitingParts) -> SinkLag:
    topics, shards, now = context.spec.consumes, parts.ownership.shards, context.monotonic()
    records = Counter(dict.fromkeys(topics, 0))
    for shard in shards:
        for at in shard.ledgers:
            # The end may have been asked before the last commit.
            records[at.topic] += max(0, shard.ends.get(at, 0) - shard.committed_offset(at))
    ages = _topic_ages(context, parts)
    return SinkLag(
        lag_records=sum(records.values()),
        lag_known=_knows_ends(parts.ownership, topics, now),
        topic_lag_records=dict(records),
        topic_lag_seconds=ages,
        stalled_seconds=_stalled(shards, now),
        oldest_unfinished_seconds=max(ages.values(), default=0.0),
    )


def _knows_ends(ownership: Ownership, topics: Collection[str], now: float) -> bool:
    """Whether the end of each partition was asked a moment ago; that of one that has stopped is not asked."""
    shards = {Partition(topic, shard.number): shard for shard in ownership.shards for topic in topics}
    asked = [-inf if at in shard.stopped else shard.ends_at.get(at, -inf) for at, shard in shards.items()]
    return ownership.assignment is not None and now - min(asked, default=now) < ENDS_OLD_AFTER_S


def _stalled(shards: Iterable[Shard], now: float) -> float:
    """For how long the partition that has not moved longest has had lag; of one that has stopped no end is asked."""
    return max(
        (
            now - shard.moved_at[at]
            for shard in shards
            for at in shard.ledgers
            if at in shard.moved_at and at not in shard.stopped and shard.ends.get(at, 0) > shard.committed_offset(at)
        ),
        default=0.0,
    )


def _topic_ages(context: SinkContext, parts: WaitingParts) -> dict[str, float]:
    """Age in seconds of each topic's oldest record that is fetched and unfinished, by its own timestamp; 0: none."""
    now_ms = context.wall_ms()
    oldest_ms = dict.fromkeys(context.spec.consumes, now_ms)
    for record in _unfinished(parts):
        oldest_ms[record.topic] = min(oldest_ms[record.topic], record.timestamp_ms)
    return {topic: (now_ms - oldest) / 1000 for topic, oldest in oldest_ms.items()}


def _unfinished(parts: WaitingParts) -> Iterator[Record]:
    for lane in parts.lanes:
        yield from (entry.record for entry in lane.queue if not entry.replay)
    for shard in parts.ownership.shards:
        yield from (entry.record for entry in shard.writes.entries() if not entry.replay)
        yield from shard.merge.queued_records()
        if shard.next is not None:
            yield shard.next
