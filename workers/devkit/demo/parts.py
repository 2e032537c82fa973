"""The processes of the demo: each a ``relay`` command of its own, ended together, in reverse."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from workers.app.config.specs import SinkSpec
from workers.devkit import child
from workers.devkit.simulators import SECRET, terms

_READY_WITHIN = 30.0  # seconds
_RUNS_AT_MOST = 60.0  # seconds
_PATIENCE = 8.0  # seconds that a part has to end by itself


class DemoError(RuntimeError):
    """The demo cannot go on; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A running process with an HTTP address."""

    name: str
    url: str  # what it is used by: a vendor's base URL, a worker's server
    control: str  # where the demo looks: statistics and knobs, or the same
    process: subprocess.Popen[bytes]
    log: Path

    def fail_if_ended(self) -> None:
        """Raise `DemoError` with the process's last words when it is no more."""
        if self.process.poll() is not None:
            said = child.last_words(self.log)[:300]
            raise DemoError(f"{self.name} ended with status {self.process.returncode}: {said}; its log is {self.log}")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where parts run: a folder for their logs, their environment, and the stack that ends them."""

    folder: Path
    environ: Mapping[str, str]
    ends: ExitStack

    def start(self, name: str, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int | None = None) -> Any:
        """Start ``relay`` with these arguments; it is ended with the stage."""
        command = [sys.executable, "-m", "workers", *arguments]
        log = self.log(name)
        process = child.spawn(command, log=log, environ=self.environ, stdin=stdin, stdout=stdout)
        self.ends.callback(child.stop, process, patience=_PATIENCE)
        return process

    def run(self, name: str, *arguments: str) -> str:
        """Run ``relay`` to its end and return what it printed; raises `DemoError` when it fails."""
        process = self.start(name, *arguments, stdout=subprocess.PIPE)
        try:
            printed: bytes = process.communicate(timeout=_RUNS_AT_MOST)[0]
        except subprocess.TimeoutExpired:
            raise DemoError(f"relay {' '.join(arguments)} did not end within {_RUNS_AT_MOST:.0f} seconds") from None
        if process.returncode != 0:
            said = child.last_words(self.log(name))[:300]
            raise DemoError(f"relay {' '.join(arguments)} failed: {said}; its log is {self.log(name)}")
        return printed.decode()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def free_address() -> str:
    """Return ``HOST:PORT``, free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def start_simulator(stage: Stage, vendor: str) -> Part:
    """Start a vendor's simulator; `ready_simulator` waits for it."""
    name = f"simulator-{vendor}"
    process = stage.start(name, "simulate", vendor, "--port", "0", "--api-key", SECRET, stdout=subprocess.PIPE)
    return Part(name, "", "", process, stage.log(name))


def ready_simulator(part: Part) -> Part:
    """Return the simulator with the addresses that it printed; raises `DemoError`."""
    assert part.process.stdout is not None
    readable, _, _ = select.select([part.process.stdout], [], [], _READY_WITHIN)
    line = part.process.stdout.readline().decode() if readable else ""
    found = re.fullmatch(r"(\S+) simulates .*control (\S+)/_sim/\S*\s*", line)
    if not found:
        raise DemoError(f"{part.name} gave no address: {child.last_words(part.log)[:300]}; its log is {part.log}")
    return Part(part.name, found[1], found[2], part.process, part.log)


def vendor_variables(sink: SinkSpec, base_url: str) -> dict[str, str]:
    """Return what a worker needs to reach the simulator instead of its vendor."""
    wanted = {"BASE_URL": base_url, **terms(sink.vendor).variables}
    return {f"{sink.credentials}_{name}": value for name, value in wanted.items()}


def start_workers(stage: Stage, names: Iterable[str]) -> Part:
    """Start ``relay run NAME...``, all in one process, with a server on a free port; `wait_until_ready` waits."""
    address = free_address()
    own = {"RELAY_HTTP_ADDR": address, "RELAY_INSTANCE_ID": "demo"}
    there = Stage(stage.folder, {**stage.environ, **own}, stage.ends)
    process = there.start("workers", "run", *names)
    return Part("workers", f"http://{address}", f"http://{address}", process, stage.log("workers"))


def wait_until_ready(part: Part, client: httpx.Client) -> None:
    """Return when the worker has joined its group; raises `DemoError`."""
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        part.fail_if_ended()
        if _answers(client, f"{part.url}/readyz"):
            return
        time.sleep(0.05)
    raise DemoError(f"{part.name} was not ready within {_READY_WITHIN:.0f} seconds; its log is {part.log}")


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
