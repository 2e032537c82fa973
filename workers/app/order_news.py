"""What vendors have told of an order since: its number there, and the changes that pollers have published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from workers.app.order_timeline import Timeline
from workers.app.topology import SinkSpec, Topology
from workers.core.record import Record

Words: TypeAlias = Callable[[Mapping[str, Any]], str]
"""Says what a change event tells, and nothing of the customer."""


def read_tracked(timeline: Timeline, sink: SinkSpec, number: int | None) -> set[str]:
    """The vendor's numbers of the order, for sinks that keep them; they lie in the order's own partition."""
    at = None if sink.tracks is None else timeline.partition(sink.tracks, timeline.order_id, number)
    numbers: set[str] = set()
    for record in () if at is None else timeline.records(at, lambda one: one.value is not None):
        tracked = timeline.decoded(record)
        if tracked.get("order_id") != timeline.order_id:
            continue
        name = str(tracked["order_number"])
        if tracked["canceled_at"] is not None:
            timeline.add(record, tracked["canceled_at"], f"canceled at the vendor as {name}", sink.name, rank=2)
        elif name not in numbers:
            timeline.add(record, tracked["since"], f"accepted by the vendor as {name}", sink.name, rank=2)
        numbers.add(name)
    return numbers


def read_changes(timeline: Timeline, topology: Topology, numbers: Iterable[str]) -> None:
    """Add what the pollers have seen at the vendors since; ``numbers``: the order's, here and there."""
    schemas, pollers = timeline.codec.codec.schemas, topology.pollers.values()
    for topic in sorted({topic for poller in pollers for topic in poller.publishes} & schemas.keys()):
        words = _WORDS.get(schemas[topic].today.name)
        vendors = {poller.vendor for poller in pollers if topic in poller.publishes}
        if words is not None:
            _read_topic(timeline, topic, {f"{vendor}:{number}" for vendor in vendors for number in numbers}, words)


def _read_topic(timeline: Timeline, topic: str, keys: set[str], words: Words) -> None:
    places = {timeline.partition(topic, key) for key in keys}
    wanted = {key.encode() for key in keys}
    for at in sorted(place for place in places if place is not None):
        for record in timeline.records(at, lambda one: one.key in wanted):
            content = timeline.decoded(record)
            if content:
                timeline.add(record, _when(content, record), words(content), str(content["vendor"]), rank=5)


def _stage_words(content: Mapping[str, Any]) -> str:
    before = content["previous"]
    came = f" (was {before['stage']})" if before else ""
    return f"stage {content['stage']}, {content['progress']}{came}"


def _step_words(content: Mapping[str, Any]) -> str:
    status = f", {content['order_status']}" if content["order_status"] else ""
    return f"event {content['event_type'] or content['courier_event_id']}{status}"


_WORDS: Final[dict[str, Words]] = {
    "OrderStageChanged": _stage_words,
    "CourierOrderEvent": _step_words,
}


def _when(content: Mapping[str, Any], record: Record) -> int:
    """When it happened at the vendor, as far as it says; else when it was seen."""
    for name in ("occurred_at", "vendor_modified_at", "observed_at"):
        if content.get(name) is not None:
            return int(content[name])
    return record.timestamp_ms
