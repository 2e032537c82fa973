"""A sink's part of ``GET /status``."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from math import inf
from typing import Any, Final, Protocol

from workers.app.events.error_status import error_status
from workers.app.events.gate_status import gate_status
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.app.sink.stats import LaneCounts, SinkGauges, SinkStats
from workers.app.sink.tracked_orders import HalfMade, half_made
from workers.app.sink.waiting import WAITS_FOR, WaitingParts, waits_for
from workers.core.metrics import status_of
from workers.core.parked.fence import Fence
from workers.core.record import Partition, Record

ENDS_OLD_AFTER_S: Final = 5.0  # they are asked every second or two


class SinkParts(WaitingParts, Protocol):
    """The parts that have something to show (`workers.app.runtime.sink_pipe.SinkPipe`)."""

    @property
    def stats(self) -> SinkStats: ...


def sink_status(context: SinkContext, parts: SinkParts, *, is_draining: bool = False) -> dict[str, Any]:
    """Everything that an operator may want to know, as of now."""
    rows = _partitions(parts.ownership)
    begun = half_made(context, parts.ownership.shards, parts.lanes)
    parts.stats.errors.keep_partitions([at for shard in parts.ownership.shards for at in shard.stopped])
    return {
        "kind": "sink",
        "vendor": context.spec.vendor,
        "state": state_of(parts.ownership, is_draining=is_draining),
        "partitions": rows,
        **status_of(_gauges(context, parts, rows, begun)),
        "half_made_oldest_order": None if begun.oldest is None else begun.oldest.order_id,
        "gate": gate_status(parts.gate, context.monotonic(), context.wall_ms()),
        **status_of(parts.stats),
        **status_of(LaneCounts(parts.lanes.held, parts.lanes.held_s, parts.lanes.reordered)),
        "parked_total": parts.stats.parked.total(),
        **error_status(parts.stats.errors),
    }


def _gauges(context: SinkContext, parts: SinkParts, rows: list[dict[str, Any]], begun: HalfMade) -> SinkGauges:
    shards, spec, now_ms = parts.ownership.shards, context.spec, context.wall_ms()
    fences = [fence for shard in shards for fence in shard.fences.values()]
    records = sum(fence.records for fence in fences)
    ages = _topic_ages(context, parts)
    lags = Counter(dict.fromkeys(spec.consumes, 0))
    for row in rows:
        lags[row["topic"]] += 0 if row["end"] is None else row["end"] - row["committed"]
    return SinkGauges(
        lag_records=sum(lags.values()),
        lag_known=_knows_ends(parts.ownership, spec.consumes, context.monotonic()),
        topic_lag_records=dict(lags),
        topic_lag_seconds=ages,
        stalled_seconds=_stalled(shards, context.monotonic()),
        assigned_partitions=len(rows),
        oldest_unfinished_seconds=max(ages.values(), default=0.0),
        in_flight=parts.sender.in_flight,
        unfinished=sum(ledger.unfinished for shard in shards for ledger in shard.ledgers.values()),
        parked_orders=len(fences),
        parked_records=records,
        waiting_orders=_waiting_orders(parts),
        parked_orders_by_reason=Counter(fence.reason.value for fence in fences),
        parked_records_by_reason=_records_by_reason(fences),
        parked_oldest_seconds=max(((now_ms - fence.since_ms) / 1000 for fence in fences), default=0.0),
        half_made_orders=begun.orders,
        half_made_oldest_seconds=0.0 if begun.oldest is None else (now_ms - begun.oldest.since_ms) / 1000,
        half_made_life_seconds=begun.life_s,
        parked_full=int(records >= spec.max_parked),
        parked_full_orders=sum(fence.records >= spec.max_parked_per_order for fence in fences),
    )


def _waiting_orders(parts: WaitingParts) -> dict[str, int]:
    found = Counter(waits_for(lane, parts.gate) for lane in parts.lanes if lane.queue)
    return {reason: found[reason] for reason in WAITS_FOR}


def _records_by_reason(fences: Iterable[Fence]) -> Counter[str]:
    found: Counter[str] = Counter()
    for fence in fences:
        found[fence.reason.value] += fence.records
    return found


def state_of(ownership: Ownership, *, is_draining: bool) -> str:
    if is_draining:
        return "draining"
    return "running" if ownership.has_joined else "starting"


def _partitions(ownership: Ownership) -> list[dict[str, Any]]:
    rows = [
        {
            "topic": at.topic,
            "partition": at.number,
            "committed": shard.committed_offset(at),
            "end": shard.ends.get(at),
            "stopped": shard.stopped[at].reason if at in shard.stopped else None,
        }
        for shard in ownership.shards
        for at in shard.ledgers
    ]
    rows += [
        {"topic": at.topic, "partition": at.number, "committed": 0, "end": None, "stopped": stop.reason}
        for shard in ownership.shards
        for at, stop in shard.stopped.items()
        if at not in shard.ledgers
    ]
    return sorted(rows, key=lambda row: (row["topic"], row["partition"]))


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
