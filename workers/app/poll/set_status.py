"""The sets' part of a poller's ``GET /status``: each with its beat, its gate, its failures; and what they add up to."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from workers.app.events.error_status import error_status
from workers.app.events.gate_status import gate_status
from workers.app.poll.set_rounds import SetRound
from workers.app.poll.shard import PollShard
from workers.app.poll.stats import PollStats
from workers.core.delivery.gate import Gate
from workers.core.last_errors import LastErrors
from workers.core.metrics import status_of
from workers.core.poll.cursor import Cursor
from workers.edges.avro.json_text import time_text


def sets_status(shards: Sequence[PollShard]) -> dict[str, Any]:
    """By the set's name; a set is read in one shard."""
    return {one.vendor_set.name: _set(shard, one) for shard, one in _rounds(shards)}


def complete_ms(cursor: Cursor | None) -> int | None:
    """Up to when all changes of a set are published; None: it was never read as a whole, so that nothing tells."""
    return None if cursor is None or cursor.open_from_ms is not None else cursor.at_ms


def cursors(shards: Sequence[PollShard]) -> dict[str, Cursor | None]:
    """By the name of each set that the account may list."""
    allowed = [(shard, one) for shard, one in _rounds(shards) if not one.is_forbidden]
    return {one.vendor_set.name: shard.state.sets[one.vendor_set.name].cursor for shard, one in allowed}


def behind_seconds(shards: Sequence[PollShard], now_ms: int) -> dict[str, float]:
    """How long ago each set was complete; without those that never were."""
    complete = {name: complete_ms(cursor) for name, cursor in cursors(shards).items()}
    return {name: (now_ms - at_ms) / 1000 for name, at_ms in complete.items() if at_ms is not None}


def first_reading_seconds(shards: Sequence[PollShard], now_ms: int) -> float | None:
    """How long ago the first reading began that has not ended yet; None: each set has been read as a whole."""
    under_way = [one for one in cursors(shards).values() if one is not None and complete_ms(one) is None]
    return max(((now_ms - one.snapshot_until_ms) / 1000 for one in under_way), default=None)


def beat_seconds(shards: Sequence[PollShard]) -> dict[str, float]:
    """How often each set is read: so old it is, at most, when all is well."""
    return {one.vendor_set.name: _beat_s(one) for _, one in _rounds(shards)}


def totals(own: PollStats, shards: Sequence[PollShard]) -> PollStats:
    """The worker's counters with those of its sets, whose events it counts itself."""
    parts = [one.context.stats for _, one in _rounds(shards)]
    skews = [one.skew_ms for one in parts if one.skew_ms is not None]
    return replace(
        own,
        polls=own.polls + sum(one.polls for one in parts),
        late_found=own.late_found + sum(one.late_found for one in parts),
        failures=own.failures + sum(one.failures for one in parts),
        notes=sum((one.notes for one in parts), Counter(own.notes)),
        skew_ms=skews[0] if skews else own.skew_ms,
        errors=_errors(own.errors, shards),
    )


def gate_of(own: Gate, shards: Sequence[PollShard]) -> Gate:
    """The vendor's gate is shut when those of all sets are: a set alone may be out of order. Then the gravest is it."""
    gates = [one.context.gate for _, one in _rounds(shards)] or [own]
    return next((gate for gate in gates if gate.is_open), max(gates, key=lambda gate: gate.gravity))


def _errors(own: LastErrors, shards: Sequence[PollShard]) -> LastErrors:
    """The newest error of each set, with its name."""
    found = LastErrors()
    named = [("", own), *((f"{one.vendor_set.name}: ", one.context.stats.errors) for _, one in _rounds(shards))]
    for prefix, errors in named:
        if errors.last is not None:
            found.put(prefix, f"{prefix}{errors.last.text}", errors.last.at_ms)
    return found


def _beat_s(one: SetRound) -> float:
    return round(max(one.every_s, one.beat_s), 3)


def _set(shard: PollShard, one: SetRound) -> dict[str, Any]:
    context, state = one.context, shard.state.sets[one.vendor_set.name]
    now_ms, fresh_ms = context.wall_ms(), None if one.is_forbidden else complete_ms(state.cursor)
    wait_s = max(0.0, one.due_s - context.monotonic())
    return {
        "rows": len(state.rows),
        "every_seconds": one.every_s,
        "beat_seconds": _beat_s(one),
        "next_in_seconds": round(wait_s, 1),
        "took_seconds": round(one.took_s, 3),
        "complete": fresh_ms is not None,
        "fresh_until": None if fresh_ms is None else time_text(fresh_ms),
        "behind_seconds": None if fresh_ms is None else (now_ms - fresh_ms) / 1000,
        "in_flight": context.in_flight,
        "gate": gate_status(context.gate, context.monotonic(), now_ms),
        **{key: value for key, value in status_of(context.stats).items() if key in _COUNTED},
        **error_status(context.stats.errors),
    }


_COUNTED = frozenset({"polls_total", "events_total", "late_found_total", "failures_total", "notes"})


def _rounds(shards: Sequence[PollShard]) -> Iterator[tuple[PollShard, SetRound]]:
    for shard in shards:
        if shard.sets is not None:
            yield from ((shard, one) for one in shard.sets.rounds)
