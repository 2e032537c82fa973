"""A sink's part of ``GET /status``."""

from __future__ import annotations

from typing import Any

from workers.app.events.gate_status import gate_status
from workers.app.sink.state import SinkState


def sink_status(state: SinkState) -> dict[str, Any]:
    """All that an operator may want to know, as of now."""
    stats = state.stats
    return {
        "kind": "sink",
        "state": _state(state),
        "partitions": _partitions(state),
        "lag_records": sum(row["end"] - row["committed"] for row in _partitions(state) if row["end"] is not None),
        "oldest_unfinished_seconds": _oldest(state),
        "in_flight": state.in_flight,
        "unfinished": sum(ledger.unfinished for shard in state.shards.values() for ledger in shard.ledgers.values()),
        "gate": gate_status(state.gate, state.monotonic(), state.wall_ms()),
        "delivered_total": stats.delivered,
        "skipped_total": stats.skipped.total(),
        "parked_total": stats.parked.total(),
        "parked_by_reason": dict(stats.parked),
        **_parked(state),
        "notes": dict(stats.notes),
        "retries_total": stats.retries,
        "unknown_total": stats.unknown,
        "resends_total": stats.resends,
        "duplicates_avoided_total": stats.duplicates_avoided,
        "repeated_total": stats.repeated,
        "key_mismatches_total": stats.key_mismatches,
        "two_partitions_total": stats.two_partitions,
        "passed_unreachable_total": stats.passed_unreachable,
        "rebalances_total": stats.rebalances,
        "last_error": stats.last_error,
    }


def _parked(state: SinkState) -> dict[str, int]:
    """How much is parked, and whether that is more than should be: then somebody must look at it."""
    orders = [fence.records for shard in state.shards.values() for fence in shard.fences.values()]
    records = sum(orders)
    return {
        "parked_orders": len(orders),
        "parked_records": records,
        "parked_full": int(records >= state.spec.max_parked),
        "parked_full_orders": sum(parked >= state.spec.max_parked_per_order for parked in orders),
    }


def _state(state: SinkState) -> str:
    if state.draining:
        return "draining"
    return "starting" if state.assignment is None else "running"


def _partitions(state: SinkState) -> list[dict[str, Any]]:
    rows = [
        {
            "topic": at.topic,
            "partition": at.number,
            "committed": shard.committed.get(at, (ledger.start, ""))[0],
            "end": shard.ends.get(at),
            "stopped": shard.stopped[at].reason if at in shard.stopped else None,
        }
        for shard in state.shards.values()
        for at, ledger in shard.ledgers.items()
    ]
    begun = {at for shard in state.shards.values() for at in shard.ledgers}
    rows += [
        {"topic": at.topic, "partition": at.number, "committed": 0, "end": None, "stopped": stop.reason}
        for shard in state.shards.values()
        for at, stop in shard.stopped.items()
        if at not in begun
    ]
    return sorted(rows, key=lambda row: (row["topic"], row["partition"]))


def _oldest(state: SinkState) -> float:
    """Age of the oldest record that is in a lane, by its own timestamp; 0 when nothing is unfinished."""
    stamps = [lane.queue[0].record.timestamp_ms for lane in state.lanes if lane.queue]
    return max(0.0, (state.wall_ms() - min(stamps)) / 1000) if stamps else 0.0
