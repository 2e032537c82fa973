"""A poller's part of ``GET /status``."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from workers.app.events.gate_status import gate_status
from workers.app.poll.context import PollerContext
from workers.app.poll.shard import PollShard
from workers.edges.avro.json_text import time_text


def poll_status(context: PollerContext, shards: Collection[PollShard], state: str) -> dict[str, Any]:
    """The present figures of all shards of this process."""
    stats, now_ms = context.stats, context.wall_ms()
    rounds = [shard.orders for shard in shards if shard.orders is not None]
    due = [one.due_and_late() for one in rounds]
    cursors = [shard.state.cursor.at_ms for shard in shards if shard.state.cursor is not None]
    fresh_ms = (min(cursors) or None) if cursors and len(cursors) == len(shards) else None
    return {
        "kind": "poller",
        "state": state,
        "shards": [_shard(shard) for shard in shards],
        "fresh_until": None if fresh_ms is None else time_text(fresh_ms),
        "behind_seconds": None if fresh_ms is None else (now_ms - fresh_ms) / 1000,
        "orders": sum(len(shard.state.orders) for shard in shards),
        **({"tracked_orders": sum(one.tracked for one in rounds)} if rounds else {}),
        **({"due_looks": sum(one for one, _ in due), "late_looks": sum(late for _, late in due)} if rounds else {}),
        "in_flight": context.in_flight,
        "gate": gate_status(context.gate, context.monotonic(), now_ms),
        "clock_skew_seconds": None if stats.skew_ms is None else stats.skew_ms / 1000,
        "polls_total": stats.polls,
        "events_total": stats.events,
        "late_found_total": stats.late_found,
        "failures_total": stats.failures,
        "taken_over_total": stats.taken_over,
        "rebalances_total": stats.rebalances,
        "notes": dict(stats.notes),
        "last_error": stats.last_error,
    }


def _shard(shard: PollShard) -> dict[str, Any]:
    cursor = shard.state.cursor
    tracked = {} if shard.orders is None else {"tracked_orders": shard.orders.tracked}
    return {
        "shard": shard.number,
        "loaded": shard.loaded,
        "orders": len(shard.state.orders),
        **tracked,
        "fresh_until": None if cursor is None or not cursor.at_ms else time_text(cursor.at_ms),
        "beat": None if cursor is None else time_text(cursor.beat_ms),
    }
