"""A poller's part of ``GET /status``."""

from collections.abc import Iterable, Sequence
from typing import Any

from workers.app.events.error_status import error_status
from workers.app.events.gate_status import gate_status
from workers.app.poll.context import PollerContext, SetPolling
from workers.app.poll.per_order import OrderRounds
from workers.app.poll.set_status import (
    beat_seconds,
    behind_seconds,
    complete_ms,
    cursors,
    first_reading_seconds,
    gate_of,
    sets_status,
    totals,
)
from workers.app.poll.shard import PollShard
from workers.app.poll.stats import LookGauges, PollGauges
from workers.core.metrics import status_of
from workers.edges.avro.json_text import time_text


def poll_status(context: PollerContext, shards: Sequence[PollShard], state: str) -> dict[str, Any]:
    stats = totals(context.stats, shards)
    now_ms, skew_ms, sets = context.wall_ms(), stats.skew_ms, sets_status(shards)
    fresh_ms = _earliest(_complete_ms(shard) for shard in shards)
    under_way = context.in_flight + sum(one["in_flight"] for one in sets.values())
    gauges = PollGauges(
        behind_seconds=None if fresh_ms is None else (now_ms - fresh_ms) / 1000,
        set_behind_seconds=behind_seconds(shards, now_ms),
        set_beat_seconds=beat_seconds(shards),
        first_reading_seconds=first_reading_seconds(shards, now_ms),
        orders=sum(shard.state.row_count for shard in shards),
        in_flight=min(under_way, context.spec.max_in_flight),  # the others wait for their turn
        clock_skew_seconds=None if skew_ms is None else skew_ms / 1000,
    )
    return {
        "kind": "poller",
        "vendor": context.spec.vendor,
        "state": state,
        "shards": [_shard(shard) for shard in shards],
        "fresh_until": None if fresh_ms is None else time_text(fresh_ms),
        **status_of(gauges),
        **_looks([shard.orders for shard in shards if shard.orders is not None]),
        **({"sets": sets} if isinstance(context.polling, SetPolling) else {}),
        "gate": gate_status(gate_of(context.gate, shards), context.monotonic(), now_ms),
        **status_of(stats),
        **error_status(stats.errors),
    }


def _complete_ms(shard: PollShard) -> int | None:
    """Up to when all changes of the shard are published, by its cursor or by those of its sets; None: nothing tells."""
    if shard.sets is not None:
        return _earliest(complete_ms(cursor) for cursor in cursors([shard]).values())
    return None if shard.state.cursor is None else shard.state.cursor.at_ms or None


def _earliest(times: Iterable[int | None]) -> int | None:
    """None: one of them is not known, or there is none."""
    found = list(times)
    known = [one for one in found if one is not None]
    return min(known) if known and len(known) == len(found) else None


def _beat(shard: PollShard) -> int | None:
    """When the oldest of its cursors was written."""
    all_cursors = [shard.state.cursor] if shard.sets is None else cursors([shard]).values()
    return min((cursor.beat_ms for cursor in all_cursors if cursor is not None), default=None)


def _looks(rounds: Sequence[OrderRounds]) -> dict[str, Any]:
    if not rounds:
        return {}
    due = [one.due_and_late() for one in rounds]
    tracked = sum(one.tracked for one in rounds)
    return status_of(LookGauges(tracked, sum(one for one, _ in due), sum(late for _, late in due)))


def _shard(shard: PollShard) -> dict[str, Any]:
    fresh_ms, beat_ms = _complete_ms(shard), _beat(shard)
    tracked = {} if shard.orders is None else {"tracked_orders": shard.orders.tracked}
    return {
        "shard": shard.number,
        "loaded": shard.loaded,
        "orders": shard.state.row_count,
        **tracked,
        "fresh_until": None if fresh_ms is None else time_text(fresh_ms),
        "beat": None if beat_ms is None else time_text(beat_ms),
    }
