"""The pollers in the demo: orders change at the simulated vendors, and each change must be published once."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import httpx

from workers.app.config.configuration import Configuration
from workers.app.config.overrides import variable_name
from workers.app.config.specs import PollerSpec
from workers.devkit.demo.processes import Server, budget_variables
from workers.devkit.demo.records import follow
from workers.devkit.simulators import poller_side
from workers.devkit.simulators.ecourier_events import event_identity

_EVERY: Final = "1s"  # so that a change is published at once
_SETTLE_LAG: Final[Mapping[tuple[str, ...], str]] = {("settle_lag",): "2s"}
_PUBLISHED_WITHIN_S: Final = 90.0  # the last change; E2CC answers one request at a time

Event: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PollerReport:
    """What one poller published, compared with its vendor."""

    name: str
    vendor: str
    events: Mapping[str, int]  # by topic
    orders: int
    wrong: int  # orders whose events are incomplete, doubled, or end in another stage than the vendor's

    @property
    def right(self) -> bool:
        return not self.wrong


def poller_variables(poller: PollerSpec, simulator: Server) -> dict[str, str]:
    """Return the environment variables that lead the poller to the simulator, with short intervals."""
    account = {"BASE_URL": simulator.url, **poller_side(poller.vendor).variables}
    intervals = {variable_name(poller.name, way): value for way, value in _short_intervals(poller).items()}
    return (
        intervals
        | budget_variables(poller)
        | {f"{poller.credentials}_{name}": value for name, value in account.items()}
    )


def _short_intervals(poller: PollerSpec) -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {} if poller.follows else dict(_SETTLE_LAG)
    return found | ({("sets", name, "every"): _EVERY for name in poller.sets} if poller.sets else {("every",): _EVERY})


def start_changes(client: httpx.Client, vendor: str, simulator: Server) -> None:
    """Let the vendor's orders change by themselves."""
    faults = dict(poller_side(vendor).busy_faults)
    client.post(f"{simulator.control}/_sim/faults", json=faults).raise_for_status()


def poller_reports(
    client: httpx.Client, configuration: Configuration, pollers: Sequence[tuple[PollerSpec, Server]]
) -> tuple[PollerReport, ...]:
    """Stop the changes at the vendors, wait until the last one is published, and compare; raises `KafkaFailed`."""
    for _, simulator in pollers:
        client.post(f"{simulator.control}/_sim/faults", json={"changes": 0}).raise_for_status()
    orders = [client.get(f"{simulator.control}/_sim/orders").json() for _, simulator in pollers]
    deadline = time.monotonic() + _PUBLISHED_WITHIN_S
    topics = sorted({topic for poller, _ in pollers for topic in poller.publishes})
    reports: tuple[PollerReport, ...] = ()
    with closing(follow(configuration, topics)) as readings:
        for records in readings:
            events = {topic: [record["value"] for record in found] for topic, found in records.items()}
            reports = tuple(
                compare_events(events, poller, theirs) for (poller, _), theirs in zip(pollers, orders, strict=True)
            )
            if all(report.right for report in reports) or time.monotonic() > deadline:
                break
    return reports


def compare_events(
    events: Mapping[str, Sequence[Event]], poller: PollerSpec, orders: Mapping[str, Any]
) -> PollerReport:
    """Compare the events with the vendor's orders; a topic may hold older orders' and other vendors' events, too.

    Of items that are no orders (invoices, stock), the sequence of their events must have no gap.
    """
    published = {number: _PublishedEvents([], []) for number in orders}
    items: defaultdict[str, list[int]] = defaultdict(list)
    counts = dict.fromkeys(poller.publishes, 0)
    for topic in poller.publishes:
        for event in (one for one in events[topic] if one["vendor"] == poller.vendor):
            if not _is_of_order(event):
                counts[topic] += 1
                items[event["event_id"].rsplit(":", 2)[0]].append(event["sequence"])
            elif event["order_number"] in published:
                counts[topic] += 1
                published[event["order_number"]].add(event)
    wrong = sum(not published[number].match(poller.vendor, order) for number, order in orders.items())
    wrong += sum(sequence != list(range(1, len(sequence) + 1)) for sequence in items.values())
    return PollerReport(poller.name, poller.vendor, counts, len(orders), wrong)


def _is_of_order(event: Event) -> bool:
    """Whether it is a stage of an order, or a courier's event of one."""
    return "progress" in event or "courier_event_id" in event


@dataclass(frozen=True, slots=True)
class _PublishedEvents:
    """The events of one order, in sequence: they lie in one partition."""

    stages: list[Event]
    vendor_events: list[tuple[str, ...]]

    def add(self, event: Event) -> None:
        if "progress" in event:
            self.stages.append(event)
        else:
            self.vendor_events.append(event_identity(event))

    def match(self, vendor: str, order: Mapping[str, Any]) -> bool:
        """Whether the last stage is the order's, the sequence has no gap, and each vendor event was published once."""
        expected = poller_side(vendor)
        return (
            bool(self.stages)
            and _stage(self.stages[-1]) == expected.stage(order)
            and [event["sequence"] for event in self.stages] == list(range(1, len(self.stages) + 1))
            and sorted(self.vendor_events) == sorted(expected.event_ids(order))
        )


def _stage(event: Event) -> str:
    return str(event["stage"] if event["stage_code"] is None else event["stage_code"])
