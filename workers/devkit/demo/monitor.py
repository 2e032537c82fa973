"""The state of the running demo: each worker's ``/status``, each simulator's counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from workers.app.config.specs import SinkSpec
from workers.devkit.demo.processes import Server


@dataclass(frozen=True, slots=True)
class SinkView:
    """One sink and its vendor at one instant."""

    name: str
    vendor: str
    delivered: int
    skipped: int
    parked: int
    parked_orders: int
    in_flight: int
    lag: int
    retries: int
    duplicates: int
    gate: str  # open, shut or probing
    gate_reason: str
    at_vendor: int  # orders, as the vendor counts them

    @property
    def ended(self) -> int:
        """Records that have their outcome."""
        return self.delivered + self.skipped + self.parked


@dataclass(frozen=True, slots=True)
class Monitor:
    """Asks the workers and the simulators; while one does not answer, its last answer is kept."""

    client: httpx.Client
    sinks: Mapping[str, SinkSpec]
    workers: Server  # all workers in one process
    simulators: Mapping[str, Server]  # by vendor
    pollers: Sequence[str] = ()  # their names
    views: dict[str, SinkView] = field(default_factory=dict)  # by sink
    events: dict[str, int] = field(default_factory=dict)  # published, by poller

    def refresh(self) -> Sequence[SinkView]:
        """Ask all of them once; raises `DemoError` when a process has ended."""
        for server in (self.workers, *self.simulators.values()):
            server.fail_if_ended()
        with suppress(httpx.TransportError):
            statuses = self.client.get(f"{self.workers.control}/status").json()["workers"]
            for name, sink in self.sinks.items():
                stats = self.client.get(f"{self.simulators[sink.vendor].control}/_sim/stats").json()
                self.views[name] = _view(name, sink.vendor, statuses[name], stats)
            self.events.update({name: statuses[name]["events_total"] for name in self.pollers})
        return [self.views[name] for name in self.sinks if name in self.views]

    def orders_at(self, vendor: str) -> dict[str, Any]:
        """Return every order that the vendor has, by its number."""
        orders: dict[str, Any] = self.client.get(f"{self.simulators[vendor].control}/_sim/orders").json()
        return orders

    def set_faults(self, vendor: str, **faults: Any) -> None:
        """Set the simulator's faults."""
        self.client.post(f"{self.simulators[vendor].control}/_sim/faults", json=faults).raise_for_status()


def _view(name: str, vendor: str, status: Mapping[str, Any], stats: Mapping[str, Any]) -> SinkView:
    gate = status["gate"]
    return SinkView(
        name=name,
        vendor=vendor,
        delivered=status["delivered_total"],
        skipped=status["skipped_total"],
        parked=status["parked_total"],
        parked_orders=status["parked_orders"],
        in_flight=status["in_flight"],
        lag=status["lag_records"],
        retries=status["retries_total"],
        duplicates=status["unknown_total"],
        gate=gate["state"],
        gate_reason=gate.get("reason") or "",
        at_vendor=stats["orders"],
    )
