"""The pollers in the demo: orders change at the simulated vendors, and each change must be published once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import orjson

from workers.app.config.overrides import variable_name
from workers.app.config.specs import PollerSpec
from workers.devkit import child
from workers.devkit.demo.processes import ProcessGroup, Server
from workers.devkit.simulators import poller_side, sink_side
from workers.devkit.simulators.ecourier_events import event_identity

_EVERY_POLLER: Final = {("every",): "1s"}  # so that a change is published at once
_TIME_RANGE_POLLER: Final = {("settle_lag",): "2s"}
_PUBLISHED_WITHIN_S: Final = 30.0  # the last change
_POLL_INTERVAL_S: Final = 0.2
_USERNAME: Final = "demo"

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


def poller_variables(poller: PollerSpec, simulator: Server, secret: str) -> dict[str, str]:
    """Return the environment variables that lead the poller to the simulator, with short intervals."""
    intervals = _EVERY_POLLER if poller.follows else _EVERY_POLLER | _TIME_RANGE_POLLER
    account = sink_side(poller.vendor).variables if poller.follows else {"USERNAME": _USERNAME, "PASSWORD": secret}
    return {variable_name(poller.name, way): value for way, value in intervals.items()} | {
        f"{poller.credentials}_{name}": value for name, value in {"BASE_URL": simulator.url, **account}.items()
    }


def start_changes(client: httpx.Client, vendor: str, simulator: Server) -> None:
    """Let the vendor's orders change by themselves."""
    faults = dict(poller_side(vendor).busy_faults)
    client.post(f"{simulator.control}/_sim/faults", json=faults).raise_for_status()


def poller_reports(
    client: httpx.Client, processes: ProcessGroup, pollers: Sequence[tuple[PollerSpec, Server]]
) -> tuple[PollerReport, ...]:
    """Stop the changes at the vendors, wait until the last one is published, and compare."""
    for _, simulator in pollers:
        client.post(f"{simulator.control}/_sim/faults", json={"changes": 0}).raise_for_status()
    orders = [client.get(f"{simulator.control}/_sim/orders").json() for _, simulator in pollers]
    deadline = time.monotonic() + _PUBLISHED_WITHIN_S
    with _tail(processes, sorted({topic for poller, _ in pollers for topic in poller.publishes})) as files:
        while True:
            events = {topic: _events(file) for topic, file in files.items()}
            reports = tuple(
                compare_events(events, poller, theirs) for (poller, _), theirs in zip(pollers, orders, strict=True)
            )
            if all(report.right for report in reports) or time.monotonic() > deadline:
                return reports
            time.sleep(_POLL_INTERVAL_S)


@contextmanager
def _tail(processes: ProcessGroup, topics: Sequence[str]) -> Iterator[dict[str, Path]]:
    """Read these topics as a user would, with ``relay tail``, each into a file."""
    files = {topic: processes.folder / f"tail-{topic}.jsonl" for topic in topics}
    readers = []
    for topic, path in files.items():
        with path.open("wb") as file:
            arguments = ("tail", topic, "--from-beginning")
            readers.append(processes.start(f"tail-{topic}", *arguments, stdout=file.fileno()))
    try:
        yield files
    finally:
        for reader in readers:
            child.stop(reader)


def _events(file: Path) -> list[Event]:
    whole, _, _ = file.read_bytes().rpartition(b"\n")  # a line without its end is still being written
    return [orjson.loads(line)["value"] for line in whole.splitlines()]


def compare_events(
    events: Mapping[str, Sequence[Event]], poller: PollerSpec, orders: Mapping[str, Any]
) -> PollerReport:
    """Compare the events with the vendor's orders; a topic may hold older orders' and other vendors' events, too."""
    published = {number: _PublishedEvents([], []) for number in orders}
    counts = dict.fromkeys(poller.publishes, 0)
    for topic in poller.publishes:
        for event in events[topic]:
            if event["vendor"] == poller.vendor and event["order_number"] in published:
                counts[topic] += 1
                published[event["order_number"]].add(event)
    wrong = sum(not published[number].match(poller.vendor, order) for number, order in orders.items())
    return PollerReport(poller.name, poller.vendor, counts, len(orders), wrong)


@dataclass(frozen=True, slots=True)
class _PublishedEvents:
    """The events of one order, in sequence: they lie in one partition."""

    stages: list[Event]
    vendor_events: list[tuple[str, ...]]

    def add(self, event: Event) -> None:
        if "sequence" in event:
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
