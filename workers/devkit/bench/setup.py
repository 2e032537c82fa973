"""The environment of the benchmarks: a Kafka with a backlog, a vendor simulator, and one process at work at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from workers.app.config.configuration import Configuration, load_configuration
from workers.devkit import child
from workers.devkit.bench.live import Live, measure_live, receipts
from workers.devkit.bench.load import CREATED, STATUS, publish_backlog, shape_of
from workers.devkit.bench.measure import Row, Timing, Vendor, measure
from workers.devkit.broker.broker import Broker
from workers.devkit.demo.processes import (
    ProcessGroup,
    Server,
    free_address,
    ready_simulator,
    vendor_variables,
)
from workers.devkit.simulators import SECRET

SINK = "ecdp-sink"
_FOREIGN = ("KAFKA_", "SCHEMA_REGISTRY_", "RELAY_", "OTEL_")


@dataclass(frozen=True, slots=True)
class Bench:
    """The running parts."""

    processes: ProcessGroup
    vendor: Vendor
    configuration: Configuration
    timing: Timing

    def publish(self, topic: str, count: int) -> None:
        """Publish a backlog; raises `KafkaFailed`."""
        publish_backlog(self.configuration, topic, count)

    def ceiling(self, in_flight: int, latency: float) -> Row:
        """Measure the transport alone."""
        arguments = ("workers.devkit.bench.ceiling", self.vendor.part.url, SECRET, str(in_flight))
        return self._module("transport alone, PUT", arguments, in_flight, latency)

    def plain(self, latency: float) -> Row:
        """Measure the simple loop: one record at a time."""
        bootstrap = self.processes.environ["KAFKA_BOOTSTRAP_SERVERS"]
        arguments = ("workers.devkit.bench.plain", bootstrap, self.vendor.part.url, SECRET)
        return self._module("poll, await httpx, commit", arguments, 1, latency)

    def statuses(self, in_flight: int, latency: float) -> Row:
        """Measure the relay on its backlog of statuses."""
        return self._relay("relay, PUT status", self.vendor.statuses, in_flight, 1, latency)

    def orders(self, in_flight: int, together: int, latency: float) -> Row:
        """Measure the relay on its backlog of orders."""
        return self._relay("relay, order-created", self.vendor.orders, in_flight, together, latency)

    def live(self) -> Live:
        """Measure the relay on live statuses of orders that it has delivered."""
        with receipts() as noted:
            own = {"RELAY_HTTP_ADDR": free_address(), "ECDP_BASE_URL": noted.url}
            processes = ProcessGroup(self.processes.folder, {**self.processes.environ, **own}, self.processes.ends)
            process = processes.start(SINK, "run", SINK)
            try:
                created, status = (shape_of(self.configuration, topic) for topic in (CREATED, STATUS))
                bootstrap = self.processes.environ["KAFKA_BOOTSTRAP_SERVERS"]
                return measure_live(bootstrap, created, status, noted, self.timing.measured_s * 2)
            finally:
                child.stop(process)

    def _module(self, what: str, arguments: tuple[str, ...], in_flight: int, latency: float) -> Row:
        self.vendor.set_latency(latency)
        log = self.processes.log("alone")

        def start() -> subprocess.Popen[bytes]:
            return child.spawn([sys.executable, "-m", *arguments], log=log, environ=self.processes.environ)

        seen = measure(start, log, self.vendor.statuses, self.timing, patience=1.0)
        return Row(what=what, in_flight=in_flight, latency=latency, **seen.as_fields())

    def _relay(self, what: str, count: Callable[[], int], in_flight: int, together: int, latency: float) -> Row:
        self.vendor.set_latency(latency)
        own = {
            "RELAY_HTTP_ADDR": free_address(),
            "RELAY__ECDP_SINK__MAX_IN_FLIGHT": str(in_flight),
            "RELAY__ECDP_SINK__BATCH__MAX_ORDERS": str(together),
        }
        processes = ProcessGroup(self.processes.folder, {**self.processes.environ, **own}, self.processes.ends)
        seen = measure(lambda: processes.start(SINK, "run", SINK), processes.log(SINK), count, self.timing)
        return Row(what=what, in_flight=in_flight, together=together, latency=latency, **seen.as_fields())


@contextmanager
def set_up(timing: Timing, announce: Callable[[str], None]) -> Iterator[Bench]:
    """Start Kafka and the simulator for the length of a ``with`` block; raises `DemoError` and `BrokerError`."""
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="order-relay-bench-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        announce("starting Kafka and the simulator")
        broker = ends.enter_context(Broker.start(announce=announce))
        environ = _environ(broker.bootstrap)
        simulator = _simulator(ProcessGroup(folder, environ, ends))
        sink = load_configuration(environ).config.sinks[SINK]
        environ |= vendor_variables(sink, simulator.url)
        processes = ProcessGroup(folder, environ, ends)
        processes.run("topics", "topics", "apply")
        client = ends.enter_context(httpx.Client(trust_env=False, timeout=10.0))
        yield Bench(processes, Vendor(simulator, client), load_configuration(environ, [SINK]), timing)


def _environ(bootstrap: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    config = {"RELAY_TOPOLOGY": os.environ.get("RELAY_TOPOLOGY", "topics.yaml")}
    here: Mapping[str, str] = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_REPLICATION_FACTOR": "1"}
    return {**kept, **config, **here, "RELAY_INSTANCE_ID": "bench", "RELAY_LOG_LEVEL": "warning"}


def _simulator(processes: ProcessGroup) -> Server:
    """Start the vendor: it keeps only ids, and accepts a status of any order."""
    options = ("--light", "--api-key", SECRET, "--fault", "unknown_order=200")
    process = processes.start("simulator", "simulate", "ecdp", *options, stdout=subprocess.PIPE)
    return ready_simulator(Server("simulator", "", "", process, processes.log("simulator")))
