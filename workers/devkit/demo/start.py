"""Everything that must run before the first order: Kafka, simulators, topics, workers."""

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

import httpx

from workers.app.config.configuration import load_configuration
from workers.app.config.overrides import variable_name
from workers.app.config.specs import Config, PollerSpec, SinkSpec
from workers.app.config.variables import is_loopback
from workers.devkit.broker.broker import Broker
from workers.devkit.broker.jars import KAFKA_VERSION
from workers.devkit.demo.news import News, enliven, news_of, poller_variables
from workers.devkit.demo.parts import (
    DemoError,
    Part,
    Stage,
    ready_simulator,
    start_simulator,
    start_workers,
    vendor_variables,
    wait_until_ready,
)
from workers.devkit.demo.screen import Screen
from workers.devkit.demo.watch import Watch
from workers.devkit.simulators import SECRET

# What takes minutes in production would bore at a demonstration.
_IMPATIENT = {("unknown_order_wait",): "3s", ("retry", "max"): "1s", ("drain",): "3s"}
_GIVEN = "KAFKA_BOOTSTRAP_SERVERS"
_FOREIGN = ("KAFKA_", "SCHEMA_REGISTRY_", "RELAY_HTTP_ADDR", "RELAY_INSTANCE_ID", "RELAY_REPLICATION_FACTOR")


@dataclass(frozen=True, slots=True)
class Demo:
    """The running demo."""

    stage: Stage
    bootstrap: str
    since: datetime  # what was parked before is none of ours
    watch: Watch
    pollers: Mapping[str, tuple[PollerSpec, Part]] = field(default_factory=dict)  # with the simulator of each

    def wait_until_ready(self) -> None:
        """Return when all workers have joined their groups; raises `DemoError`."""
        wait_until_ready(self.watch.workers, self.watch.client)
        for poller, simulator in self.pollers.values():
            enliven(self.watch.client, poller.vendor, simulator)

    def news(self) -> tuple[News, ...]:
        """What the pollers have told; raises `DemoError`."""
        return news_of(self.watch.client, self.stage, list(self.pollers.values()))


def own_mark(environ: Mapping[str, str], now: float) -> str:
    """What order ids begin with in a Kafka that lives on: what it remembers of an order is of another run's vendors."""
    return f"R{int(now):x}-" if environ.get(_GIVEN) else ""


def start(screen: Screen, ends: ExitStack, *, mark: str = "", yes: bool = False) -> Demo:
    """Start all of it, ended by ``ends``; the workers still have to join.

    ``yes`` allows a Kafka on another machine. Raises `DemoError`, `BrokerError` and `ConfigError`.
    """
    config = load_configuration(os.environ).config
    given = os.environ.get(_GIVEN, "")
    if not yes:
        refuse_foreign(given)
    sinks = config.sinks
    folder = _folder(ends)
    vendors = list(dict.fromkeys(sink.vendor for sink in sinks.values()))
    vendors += [poller.vendor for poller in config.pollers.values() if poller.vendor not in vendors]
    screen.step(f"vendor simulators: {', '.join(vendors)}")
    bare = Stage(folder, dict(os.environ), ends)
    starting = {vendor: start_simulator(bare, vendor) for vendor in vendors}
    bootstrap, environ = _kafka(screen, ends, config, given)
    if mark:
        screen.step(f"order ids begin with {mark}: the vendors are new, and orders of a former run are none of theirs")
    simulators = {vendor: ready_simulator(part) for vendor, part in starting.items()}
    for sink in sinks.values():
        environ |= _settings(sink, simulators[sink.vendor])
    told = {name: (poller, simulators[poller.vendor]) for name, poller in config.pollers.items()}
    for poller, simulator in told.values():
        environ |= poller_variables(poller, simulator, SECRET)
    stage = Stage(folder, environ, ends)
    screen.step(f"topics: {', '.join(config.topics)}")
    stage.run("topics", "topics", "apply")
    theirs = {sink.vendor: simulators[sink.vendor] for sink in sinks.values()}
    watch = _workers(screen, stage, sinks, theirs, list(told))
    return Demo(stage, bootstrap, datetime.now(UTC), watch, told)


def refuse_foreign(given: str) -> None:
    """Raise `DemoError` for a Kafka elsewhere: real workers may read there, and would deliver the samples for real."""
    hosts = [server.strip().rpartition(":")[0].strip("[]") for server in given.split(",") if server.strip()]
    if not all(is_loopback(host) for host in hosts):
        raise DemoError(
            f"KAFKA_BOOTSTRAP_SERVERS={given} is not this machine, and sample orders would go to its topics: "
            "unset it to start a Kafka here, or add --yes"
        )


def _folder(ends: ExitStack) -> Path:
    """Make a folder for logs; it stays when something goes wrong, for whoever wants to know why."""
    folder = Path(tempfile.mkdtemp(prefix="order-relay-demo-"))

    def leave(kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None or not issubclass(kind, Exception):
            shutil.rmtree(folder, ignore_errors=True)

    ends.push(leave)
    return folder


def _kafka(screen: Screen, ends: ExitStack, config: Config, given: str) -> tuple[str, dict[str, str]]:
    """Return the address of the user's Kafka, or of a new one, and the environment that leads to it."""
    here = {"RELAY_TOPOLOGY": str(config.file.resolve())}
    if given:
        screen.step(f"your Kafka: {given}")
        return given, dict(os.environ) | here
    screen.step(f"Apache Kafka {KAFKA_VERSION}")
    broker = ends.enter_context(Broker.start(tell=screen.step))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return broker.bootstrap, kept | here | settings_of(broker.bootstrap)


def settings_of(bootstrap: str) -> dict[str, str]:
    """Return what leads a command to the demo's own Kafka."""
    return {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_REPLICATION_FACTOR": "1"}


def _settings(sink: SinkSpec, simulator: Part) -> dict[str, str]:
    hurry = {variable_name(sink.name, way): value for way, value in _IMPATIENT.items()}
    return hurry | vendor_variables(sink, simulator.url)


def _workers(
    screen: Screen,
    stage: Stage,
    sinks: Mapping[str, SinkSpec],
    simulators: Mapping[str, Part],
    pollers: Sequence[str],
) -> Watch:
    names = [*sinks, *pollers]
    screen.step(f"workers: {', '.join(names)}")
    workers = start_workers(stage, names)
    client = stage.ends.enter_context(httpx.Client(trust_env=False, timeout=5.0))
    return Watch(client, sinks, workers, simulators, pollers)
