"""A real single-node Apache Kafka for the demo, the tests and the bench.

``with Broker.start() as broker:`` gives ``broker.bootstrap``. Faults are one
call each: `kill`, `restart`, `pause`, `resume`.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka import KafkaAdminClient

from workers.devkit import child
from workers.devkit.broker.config import Ports, free_ports
from workers.devkit.broker.errors import BrokerError, PortTakenError
from workers.devkit.broker.install import installed
from workers.devkit.broker.node import launch, log_of, wait_until_ready

__all__ = ["Broker", "BrokerError"]

_TRIES = 3  # a free port may be taken between our look and Kafka's
_REMOVE_TRIES = 5
_REMOVE_AGAIN_AFTER_S = 0.2


@dataclass
class Broker:
    """One running Kafka and its folder."""

    folder: Path
    ports: Ports
    temporary: bool
    home: Path  # where Kafka is installed
    process: subprocess.Popen[bytes] = field(repr=False)

    @classmethod
    def start(
        cls, folder: Path | None = None, *, port: int = 0, announce: Callable[[str], None] = lambda _: None
    ) -> Broker:
        """Start and return when it answers; raises `BrokerError`. ``port`` 0: any free one.

        Data lives in ``folder`` and is kept there; without one, in a temporary
        folder that goes with the broker.
        """
        home = installed(announce)
        for _ in range(_TRIES - 1):
            try:
                return cls._start(home, folder, port)
            except PortTakenError:
                if port:
                    raise
        return cls._start(home, folder, port)

    @classmethod
    def _start(cls, home: Path, folder: Path | None, port: int) -> Broker:
        place = folder
        broker: Broker | None = None
        try:
            with child.signals_deferred():  # a temporary folder that we do not know of would stay for good
                place = Path(folder or tempfile.mkdtemp(prefix="order-relay-kafka-")).resolve()
            place.mkdir(parents=True, exist_ok=True)
            ports = free_ports(port)
            with child.signals_deferred():  # a Kafka that we do not know of would write on into a deleted folder
                process = launch(home, place, ports)
                broker = cls(place, ports, temporary=folder is None, home=home, process=process)
            wait_until_ready(process, place, ports)
        except BaseException as error:
            if broker is not None:
                child.stop(broker.process)
            names_its_log = isinstance(error, BrokerError) and not isinstance(error, PortTakenError)
            if folder is None and place is not None and not names_its_log:
                _remove(place)
            raise
        return broker

    @property
    def bootstrap(self) -> str:
        """Address for clients: ``host:port``."""
        return f"127.0.0.1:{self.ports.broker}"

    @property
    def log(self) -> Path:
        """Kafka's log: warnings and errors."""
        return log_of(self.folder)

    def stop(self, *, keep: bool = False) -> None:
        """End it cleanly; ``keep`` leaves the log of a broker without a folder of its own."""
        child.stop(self.process)
        if self.temporary:
            _remove(self.folder / "data" if keep else self.folder)

    def kill(self) -> None:
        """SIGKILL: a crash. `restart` brings it back with its data."""
        self.process.kill()
        self.process.wait()

    def restart(self, settings: Mapping[str, object] | None = None) -> None:
        """Stop it if it runs, and start it on the same ports with the same data; raises `BrokerError`.

        ``settings`` go on top of those in `config`, for this start.
        """
        child.stop(self.process)
        self.process = launch(self.home, self.folder, self.ports, settings=settings)
        wait_until_ready(self.process, self.folder, self.ports)

    def pause(self) -> None:
        """SIGSTOP: it hangs, its connections stay open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on after `pause`."""
        self.process.send_signal(signal.SIGCONT)

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


def _remove(folder: Path) -> None:
    """Remove a folder of Kafka's, also one in which a file appears meanwhile."""
    for _ in range(_REMOVE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_REMOVE_AGAIN_AFTER_S)
