"""A sink's part of ``GET /status``."""

from collections.abc import Collection
from math import inf
from typing import Any, Final, Protocol

from workers.app.events.error_status import error_status
from workers.app.events.gate_status import gate_status
from workers.app.sink.assignment import Ownership
from workers.app.sink.context import SinkContext
from workers.app.sink.stats import LaneCounts, LoginCounts, RequestCounts, SinkGauges, SinkStats
from workers.app.sink.waiting import WaitingParts
from workers.core.consume.lanes import Lanes
from workers.core.metrics import status_of
from workers.core.record import Partition
from workers.edges.http.client import VendorClient

ENDS_OLD_AFTER_S: Final = 5.0  # they are asked every second


class SinkParts(WaitingParts, Protocol):
    """The parts that have something to show (`workers.app.runtime.sink_pipe.SinkPipe`)."""

    @property
    def stats(self) -> SinkStats: ...


def sink_status(context: SinkContext, parts: SinkParts, *, is_draining: bool = False) -> dict[str, Any]:
    """Everything that an operator may want to know, as of now."""
    rows = _partitions(parts.ownership)
    parts.stats.errors.keep_partitions([at for shard in parts.ownership.shards for at in shard.stopped])
    return {
        "kind": "sink",
        "state": _state(parts.ownership, is_draining=is_draining),
        "partitions": rows,
        **status_of(_gauges(context, parts, rows)),
        "gate": gate_status(parts.gate, context.monotonic(), context.wall_ms()),
        **status_of(parts.stats),
        **status_of(LaneCounts(parts.lanes.held, parts.lanes.held_s, parts.lanes.reordered)),
        "parked_total": parts.stats.parked.total(),
        **error_status(parts.stats.errors),
    }


def client_status(client: VendorClient) -> dict[str, Any]:
    """What the vendor's client adds."""
    logins = {} if client.session is None else status_of(LoginCounts(client.session.logins))
    return status_of(RequestCounts(client.look_ups, client.membership.held)) | logins


def _gauges(context: SinkContext, parts: SinkParts, rows: list[dict[str, Any]]) -> SinkGauges:
    shards, spec = parts.ownership.shards, context.spec
    parked = [fence.records for shard in shards for fence in shard.fences.values()]
    return SinkGauges(
        lag_records=sum(row["end"] - row["committed"] for row in rows if row["end"] is not None),
        lag_known=_knows_ends(parts.ownership, spec.consumes, context.monotonic()),
        oldest_unfinished_seconds=_oldest(context, parts.lanes),
        in_flight=parts.sender.in_flight,
        unfinished=sum(ledger.unfinished for shard in shards for ledger in shard.ledgers.values()),
        parked_orders=len(parked),
        parked_records=sum(parked),
        parked_full=int(sum(parked) >= spec.max_parked),
        parked_full_orders=sum(records >= spec.max_parked_per_order for records in parked),
    )


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


def _knows_ends(ownership: Ownership, topics: Collection[str], now: float) -> bool:
    """Whether the end of each partition was asked a moment ago; that of one that has stopped is not asked."""
    shards = {Partition(topic, shard.number): shard for shard in ownership.shards for topic in topics}
    asked = [-inf if at in shard.stopped else shard.ends_at.get(at, -inf) for at, shard in shards.items()]
    return ownership.assignment is not None and now - min(asked, default=now) < ENDS_OLD_AFTER_S


def _oldest(context: SinkContext, lanes: Lanes) -> float:
    """Age in seconds of the oldest record in a lane, by its own timestamp; 0 when nothing is unfinished."""
    stamps = [lane.queue[0].record.timestamp_ms for lane in lanes if lane.queue]
    return max(0.0, (context.wall_ms() - min(stamps)) / 1000) if stamps else 0.0
