"""The start of the demo: Kafka, simulators, topics, workers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import httpx

from workers.app.config.configuration import Configuration, load_configuration
from workers.app.config.overrides import variable_name
from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.topics.apply import apply_topics
from workers.devkit.broker.broker import Broker
from workers.devkit.broker.jars import KAFKA_VERSION
from workers.devkit.demo.monitor import Monitor
from workers.devkit.demo.own_names import GivenKafka, remove_own, write_own_topology
from workers.devkit.demo.pollers import (
    PollerReport,
    poller_reports,
    poller_variables,
    start_changes,
)
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
from workers.devkit.demo.surroundings import own_environ
from workers.edges.aio import run_interruptibly

_SHORT_WAITS: Final[dict[tuple[str, ...], str]] = {
    ("unknown_order_wait",): "3s",
    ("retry", "max"): "1s",
    ("drain",): "3s",
}
_FORMER_MEMBER_S: Final = 30.0  # to start, after the session of a former member that the group still waits for


@dataclass(frozen=True, slots=True)
class Demo:
    """The running demo."""

    processes: ProcessGroup
    configuration: Configuration  # that of its commands
    bootstrap: str
    since: datetime  # records parked before belong to another run
    monitor: Monitor
    pollers: Mapping[str, tuple[PollerSpec, Server]] = field(default_factory=dict)  # with the simulator of each
    exports: Mapping[str, str] = field(default_factory=dict)  # variables that lead another terminal here
    prefix: str = ""  # of topics and workers, on a Kafka that the demo did not start

    def wait_until_ready(self) -> None:
        """Return when all workers have joined their groups; raises `DemoError`."""
        specs = [*self.monitor.sinks.values(), *(poller for poller, _ in self.pollers.values())]
        within_s = _FORMER_MEMBER_S + max((spec.session for spec in specs), default=0.0)
        wait_until_ready(self.monitor.workers, self.monitor.client, within_s)
        for poller, simulator in self.pollers.values():
            start_changes(self.monitor.client, poller.vendor, simulator)

    def poller_reports(self) -> tuple[PollerReport, ...]:
        """Compare the pollers' events with the vendors; raises `DemoError`."""
        return poller_reports(self.monitor.client, self.configuration, list(self.pollers.values()))


def start(screen: Screen, ends: ExitStack, given: GivenKafka | None = None) -> Demo:
    """Start everything; ``ends`` ends it. The workers then still join their groups.

    ``given``: the Kafka to use, under a prefix of its own; None: a new one. Raises `DemoError`, `BrokerError` and
    `ConfigError`.
    """
    topology = {name: os.environ[name] for name in ("RELAY_TOPOLOGY",) if os.environ.get(name)}
    config = load_configuration(topology).config
    environ = own_environ(os.environ, config, on_given_kafka=given is not None)
    folder = _folder(ends)
    vendors = list(dict.fromkeys(worker.vendor for worker in config.workers.values()))
    screen.step(f"vendor simulators: {', '.join(vendors)}")
    starting = {vendor: start_simulator(ProcessGroup(folder, environ, ends), vendor) for vendor in vendors}
    bootstrap, exports = _kafka(screen, ends, config, given, folder)
    if given is not None:
        config = load_configuration(exports).config
        ends.callback(remove_own, given, config, screen.step)
    simulators = {vendor: ready_simulator(part) for vendor, part in starting.items()}
    environ |= exports | _to_simulators(config, simulators)
    processes = ProcessGroup(folder, environ, ends)
    screen.step(f"topics: {', '.join(config.topics)}")
    configuration = load_configuration(environ)
    _make_topics(configuration)
    monitor = _workers(screen, processes, config, simulators)
    pollers = {name: (poller, simulators[poller.vendor]) for name, poller in config.pollers.items()}
    prefix = given.prefix if given else ""
    return Demo(processes, configuration, bootstrap, datetime.now(UTC), monitor, pollers, exports, prefix)


def _make_topics(configuration: Configuration) -> None:
    """Create the topics; raises `DemoError` and `KafkaFailed`."""
    applied = run_interruptibly(apply_topics(configuration))
    if applied.failures or applied.left:
        refused = [f"{failure.change.topic}: {failure.why}" for failure in applied.failures]
        left = [f"{change.topic}: {change.key} is {change.before}, wanted {change.after}" for change in applied.left]
        raise DemoError(f"the topics are not as topics.yaml says: {(refused + left)[0][:300]}")


def _to_simulators(config: Config, simulators: Mapping[str, Server]) -> dict[str, str]:
    """The variables that lead each worker to its vendor's simulator, with short waits."""
    found: dict[str, str] = {}
    for sink in config.sinks.values():
        found |= _settings(sink, simulators[sink.vendor])
    for poller in config.pollers.values():
        found |= poller_variables(poller, simulators[poller.vendor])
    return found


def _folder(ends: ExitStack) -> Path:
    """Make a folder for logs; it is kept when the demo fails."""
    folder = Path(tempfile.mkdtemp(prefix="order-relay-demo-"))

    def leave(kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None or not issubclass(kind, Exception):
            shutil.rmtree(folder, ignore_errors=True)

    ends.push(leave)
    return folder


def _kafka(
    screen: Screen, ends: ExitStack, config: Config, given: GivenKafka | None, folder: Path
) -> tuple[str, dict[str, str]]:
    """Return the address of the user's Kafka or of a new one, and the variables that lead a command to it."""
    if given is not None:
        screen.step(f"your Kafka: {given.address}; topics and groups begin with {given.prefix}")
        topology = {"RELAY_TOPOLOGY": str(write_own_topology(config, given.prefix, folder))}
        return given.address, given.variables | topology
    if ignored := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        screen.step(f"KAFKA_BOOTSTRAP_SERVERS={ignored} is left alone; --on-this-kafka uses it")
    screen.step(f"Apache Kafka {KAFKA_VERSION}")
    broker = ends.enter_context(Broker.start(announce=screen.step))
    here = {"RELAY_TOPOLOGY": str(config.file.resolve())}
    own = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "RELAY_REPLICATION_FACTOR": "1"}
    return broker.bootstrap, own | here


def _settings(sink: SinkSpec, simulator: Server) -> dict[str, str]:
    short_waits = {variable_name(sink.name, way): value for way, value in _SHORT_WAITS.items()}
    return short_waits | vendor_variables(sink, simulator.url)


def _workers(screen: Screen, processes: ProcessGroup, config: Config, simulators: Mapping[str, Server]) -> Monitor:
    names = [*config.sinks, *config.pollers]
    screen.step(f"workers: {', '.join(names)}")
    workers = start_workers(processes, names)
    client = processes.ends.enter_context(httpx.Client(trust_env=False, timeout=5.0))
    theirs = {sink.vendor: simulators[sink.vendor] for sink in config.sinks.values()}
    return Monitor(client, config.sinks, workers, theirs, list(config.pollers))
