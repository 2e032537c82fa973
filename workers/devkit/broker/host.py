"""What a development Kafka runs on: Java with the jars that Maven fetched, or, where they are missing, Docker."""

from __future__ import annotations

import shutil
import signal
import subprocess
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from workers.devkit import child
from workers.devkit.broker.config import Ports, container_settings, properties
from workers.devkit.broker.install import KAFKA_VERSION, BrokerError, ToolMissingError, installed, java

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
_QUICK = ["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
_ANSWERS_WITHIN = 10.0  # seconds: a daemon that hangs is none


@dataclass(frozen=True)
class Jars:
    """Kafka as a process of this machine."""

    home: Path

    def launch(self, folder: Path, ports: Ports) -> subprocess.Popen[bytes]:
        """Start it with its data in ``folder``, prepared the first time."""
        if not (folder / "data").exists():
            shutil.copytree(self.home / "formatted", folder / "data")
        settings = folder / "server.properties"
        settings.write_text(properties(folder / "data", ports))
        command = [java(), *_QUICK, "-cp", f"{self.home}/libs/*", "kafka.Kafka", str(settings)]
        return child.spawn(command, log=folder / "kafka.log")

    def kill(self, process: subprocess.Popen[bytes], folder: Path) -> None:  # noqa: ARG002 - as a container needs it
        process.kill()

    def signal(self, process: subprocess.Popen[bytes], folder: Path, what: signal.Signals) -> None:  # noqa: ARG002
        process.send_signal(what)

    def remove(self, folder: Path, *, data: bool) -> None:
        """Nothing runs any more; ``data`` goes too."""
        if data:
            shutil.rmtree(folder / "data", ignore_errors=True)


@dataclass(frozen=True)
class Container:
    """Kafka as an image; its data is a volume, for the image's user may write nowhere else."""

    docker: str

    def launch(self, folder: Path, ports: Ports) -> subprocess.Popen[bytes]:
        """Run it in the foreground: SIGTERM reaches Kafka through the client, also when we die without a word."""
        name = _name(folder)
        self._do("rm", "-f", name)  # one that was killed
        settings = [f"--env=KAFKA_{key.upper().replace('.', '_')}={value}" for key, value in container_settings(ports)]
        publish = f"--publish=127.0.0.1:{ports.broker}:{ports.broker}"
        volume = f"--volume={name}:/var/lib/kafka/data"
        command = [self.docker, "run", "--rm", f"--name={name}", publish, volume, "--env=KAFKA_HEAP_OPTS=-Xmx512m"]
        return child.spawn([*command, *settings, IMAGE], log=folder / "kafka.log", death_signal=signal.SIGTERM)

    def kill(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._do("kill", _name(folder))
        process.kill()

    def signal(self, process: subprocess.Popen[bytes], folder: Path, what: signal.Signals) -> None:  # noqa: ARG002
        self._do("pause" if what is signal.SIGSTOP else "unpause", _name(folder))

    def remove(self, folder: Path, *, data: bool) -> None:
        """Nothing runs any more; ``data`` goes too."""
        self._do("rm", "-f", _name(folder))
        if data:
            self._do("volume", "rm", "-f", _name(folder))

    def fetch(self, tell: Callable[[str], None]) -> None:
        """Have the image; raises `BrokerError`."""
        if self._do("image", "inspect", IMAGE).returncode:
            tell(f"fetching {IMAGE} by Docker, once: Java or Maven is missing")
            pulled = self._do("pull", "--quiet", IMAGE)
            if pulled.returncode:
                said = " ".join(pulled.stderr.split())[:300]
                raise BrokerError(
                    f"Docker could not fetch {IMAGE}: {said}; or apt-get install default-jre-headless maven"
                )

    def _do(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _run([self.docker, *arguments])


Host: TypeAlias = Jars | Container


def find_host(tell: Callable[[str], None] = lambda _: None) -> Host:
    """Java and Maven's jars, or Docker where one of them is missing; raises `BrokerError`, which names both ways."""
    try:
        java()
        return Jars(installed(tell))
    except ToolMissingError:
        container = _container()
        if container is None:
            raise
        container.fetch(tell)
        return container


def _container() -> Container | None:
    docker = shutil.which("docker")
    if docker is None:
        return None
    try:
        answer = _run([docker, "info"], within=_ANSWERS_WITHIN)
    except subprocess.TimeoutExpired:
        return None
    return None if answer.returncode else Container(docker)


def _run(command: Sequence[str], within: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=within)


def _name(folder: Path) -> str:
    """Of the container and its volume: the same for the same folder."""
    return f"order-relay-kafka-{zlib.crc32(bytes(folder)):08x}"
