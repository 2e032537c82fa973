"""A real single-node Apache Kafka for the demo, the tests and the bench.

``with Broker.start() as broker:`` gives ``broker.bootstrap``. Faults are one
call each: `kill`, `restart`, `pause`, `resume`.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workers.devkit import child
from workers.devkit.broker.config import Ports, free_ports
from workers.devkit.broker.host import Host, find_host
from workers.devkit.broker.install import BrokerError, ToolMissingError

__all__ = ["Broker", "BrokerError", "ToolMissingError"]

_START_WITHIN = 60.0  # seconds; 3 on an idle machine
_PORT_IS_TAKEN = ("BindException", "ddress already in use", "port is already allocated")
_TRIES = 3  # a free port may be taken between our look and Kafka's


@dataclass
class Broker:
    """One running Kafka and its folder."""

    folder: Path
    ports: Ports
    temporary: bool
    host: Host
    process: subprocess.Popen[bytes] = field(repr=False)

    @classmethod
    def start(cls, folder: Path | None = None, *, tell: Callable[[str], None] = lambda _: None) -> Broker:
        """Start on free ports and return when it answers; raises `BrokerError`.

        Data lives in ``folder`` and is kept there; without one, in a temporary
        folder that goes with the broker.
        """
        host = find_host(tell)
        for _ in range(_TRIES - 1):
            try:
                return cls._start(host, folder)
            except _PortTakenError:
                continue
        return cls._start(host, folder)

    @classmethod
    def _start(cls, host: Host, folder: Path | None) -> Broker:
        place = Path(folder or tempfile.mkdtemp(prefix="order-relay-kafka-")).resolve()
        broker: Broker | None = None
        try:
            ports = free_ports()
            place.mkdir(parents=True, exist_ok=True)
            with child.undisturbed():  # one that runs and is not known would write on into a folder that is gone
                broker = cls(place, ports, temporary=folder is None, host=host, process=host.launch(place, ports))
            broker._wait_until_ready()
        except BaseException as error:
            if broker is not None:
                child.stop(broker.process)
            if folder is None and not isinstance(error, BrokerError):  # that error names the log: it stays
                shutil.rmtree(place, ignore_errors=True)
            raise
        return broker

    @property
    def bootstrap(self) -> str:
        """Address for clients: ``host:port``."""
        return f"127.0.0.1:{self.ports.broker}"

    @property
    def log(self) -> Path:
        """What Kafka says: warnings and errors."""
        return self.folder / "kafka.log"

    def stop(self, *, keep: bool = False) -> None:
        """End it cleanly; ``keep`` leaves the log of a broker without a folder of its own."""
        child.stop(self.process)
        self.host.remove(self.folder, data=self.temporary)
        if self.temporary and not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL: a crash. `restart` brings it back with its data."""
        self.host.kill(self.process, self.folder)
        self.process.wait()

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports with the same data; raises `BrokerError`."""
        child.stop(self.process)
        self.process = self.host.launch(self.folder, self.ports)
        self._wait_until_ready()

    def pause(self) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        self.host.signal(self.process, self.folder, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on after `pause`."""
        self.host.signal(self.process, self.folder, signal.SIGCONT)

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, object] | None = None) -> None:
        """Create a topic and wait until each partition has its leader; raises kafka-python's errors."""
        asked = {"num_partitions": partitions, "replication_factor": 1, "configs": dict(config or {})}
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.create_topics({name: asked}, wait_for_metadata=True)
        finally:
            admin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        """Return once a real client is told of an unfenced broker; on failure the process is ended."""
        deadline = time.monotonic() + _START_WITHIN
        try:
            while not _answers(self.ports.broker):
                self._fail_if_over(deadline)
                time.sleep(0.05)
        except BaseException:
            child.stop(self.process)
            self.host.remove(self.folder, data=self.temporary)
            raise

    def _fail_if_over(self, deadline: float) -> None:
        if self.process.poll() is not None or time.monotonic() > deadline:
            raise self._failure()

    def _failure(self) -> BrokerError:
        said = self.log.read_text(errors="replace")
        if any(words in said for words in _PORT_IS_TAKEN):
            return _PortTakenError(f"port {self.ports.broker} or {self.ports.controller} is taken: start it again")
        return BrokerError(f"Kafka did not start: {child.last_words(self.log)[:300]}; its log is {self.log}")


class _PortTakenError(BrokerError):
    """Another process was faster."""


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        admin = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", bootstrap_timeout_ms=2000)
    except (OSError, KafkaError):
        return False
    try:
        return any(not node["is_fenced"] for node in admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
