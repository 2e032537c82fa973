"""A sink's part of ``GET /status/waiting``: which orders wait, the oldest first, and what each waits for."""

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, assert_never, get_args

from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.sender import Sender
from workers.app.sink.shard import Shard
from workers.app.sink.tracked_orders import half_made_until
from workers.core.consume.lanes import Entry, Lane, Lanes, LaneState
from workers.core.delivery.gate import Gate
from workers.core.parked.fence import NO_KEY
from workers.core.record import Partition, Record
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.json_text import time_text
from workers.edges.avro.reader import Undecodable

MOST_ORDERS: Final = 1_000

WaitsFor: TypeAlias = Literal["publish_skew", "answer", "create", "gate", "retry", "turn"]
WAITS_FOR: Final[tuple[WaitsFor, ...]] = get_args(WaitsFor)
"""What a record at the head of its lane may wait for."""


class WaitingParts(Protocol):
    """The parts that keep records (`workers.app.runtime.sink_pipe.SinkPipe`)."""

    @property
    def ownership(self) -> Ownership: ...
    @property
    def lanes(self) -> Lanes: ...
    @property
    def gate(self) -> Gate: ...
    @property
    def sender(self) -> Sender: ...


class Cause(NamedTuple):
    """What a record waits for. Times are the worker's, in monotonic seconds."""

    waits_for: str  # a word for machines
    why: str
    since: float | None = None  # None: since the record was published
    until: float | None = None  # None: not known


class Waiting(NamedTuple):
    """A record that is fetched and has not ended."""

    order_id: str
    record: Record
    cause: Cause


def waiting_status(context: SinkContext, parts: WaitingParts, order_id: str | None = None) -> dict[str, Any]:
    """All orders with their first record, `MOST_ORDERS` at most; or each record of one order."""
    found = list(_waiting(context, parts))
    if order_id is None:
        shown, counts = _first_of_each(found)
        rows = [_row(context, parts, one, counts[one.order_id]) for one in nsmallest(MOST_ORDERS, shown, key=_age)]
        total = len(shown)
    else:
        ours = (one for one in found if one.order_id == order_id)
        rows = [_row(context, parts, one, 1) for one in sorted(ours, key=_age)]
        total = int(bool(rows))
    return {
        "total": total,
        "records": len(found),
        "not_fetched": _not_fetched(parts.ownership.shards),
        "stopped": [
            {"topic": at.topic, "partition": at.number, "reason": stop.reason}
            for shard in parts.ownership.shards
            for at, stop in shard.stopped.items()
        ],
        "orders": rows,
    }


def _age(one: Waiting) -> tuple[int, Partition, int]:
    return one.record.timestamp_ms, one.record.at, one.record.offset


def _first_of_each(found: Iterable[Waiting]) -> tuple[list[Waiting], dict[str, int]]:
    """The first record of each order, in the sequence in which they were found, and how many it has."""
    first: dict[str, Waiting] = {}
    counts: dict[str, int] = {}
    for one in found:
        first.setdefault(one.order_id, one)
        counts[one.order_id] = counts.get(one.order_id, 0) + 1
    return list(first.values()), counts


def _not_fetched(shards: Iterable[Shard]) -> int:
    """Records behind those that are fetched: which orders they are of is not known yet."""
    return sum(
        max(0, (shard.ends.get(at) or 0) - ledger.position) for shard in shards for at, ledger in shard.ledgers.items()
    )


def _row(context: SinkContext, parts: WaitingParts, one: Waiting, records: int) -> dict[str, Any]:
    record, cause = one.record, one.cause
    half_made_until_ms = half_made_until(context, parts.ownership.shards, one.order_id)
    return {
        "order_id": None if one.order_id in ("", NO_KEY) else one.order_id,
        "waits_for": cause.waits_for,
        "why": cause.why,
        "since": time_text(record.timestamp_ms),
        "why_since": _wall(context, cause.since),
        "until": _wall(context, cause.until),
        "half_made_until": None if half_made_until_ms is None else time_text(half_made_until_ms),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "records": records,
    }


