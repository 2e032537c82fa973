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
from typing import Any, Final

import httpx

from workers.app.config.overrides import variable_name
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.devkit import child
from workers.devkit.simulators import SECRET, sink_side

_BUDGET: Final = "1000000"  # requests: the intervals of the demo are not those of a vendor that counts
_READY_WITHIN_S: Final = 30.0
_RUN_WITHIN_S: Final = 60.0
_STOP_WITHIN_S: Final = 8.0  # by SIGTERM, before SIGKILL


class DemoError(RuntimeError):
    """The demo cannot go on; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running process with an HTTP address."""

    name: str
    url: str  # a vendor's base URL, a worker's server
    control: str  # a simulator's control port, or the same
    process: subprocess.Popen[bytes]
    log: Path

    def fail_if_ended(self) -> None:
        """Raise `DemoError` with the last line of its log when the process has ended."""
        if self.process.poll() is not None:
            said = child.last_words(self.log)[:300]
            raise DemoError(f"{self.name} ended with status {self.process.returncode}: {said}; its log is {self.log}")


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Processes with a common log folder and environment; ``ends`` ends them in reverse."""

    folder: Path
    environ: Mapping[str, str]
    ends: ExitStack

    def start(self, name: str, *arguments: str, stdin: int = subprocess.DEVNULL, stdout: int | None = None) -> Any:
        """Start ``relay`` with these arguments; ``ends`` ends it."""
        command = [sys.executable, "-m", "workers", *arguments]
        log = self.log(name)
        process = child.spawn(command, log=log, environ=self.environ, stdin=stdin, stdout=stdout)
        self.ends.callback(child.stop, process, patience=_STOP_WITHIN_S)
        return process

    def run(self, name: str, *arguments: str) -> str:
        """Run ``relay`` to its end and return what it printed; raises `DemoError` when it fails."""
        process = self.start(name, *arguments, stdout=subprocess.PIPE)
        try:
            printed: bytes = process.communicate(timeout=_RUN_WITHIN_S)[0]
        except subprocess.TimeoutExpired:
            raise DemoError(f"relay {' '.join(arguments)} did not end within {_RUN_WITHIN_S:.0f} seconds") from None
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


def start_simulator(processes: ProcessGroup, vendor: str) -> Server:
    """Start a vendor's simulator; `ready_simulator` waits for it."""
    name = f"simulator-{vendor}"
    process = processes.start(name, "simulate", vendor, "--port", "0", "--api-key", SECRET, stdout=subprocess.PIPE)
    return Server(name, "", "", process, processes.log(name))


def ready_simulator(server: Server) -> Server:
    """Return the simulator with the addresses that it printed; raises `DemoError`."""
    assert server.process.stdout is not None
    readable, _, _ = select.select([server.process.stdout], [], [], _READY_WITHIN_S)
    line = server.process.stdout.readline().decode() if readable else ""
    found = re.fullmatch(r"(\S+) simulates .*control (\S+)/_sim/\S*\s*", line)
    if not found:
        raise DemoError(f"{server.name} gave no address: {child.last_words(server.log)[:300]}; its log is {server.log}")
    return Server(server.name, found[1], found[2], server.process, server.log)


def vendor_variables(sink: SinkSpec, base_url: str) -> dict[str, str]:
    """Return the variables that lead a worker to the simulator instead of its vendor."""
    wanted = {"BASE_URL": base_url, **sink_side(sink.vendor).variables}
    return budget_variables(sink) | {f"{sink.credentials}_{name}": value for name, value in wanted.items()}


def budget_variables(worker: SinkSpec | PollerSpec) -> dict[str, str]:
    """Return the budget of a worker that has one. All workers of an account get the same."""
    return {} if worker.budget is None else {variable_name(worker.name, ("budget", "requests")): _BUDGET}


def start_workers(processes: ProcessGroup, names: Iterable[str]) -> Server:
    """Start ``relay run NAME...``, all in one process, with a server on a free port; `wait_until_ready` waits."""
    address = free_address()
    own = {"RELAY_HTTP_ADDR": address, "RELAY_INSTANCE_ID": "demo"}
    workers = ProcessGroup(processes.folder, {**processes.environ, **own}, processes.ends)
    process = workers.start("workers", "run", *names)
    return Server("workers", f"http://{address}", f"http://{address}", process, processes.log("workers"))


def wait_until_ready(server: Server, client: httpx.Client, within_s: float = _READY_WITHIN_S) -> None:
    """Return when the worker has joined its group; raises `DemoError`."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        server.fail_if_ended()
        if _answers(client, f"{server.url}/readyz"):
            return
        time.sleep(0.05)
    raise DemoError(f"{server.name} were not ready within {within_s:.0f} seconds; the log is {server.log}")


def _answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.TransportError:
        return False
