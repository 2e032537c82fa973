"""A sink's part of ``GET /status``."""

from __future__ import annotations

from typing import Any, Protocol

from workers.app.events.gate_status import gate_status
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.sender import Sender
from workers.app.sink.stats import SinkStats
from workers.core.consume.lanes import Lanes
from workers.core.delivery.gate import Gate


class SinkParts(Protocol):
    """The parts that have something to show (`workers.app.runtime.sink_pipe.SinkPipe`)."""

    @property
    def ownership(self) -> Ownership: ...
    @property
    def lanes(self) -> Lanes: ...
    @property
    def gate(self) -> Gate: ...
    @property
    def sender(self) -> Sender: ...
    @property
    def stats(self) -> SinkStats: ...


def sink_status(context: SinkContext, parts: SinkParts, *, is_draining: bool = False) -> dict[str, Any]:
    """All that an operator may want to know, as of now."""
    stats, ownership = parts.stats, parts.ownership
    rows = _partitions(ownership)
    return {
        "kind": "sink",
        "state": _state(ownership, is_draining=is_draining),
        "partitions": rows,
        "lag_records": sum(row["end"] - row["committed"] for row in rows if row["end"] is not None),
        "oldest_unfinished_seconds": _oldest(context, parts.lanes),
        "in_flight": parts.sender.in_flight,
        "unfinished": sum(ledger.unfinished for shard in ownership.shards for ledger in shard.ledgers.values()),
        "gate": gate_status(parts.gate, context.monotonic(), context.wall_ms()),
        "delivered_total": stats.delivered,
        "skipped_total": stats.skipped.total(),
        "parked_total": stats.parked.total(),
        "parked_by_reason": dict(stats.parked),
        **_parked(context, ownership),
        "notes": dict(stats.notes),
        "retries_total": stats.retries,
        "unknown_total": stats.unknown,
        "resends_total": stats.resends,
        "duplicates_avoided_total": stats.duplicates_avoided,
        "repeated_total": stats.repeated,
        "key_mismatches_total": stats.key_mismatches,
        "two_partitions_total": stats.two_partitions,
        "passed_unreachable_total": stats.passed_unreachable,
        "metadata_ignored_total": stats.metadata_ignored,
        "rebalances_total": stats.rebalances,
        "last_error": stats.last_error,
    }


def _parked(context: SinkContext, ownership: Ownership) -> dict[str, int]:
    """How much is parked, and whether that is so much that an operator must look at it."""
    orders = [fence.records for shard in ownership.shards for fence in shard.fences.values()]
    records = sum(orders)
    return {
        "parked_orders": len(orders),
        "parked_records": records,
        "parked_full": int(records >= context.spec.max_parked),
        "parked_full_orders": sum(parked >= context.spec.max_parked_per_order for parked in orders),
    }


def _state(ownership: Ownership, *, is_draining: bool) -> str:
    if is_draining:
        return "draining"
    return "starting" if ownership.assignment is None else "running"


def _partitions(ownership: Ownership) -> list[dict[str, Any]]:
    rows = [
        {
            "topic": at.topic,
            "partition": at.number,
            "committed": shard.committed[at].offset if at in shard.committed else ledger.start,
            "end": shard.ends.get(at),
            "stopped": shard.stopped[at].reason if at in shard.stopped else None,
        }
        for shard in ownership.shards
        for at, ledger in shard.ledgers.items()
    ]
    rows += [
        {"topic": at.topic, "partition": at.number, "committed": 0, "end": None, "stopped": stop.reason}
        for shard in ownership.shards
        for at, stop in shard.stopped.items()
        if at not in shard.ledgers
    ]
    return sorted(rows, key=lambda row: (row["topic"], row["partition"]))


def _oldest(context: SinkContext, lanes: Lanes) -> float:
    """Age in seconds of the oldest record in a lane, by its own timestamp; 0 when nothing is unfinished."""
    stamps = [lane.queue[0].record.timestamp_ms for lane in lanes if lane.queue]
    return max(0.0, (context.wall_ms() - min(stamps)) / 1000) if stamps else 0.0