def _wall(context: SinkContext, at: float | None) -> str | None:
    return None if at is None else str(time_text(context.wall_ms() + round((at - context.monotonic()) * 1000)))


def _waiting(context: SinkContext, parts: WaitingParts) -> Iterator[Waiting]:
    """An order's records in their sequence: what is being parked, what is in its lane, what the merge holds back."""
    for shard in parts.ownership.shards:
        yield from _being_parked(shard)
    for lane in parts.lanes:
        yield from _in_lane(context, parts, lane)
    for shard in parts.ownership.shards:
        yield from _in_merge(context, shard)


def _being_parked(shard: Shard) -> Iterator[Waiting]:
    until = shard.writes.blocked_until or None
    cause = Cause("parking", "its parked record is not written yet", None, until)
    for entry in shard.writes.entries():
        yield Waiting(entry.order_id, entry.record, cause)


def _in_lane(context: SinkContext, parts: WaitingParts, lane: Lane) -> Iterator[Waiting]:
    head: Entry | None = None
    for entry in lane.queue:
        if head is None:
            cause = _head_cause(context, parts, lane, entry)
        else:
            place = f"{head.record.at}@{head.record.offset}"
            cause = Cause("behind", f"behind {place}")
        yield Waiting(entry.order_id, entry.record, cause)
        head = entry


def waits_for(lane: Lane, gate: Gate) -> WaitsFor:
    """What the first record of a lane waits for."""
    match lane.state:
        case LaneState.HELD:
            return "publish_skew"
        case LaneState.BUSY:
            return "answer"
        case LaneState.WAITING if lane.queue[0].unknown_order_since is not None:
            return "create"
        case _ if not gate.is_open:
            return "gate"
        case LaneState.WAITING:
            return "retry"
        case _:
            return "turn"


def _head_cause(context: SinkContext, parts: WaitingParts, lane: Lane, head: Entry) -> Cause:
    gate, word = parts.gate, waits_for(lane, parts.gate)
    match word:
        case "publish_skew":
            return Cause(word, "its create may come after it", lane.held_since, lane.due)
        case "answer":
            return Cause(word, "it is being sent: no answer yet")
        case "create":
            since = head.unknown_order_since or 0.0
            why = "its create: the vendor does not know the order"
            return Cause(word, why, since, since + context.spec.unknown_order_wait)
        case "gate":
            reason = "" if gate.reason is None else f" ({gate.reason.value})"
            why = f"gate {gate.state.value}{reason}: {gate.detail}"
            return Cause(word, why, gate.shut_at, gate.until)
        case "retry":
            why = f"try {max(1, head.attempts)} failed" + (f": {head.fault}" if head.fault else "")
            return Cause(word, why, head.first_failed_at, lane.due)
        case "turn":
            return Cause(word, f"its turn: {parts.sender.in_flight} requests in flight")
        case _:
            assert_never(word)


def _in_merge(context: SinkContext, shard: Shard) -> Iterator[Waiting]:
    """In the sequence in which each topic's records were fetched."""
    cause = _merge_cause(shard)
    if shard.next is not None:
        yield Waiting(_order_id(context, shard.next), shard.next, cause)
    for record in shard.merge.queued_records():
        yield Waiting(_order_id(context, record), record, cause)


def _merge_cause(shard: Shard) -> Cause:
    """The records of a partition number go one by one: what holds up the first holds up all."""
    place = "" if shard.next is None else f"{shard.next.at}@{shard.next.offset}"
    if not shard.is_ready:
        return Cause("state", "the parked and tracked orders of its partition are being read")
    if shard.suspect is not None:
        return Cause("operator", f"{place}: {shard.suspect.reason}")
    if shard.next is not None:
        return Cause("schema", f"the schema of {place} is not known yet: the registry is asked")
    topics = ", ".join(shard.merge.awaited())
    return Cause(
        "other_topic", f"{topics}/{shard.number} must be read first" if topics else "its turn in its partition"
    )


def _order_id(context: SinkContext, record: Record) -> str:
    try:
        return context.codec.head(record.topic, record.value or b"", record.headers).order_id
    except (Undecodable, UnknownSchema):
        return (record.key or b"").decode("utf-8", "replace")
