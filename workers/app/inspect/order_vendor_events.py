"""What vendors have told of an order since: its number there, and the changes that pollers have published."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.inspect.order_timeline import Timeline
from workers.core.event_kinds import Summary, kind_of
from workers.core.record import Record
from workers.vendors.contract import load


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


def read_changes(timeline: Timeline, config: Config, tracked: Mapping[str, AbstractSet[str]]) -> None:
    """Add what the pollers have seen at the vendors since; ``tracked``: its numbers there, as sinks keep them."""
    schemas, pollers = timeline.codec.codec.schemas, config.pollers.values()
    numbers = {
        poller.vendor: numbers_at(poller.vendor, config, timeline.order_id) | tracked.get(poller.vendor, set())
        for poller in pollers
    }
    for topic in sorted({topic for poller in pollers for topic in poller.publishes} & schemas.keys()):
        kind = kind_of(schemas[topic].today.name)
        vendors = {poller.vendor for poller in pollers if topic in poller.publishes}
        if kind.summary is not None:
            _read_topic(timeline, topic, {vendor: numbers[vendor] for vendor in vendors}, kind.summary)


def numbers_at(vendor: str, config: Config, order_id: str) -> set[str]:
    """The order's numbers at a vendor, as its workers' configuration tells them; none: only the events tell."""
    number_by = load(vendor).order_number
    workers: list[SinkSpec | PollerSpec] = [*config.sinks.values(), *config.pollers.values()]
    options = [worker.options for worker in workers if worker.vendor == vendor]
    return set(filter(None, (number_by(one, order_id) for one in options))) if number_by else set()


def _read_topic(timeline: Timeline, topic: str, numbers: Mapping[str, AbstractSet[str]], summary: Summary) -> None:
    """Read the partitions of the keys; where a vendor's are not known, all of them."""
    keys = {f"{vendor}:{number}" for vendor, ours in numbers.items() for number in ours}
    sought = tuple(f"{vendor}:".encode() for vendor, ours in numbers.items() if not ours)
    wanted, name = {key.encode() for key in keys}, timeline.order_id.encode()

    def may_tell(record: Record) -> bool:
        key, value = record.key or b"", record.value or b""
        return key in wanted or (bool(sought) and key.startswith(sought) and name in value)

    places = {timeline.partition(topic, key) for key in keys}
    for at in timeline.reader.partitions(topic) if sought else sorted(place for place in places if place is not None):
        for record in timeline.records(at, may_tell):
            content = timeline.decoded(record)
            if content and (record.key in wanted or content.get("order_id") == timeline.order_id):
                timeline.add(record, _when(content, record), summary(content), str(content["vendor"]), rank=5)


def _when(content: Mapping[str, Any], record: Record) -> int:
    """When it happened at the vendor, as far as it says; else when it was seen."""
    for name in ("occurred_at", "vendor_modified_at", "observed_at"):
        if content.get(name) is not None:
            return int(content[name])
    return record.timestamp_ms
