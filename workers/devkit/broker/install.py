"""What a Kafka node needs on disk, made once per user, version of Kafka and version of Java.

Three parts: Kafka's jars, a data folder formatted by Kafka's own tool, and the JVM's cache of loaded classes (JEP 483),
with which Kafka starts in half the processor time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from workers.devkit import child
from workers.devkit.broker import jars
from workers.devkit.broker.config import NODE_ID, free_ports
from workers.devkit.broker.errors import BrokerError
from workers.devkit.broker.node import java, java_version, launch, wait_until_ready

_CLUSTER_ID: Final = "b3JkZXItcmVsYXktZGV2aw"  # 16 bytes, base64: Kafka refuses anything else
_CACHE_WRITTEN_WITHIN_S: Final = 300.0
_FORMAT: Final = f"""\
process.roles=broker,controller
node.id={NODE_ID}
controller.quorum.voters={NODE_ID}@127.0.0.1:1
listeners=BROKER://127.0.0.1:0,CONTROLLER://127.0.0.1:1
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=formatted
"""


def installed(announce: Callable[[str], None] = lambda _: None) -> Path:
    """Return the folder with ``libs/``, ``formatted/`` and the class cache; made if missing. Raises `BrokerError`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "order-relay"
    home = cache / f"kafka-{jars.KAFKA_VERSION}-java-{java_version()}"
    if not home.is_dir():
        announce(f"fetching Apache Kafka {jars.KAFKA_VERSION} and preparing it, once, in {home}")
        make_once(home, _make)
    return home


def make_once(home: Path, make: Callable[[Path], None]) -> None:
    """Let ``make`` fill the folder ``home``; of processes that want it at once one does, and the others wait.

    Invariant: ``home`` exists only when it is whole. It is made under another name and then renamed.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    part = home.with_name(f"{home.name}.part")
    with home.with_name("install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.is_dir():
            return
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        part.mkdir()
        try:
            make(part)
            part.rename(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _make(home: Path) -> None:
    (home / "libs").mkdir()
    jars.fetch(jars.locked_jars(), home / "libs")
    _format(home)
    _record_classes(home)


def _format(home: Path) -> None:
    settings = home / "format.properties"
    settings.write_text(_FORMAT)
    tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", settings.name]
    command = [java(), "-cp", "libs/*", *tool]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr + done.stdout).split())[-300:]
        raise BrokerError(f"Kafka could not format its data folder: {said}")
    settings.unlink()


def _record_classes(home: Path) -> None:
    """Run a node until it serves clients; at its end the JVM writes what it has loaded."""
    folder, ports = home / "first-run", free_ports()
    folder.mkdir()
    node = launch(home, folder, ports, records_classes=True)
    wait_until_ready(node, folder, ports)
    child.stop(node, patience=_CACHE_WRITTEN_WITHIN_S)
    shutil.rmtree(folder)
