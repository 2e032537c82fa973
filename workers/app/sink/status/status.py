"""A sink's part of ``GET /status``."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Protocol

from workers.app.events.error_status import error_status
from workers.app.events.gate_status import gate_status
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.stats import LaneCounts, SinkGauges, SinkStats
from workers.app.sink.status.lag import lag_of
from workers.app.sink.status.waiting import WAITS_FOR, WaitingParts, waits_for
from workers.app.sink.tracked_orders import HalfMade, half_made
from workers.core.metrics import status_of
from workers.core.parked.fence import Fence


class SinkParts(WaitingParts, Protocol):
    """The parts that have something to show (`workers.app.runtime.sink_pipe.SinkPipe`)."""

    @property
    def stats(self) -> SinkStats: ...


def sink_status(context: SinkContext, parts: SinkParts, *, is_draining: bool = False) -> dict[str, Any]:
    """Everything that an operator may want to know, as of now."""
    rows = _partitions(parts.ownership)
    begun = half_made(context, parts.ownership.shards, parts.lanes)
    shards = parts.ownership.shards
    parts.stats.errors.keep([at for shard in shards for at in shard.stopped], [shard.number for shard in shards])
    return {
        "kind": "sink",
        "vendor": context.spec.vendor,
        "state": state_of(parts.ownership, is_draining=is_draining),
        "partitions": rows,
        **status_of(lag_of(context, parts)),
        **status_of(_gauges(context, parts, len(rows), begun)),
        "half_made_oldest_order": None if begun.oldest is None else begun.oldest.order_id,
        "gate": gate_status(parts.gate, context.monotonic(), context.wall_ms()),
        **status_of(parts.stats),
        **status_of(LaneCounts(parts.lanes.held, parts.lanes.held_s, parts.lanes.reordered)),
        "parked_total": parts.stats.parked.total(),
        **error_status(parts.stats.errors),
    }


def _gauges(context: SinkContext, parts: SinkParts, assigned_partitions: int, begun: HalfMade) -> SinkGauges:
    shards, spec, now_ms = parts.ownership.shards, context.spec, context.wall_ms()
    fences = [fence for shard in shards for fence in shard.fences.values()]
    records = sum(fence.records for fence in fences)
    return SinkGauges(
        assigned_partitions=assigned_partitions,
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
