"""The way back in the demo: what changes at a vendor while it runs, and the events that tell it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from workers.app.config.overrides import variable_name
from workers.app.config.specs import PollerSpec
from workers.devkit import child
from workers.devkit.demo.parts import Part, Stage
from workers.devkit.simulators import shows, terms
from workers.devkit.simulators.ecourier_events import told_identity

_IMPATIENT = {("every",): "1s"}
_WINDOWS = {("settle_lag",): "2s"}
_WITHIN = 30.0  # seconds until the last change must be told
_TICK = 0.2
_USERNAME = "demo"

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """What one poller told, and what there was to tell."""

    name: str
    vendor: str
    events: Mapping[str, int]  # by topic
    orders: int
    wrong: int  # orders that were told otherwise than the vendor has them, not in full, or something of them twice

    @property
    def right(self) -> bool:
        return not self.wrong


def poller_variables(poller: PollerSpec, simulator: Part, secret: str) -> dict[str, str]:
    """Return what leads the poller to the simulator, in a hurry."""
    hurry = _IMPATIENT if poller.follows else _IMPATIENT | _WINDOWS
    account = {"USERNAME": _USERNAME, "PASSWORD": secret} if poller.follows is None else terms(poller.vendor).variables
    return {variable_name(poller.name, way): value for way, value in hurry.items()} | {
        f"{poller.credentials}_{name}": value for name, value in {"BASE_URL": simulator.url, **account}.items()
    }


def enliven(client: httpx.Client, vendor: str, simulator: Part) -> None:
    """Let orders move on at the vendor."""
    client.post(f"{simulator.control}/_sim/faults", json=dict(shows(vendor).lively)).raise_for_status()


def news_of(client: httpx.Client, stage: Stage, pollers: Sequence[tuple[PollerSpec, Part]]) -> tuple[News, ...]:
    """Let the vendors rest, wait until their last changes are told, and compare."""
    for _, simulator in pollers:
        client.post(f"{simulator.control}/_sim/faults", json={"changes": 0}).raise_for_status()
    orders = [client.get(f"{simulator.control}/_sim/orders").json() for _, simulator in pollers]
    deadline = time.monotonic() + _WITHIN
    with _read_along(stage, sorted({topic for poller, _ in pollers for topic in poller.publishes})) as files:
        while True:
            events = {topic: _events(file) for topic, file in files.items()}
            news = tuple(news_in(events, poller, there) for (poller, _), there in zip(pollers, orders, strict=True))
            if all(one.right for one in news) or time.monotonic() > deadline:
                return news
            time.sleep(_TICK)


@contextmanager
def _read_along(stage: Stage, topics: Sequence[str]) -> Iterator[dict[str, Path]]:
    """Read these topics as a user would, with ``relay tail``, each into a file."""
    files = {topic: stage.folder / f"tail-{topic}.jsonl" for topic in topics}
    reading = []
    for topic, path in files.items():
        with path.open("wb") as file:
            reading.append(stage.start(f"tail-{topic}", "tail", topic, "--from-beginning", stdout=file.fileno()))
    try:
        yield files
    finally:
        for process in reading:
            child.stop(process)


def _events(file: Path) -> list[Event]:
    whole, _, _ = file.read_bytes().rpartition(b"\n")  # the rest is still being written
    return [orjson.loads(line)["value"] for line in whole.splitlines()]


def news_in(events: Mapping[str, Sequence[Event]], poller: PollerSpec, orders: Mapping[str, Any]) -> News:
    """Compare what was told of these orders; the topics may hold older ones, too, and other vendors'."""
    told = {number: _Told([], []) for number in orders}
    counts = dict.fromkeys(poller.publishes, 0)
    for topic in poller.publishes:
        for event in events[topic]:
            if event["vendor"] == poller.vendor and event["order_number"] in told:
                counts[topic] += 1
                told[event["order_number"]].add(event)
    wrong = sum(not told[number].is_all_of(poller.vendor, order) for number, order in orders.items())
    return News(poller.name, poller.vendor, counts, len(orders), wrong)


@dataclass(frozen=True, slots=True)
class _Told:
    """The events of one order: partitions are read side by side, but an order's events lie in one, in sequence."""

    stages: list[Event]
    happenings: list[tuple[str, ...]]

    def add(self, event: Event) -> None:
        if "sequence" in event:
            self.stages.append(event)
        else:
            self.happenings.append(told_identity(event))

    def is_all_of(self, vendor: str, order: Mapping[str, Any]) -> bool:
        """Whether the last stage is the order's, no sequence has a gap, and each happening was told, once."""
        there = shows(vendor)
        return (
            bool(self.stages)
            and _stage(self.stages[-1]) == there.stage(order)
            and [event["sequence"] for event in self.stages] == list(range(1, len(self.stages) + 1))
            and sorted(self.happenings) == sorted(there.happenings(order))
        )


def _stage(event: Event) -> str:
    return str(event["stage"] if event["stage_code"] is None else event["stage_code"])
