"""The stage of a scene: a Kafka, the simulators of its vendors, and its pods."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, Final, assert_never

import httpx
from kafka import KafkaAdminClient, TopicPartition

from workers.app.config.configuration import Configuration, load_configuration
from workers.app.config.specs import Config
from workers.devkit import child
from workers.devkit.bench.load import CREATED
from workers.devkit.broker.broker import Broker
from workers.devkit.demo.pollers import poller_variables
from workers.devkit.demo.processes import (
    ProcessGroup,
    Server,
    free_address,
    ready_simulator,
    start_simulator,
    vendor_variables,
    wait_until_ready,
)
from workers.devkit.recordings.scenes import Drop, Expire, Kafka, Pod, Scene

_FOREIGN: Final = ("KAFKA_", "SCHEMA_REGISTRY_", "RELAY_", "OTEL_")


@dataclass(frozen=True, slots=True)
class Running:
    """A pod's present process."""

    pod: Pod
    instance: str  # Prometheus's label: the pod, and how many pods have had its name
    server: Server

    @property
    def process(self) -> Popen[bytes]:
        return self.server.process


@dataclass(slots=True)
class Stage:
    """What a scene's steps act on; only the main thread starts and ends processes."""

    scene: Scene
    broker: Broker
    processes: ProcessGroup
    simulators: Mapping[str, Server]  # by vendor
    client: httpx.Client
    running: dict[str, Running] = field(default_factory=dict)  # by the pod's name
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def configuration(self) -> Configuration:
        return load_configuration(self.processes.environ)

    def start(self, name: str) -> None:
        """Start a pod with a new address; its server answers a little later."""
        self.starts[name] = self.starts.get(name, 0) + 1
        self._run(name)

    def _run(self, name: str) -> None:
        (pod,) = (pod for pod in self.scene.pods if pod.name == name)
        address = free_address()
        own = {"RELAY_HTTP_ADDR": address, "RELAY_INSTANCE_ID": pod.instance_id or pod.name}
        log = self.processes.log(name)
        process = child.spawn(pod.command, log=log, environ={**self.processes.environ, **own})
        self.processes.ends.callback(child.stop, process)
        url = f"http://{address}"
        self.running[name] = Running(pod, f"{name}/{self.starts[name]}", Server(name, url, url, process, log))

    def stop(self, name: str) -> None:
        """SIGTERM; returns when the process has drained and ended."""
        child.stop(self.running.pop(name).process, patience=40.0)

    def restart_ended(self) -> None:
        """As Kubernetes does it: the pod keeps its address."""
        for name, running in list(self.running.items()):
            if running.process.poll() is not None:
                self._run(name)

    def set_faults(self, vendor: str, knobs: Mapping[str, Any]) -> None:
        url = f"{self.simulators[vendor].control}/_sim/faults"
        self.client.post(url, json=dict(knobs)).raise_for_status()

    def change_broker(self, step: Kafka | Expire | Drop) -> None:
        match step:
            case Kafka(up=True):
                self.broker.restart()
            case Kafka():
                self.broker.kill()
            case Expire():
                with self._admin() as admin:
                    admin.delete_records({TopicPartition(CREATED, 0): -1})
            case Drop(topic=topic):
                with self._admin() as admin:
                    admin.delete_topics([topic])
            case _:
                assert_never(step)

    def _admin(self) -> closing[KafkaAdminClient]:
        return closing(KafkaAdminClient(bootstrap_servers=self.broker.bootstrap))


@contextmanager
def staged(scene: Scene) -> Iterator[Stage]:
    """Start everything, and the pods that no step starts; raises `DemoError` and `BrokerError`."""
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="order-relay-recording-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        broker = ends.enter_context(Broker.start())
        environ = _environ(broker.bootstrap)
        config = load_configuration(environ).config
        before = ProcessGroup(folder, environ, ends)
        wanted = {config.workers[name].vendor for pod in scene.pods for name in pod.workers}
        simulators = {vendor: ready_simulator(start_simulator(before, vendor)) for vendor in sorted(wanted)}
        processes = ProcessGroup(folder, environ | _to(config, simulators) | dict(scene.environ), ends)
        processes.run("topics", "topics", "apply")
        client = ends.enter_context(httpx.Client(trust_env=False, timeout=10.0))
        stage = Stage(scene, broker, processes, simulators, client)
        for name in scene.first_pods:
            stage.start(name)
        for running in stage.running.values():
            wait_until_ready(running.server, client)
        yield stage


def _to(config: Config, simulators: Mapping[str, Server]) -> dict[str, str]:
    """The variables that lead the workers of these vendors to their simulators."""
    found: dict[str, str] = {}
    for sink in config.sinks.values():
        if sink.vendor in simulators:
            found |= vendor_variables(sink, simulators[sink.vendor].url)
    for poller in config.pollers.values():
        if poller.vendor in simulators:
            found |= poller_variables(poller, simulators[poller.vendor])
    return found


def _environ(bootstrap: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    here = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "RELAY_REPLICATION_FACTOR": "1", "RELAY_TOPOLOGY": "topics.yaml"}
    return {**kept, **here, "RELAY_LOG_LEVEL": "warning"}
