"""The start of the demo: Kafka, simulators, topics, workers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import httpx

from workers.app.config.configuration import load_configuration
from workers.app.config.overrides import variable_name
from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.config.variables import is_loopback
from workers.devkit.broker.broker import Broker
from workers.devkit.broker.jars import KAFKA_VERSION
from workers.devkit.demo.monitor import Monitor
from workers.devkit.demo.pollers import PollerReport, poller_reports, poller_variables, start_changes
from workers.devkit.demo.processes import (
    DemoError,
    ProcessGroup,
    Server,
    ready_simulator,
    start_simulator,
    start_workers,
    vendor_variables,
    wait_until_ready,
)
from workers.devkit.demo.screen import Screen
from workers.devkit.simulators import SECRET

_SHORT_WAITS: Final = {("unknown_order_wait",): "3s", ("retry", "max"): "1s", ("drain",): "3s"}
_BOOTSTRAP: Final = "KAFKA_BOOTSTRAP_SERVERS"
_NOT_PASSED_ON: Final = (
    "KAFKA_",
    "SCHEMA_REGISTRY_",
    "RELAY_HTTP_ADDR",
    "RELAY_INSTANCE_ID",
    "RELAY_REPLICATION_FACTOR",
)


@dataclass(frozen=True, slots=True)
class Demo:
    """The running demo."""

    processes: ProcessGroup
    bootstrap: str
    since: datetime  # records parked before belong to another run
    monitor: Monitor
    pollers: Mapping[str, tuple[PollerSpec, Server]] = field(default_factory=dict)  # with the simulator of each

    def wait_until_ready(self) -> None:
        """Return when all workers have joined their groups; raises `DemoError`."""
        wait_until_ready(self.monitor.workers, self.monitor.client)
        for poller, simulator in self.pollers.values():
            start_changes(self.monitor.client, poller.vendor, simulator)

    def poller_reports(self) -> tuple[PollerReport, ...]:
        """Compare the pollers' events with the vendors; raises `DemoError`."""
        return poller_reports(self.monitor.client, self.processes, list(self.pollers.values()))


def order_id_prefix(environ: Mapping[str, str], now: float) -> str:
    """Return the prefix of this run's order ids in a Kafka that outlives the run, where earlier orders are known."""
    return f"R{int(now):x}-" if environ.get(_BOOTSTRAP) else ""


def start(screen: Screen, ends: ExitStack, *, prefix: str = "", yes: bool = False) -> Demo:
    """Start everything; ``ends`` ends it. The workers then still join their groups.

    ``yes`` allows a Kafka on another machine. Raises `DemoError`, `BrokerError` and `ConfigError`.
    """
    config = load_configuration(os.environ).config
    given = os.environ.get(_BOOTSTRAP, "")
    if not yes:
        refuse_remote_kafka(given)
    sinks = config.sinks
    folder = _folder(ends)
    vendors = list(dict.fromkeys(sink.vendor for sink in sinks.values()))
    vendors += [poller.vendor for poller in config.pollers.values() if poller.vendor not in vendors]
    screen.step(f"vendor simulators: {', '.join(vendors)}")
    without_kafka = ProcessGroup(folder, dict(os.environ), ends)
    starting = {vendor: start_simulator(without_kafka, vendor) for vendor in vendors}
    bootstrap, environ = _kafka(screen, ends, config, given)
    if prefix:
        screen.step(f"order ids begin with {prefix}, unlike those of earlier runs: the vendors are new")
    simulators = {vendor: ready_simulator(part) for vendor, part in starting.items()}
    for sink in sinks.values():
        environ |= _settings(sink, simulators[sink.vendor])
    pollers = {name: (poller, simulators[poller.vendor]) for name, poller in config.pollers.items()}
    for poller, simulator in pollers.values():
        environ |= poller_variables(poller, simulator, SECRET)
    processes = ProcessGroup(folder, environ, ends)
    screen.step(f"topics: {', '.join(config.topics)}")
    processes.run("topics", "topics", "apply")
    theirs = {sink.vendor: simulators[sink.vendor] for sink in sinks.values()}
    monitor = _workers(screen, processes, sinks, theirs, list(pollers))
    return Demo(processes, bootstrap, datetime.now(UTC), monitor, pollers)


def refuse_remote_kafka(given: str) -> None:
    """Raise `DemoError` for a Kafka on another machine: real workers may read there, and would deliver the samples."""
    hosts = [server.strip().rpartition(":")[0].strip("[]") for server in given.split(",") if server.strip()]
    if not all(is_loopback(host) for host in hosts):
        raise DemoError(
            f"KAFKA_BOOTSTRAP_SERVERS={given} is not this machine, and sample orders would go to its topics: "
            "unset it to start a Kafka here, or add --yes"
        )


def _folder(ends: ExitStack) -> Path:
    """Make a folder for logs; it is kept when the demo fails."""
    folder = Path(tempfile.mkdtemp(prefix="order-relay-demo-"))

    def leave(kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None or not issubclass(kind, Exception):
            shutil.rmtree(folder, ignore_errors=True)

    ends.push(leave)
    return folder


def _kafka(screen: Screen, ends: ExitStack, config: Config, given: str) -> tuple[str, dict[str, str]]:
    """Return the address of the user's Kafka or of a new one, and the environment for it."""
    here = {"RELAY_TOPOLOGY": str(config.file.resolve())}
    if given:
        screen.step(f"your Kafka: {given}")
        return given, dict(os.environ) | here
    screen.step(f"Apache Kafka {KAFKA_VERSION}")
    broker = ends.enter_context(Broker.start(announce=screen.step))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    return broker.bootstrap, kept | here | settings_of(broker.bootstrap)


def settings_of(bootstrap: str) -> dict[str, str]:
    """Return the variables that lead a command to the demo's own Kafka."""
    return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_REPLICATION_FACTOR": "1"}


def _settings(sink: SinkSpec, simulator: Server) -> dict[str, str]:
    short_waits = {variable_name(sink.name, way): value for way, value in _SHORT_WAITS.items()}
    return short_waits | vendor_variables(sink, simulator.url)


def _workers(
    screen: Screen,
    processes: ProcessGroup,
    sinks: Mapping[str, SinkSpec],
    simulators: Mapping[str, Server],
    pollers: Sequence[str],
) -> Monitor:
    names = [*sinks, *pollers]
    screen.step(f"workers: {', '.join(names)}")
    workers = start_workers(processes, names)
    client = processes.ends.enter_context(httpx.Client(trust_env=False, timeout=5.0))
    return Monitor(client, sinks, workers, simulators, pollers)
