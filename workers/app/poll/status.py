"""A poller's part of ``GET /status``."""

from collections.abc import Collection, Sequence
from typing import Any

from workers.app.events.error_status import error_status
from workers.app.events.gate_status import gate_status
from workers.app.poll.context import PollerContext
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.shard import PollShard
from workers.app.poll.stats import LookGauges, PollGauges
from workers.core.metrics import status_of
from workers.edges.avro.json_text import time_text


def poll_status(context: PollerContext, shards: Collection[PollShard], state: str) -> dict[str, Any]:
    now_ms, skew_ms = context.wall_ms(), context.stats.skew_ms
    cursors = [shard.state.cursor.at_ms for shard in shards if shard.state.cursor is not None]
    fresh_ms = (min(cursors) or None) if cursors and len(cursors) == len(shards) else None
    gauges = PollGauges(
        behind_seconds=None if fresh_ms is None else (now_ms - fresh_ms) / 1000,
        orders=sum(len(shard.state.orders) for shard in shards),
        in_flight=context.in_flight,
        clock_skew_seconds=None if skew_ms is None else skew_ms / 1000,
    )
    return {
        "kind": "poller",
        "state": state,
        "shards": [_shard(shard) for shard in shards],
        "fresh_until": None if fresh_ms is None else time_text(fresh_ms),
        **status_of(gauges),
        **_looks([shard.orders for shard in shards if shard.orders is not None]),
        "gate": gate_status(context.gate, context.monotonic(), now_ms),
        **status_of(context.stats),
        **error_status(context.stats.errors),
    }


def _looks(rounds: Sequence[OrderRounds]) -> dict[str, Any]:
    if not rounds:
        return {}
    due = [one.due_and_late() for one in rounds]
    tracked = sum(one.tracked for one in rounds)
    return status_of(LookGauges(tracked, sum(one for one, _ in due), sum(late for _, late in due)))


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
