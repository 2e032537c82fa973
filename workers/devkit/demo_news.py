"""The way back in the demo: what changes at a vendor while it runs, and the events that tell it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from workers.app.topology import PollerSpec
from workers.devkit.demo_parts import Part, Stage

_IMPATIENT = {"EVERY": "1s", "SETTLE_LAG": "2s"}
_LIVELY = {"changes": 3}  # orders that move on at the vendor in a second
_WITHIN = 30.0  # seconds until the last change must be told
_TICK = 0.2
_USERNAME = "demo"


@dataclass(frozen=True, slots=True)
class News:
    """What one poller told, and what there was to tell."""

    name: str
    vendor: str
    topic: str
    events: int
    orders: int
    wrong: int  # orders whose last event is not what the vendor has, or whose sequence has a gap

    @property
    def right(self) -> bool:
        return not self.wrong


def poller_variables(poller: PollerSpec, simulator: Part, secret: str) -> dict[str, str]:
    """Return what leads the poller to the simulator, in a hurry."""
    own = f"RELAY__{poller.name.upper().replace('-', '_')}__"
    account = {"BASE_URL": simulator.url, "USERNAME": _USERNAME, "PASSWORD": secret}
    return {f"{own}{key}": value for key, value in _IMPATIENT.items()} | {
        f"{poller.credentials}_{name}": value for name, value in account.items()
    }


def enliven(client: httpx.Client, simulator: Part) -> None:
    """Let orders move on at the vendor."""
    client.post(f"{simulator.control}/_sim/faults", json=_LIVELY).raise_for_status()


def news_of(client: httpx.Client, stage: Stage, poller: PollerSpec, simulator: Part, workers: Part) -> News:
    """Let the vendor rest, wait until its last change is told, and compare; raises what `Stage.run` raises."""
    client.post(f"{simulator.control}/_sim/faults", json={"changes": 0}).raise_for_status()
    orders: dict[str, Any] = client.get(f"{simulator.control}/_sim/orders").json()
    deadline = time.monotonic() + _WITHIN
    while True:
        events = _events(client, stage, poller, workers)
        wrong = _wrong(orders, events)
        if not wrong or time.monotonic() > deadline:
            topic = poller.publishes[0]
            return News(poller.name, poller.vendor, topic, sum(map(len, events.values())), len(orders), wrong)
        time.sleep(_TICK)


def _events(
    client: httpx.Client, stage: Stage, poller: PollerSpec, workers: Part
) -> dict[str, list[Mapping[str, Any]]]:
    """Every event that is in Kafka, by order number."""
    status = client.get(f"{workers.control}/status").json()["workers"][poller.name]
    found: dict[str, list[Mapping[str, Any]]] = {}
    if status["events_total"]:
        most = str(status["events_total"])
        lines = stage.run("tail", "tail", poller.publishes[0], "--from-beginning", "--max", most).splitlines()
        for line in lines:
            event = orjson.loads(line)["value"]
            found.setdefault(event["order_number"], []).append(event)
    return found


def _wrong(orders: Mapping[str, Any], events: Mapping[str, list[Mapping[str, Any]]]) -> int:
    """Partitions are read side by side, but an order's events lie in one: they come in their sequence."""
    return sum(
        number not in events
        or events[number][-1]["stage_code"] != order["order_stage"]
        or [event["sequence"] for event in events[number]] != list(range(1, len(events[number]) + 1))
        for number, order in orders.items()
    )
