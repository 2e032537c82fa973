"""`relay` as a process: workers that run beside a test, and commands that run to their end.

Each process is forked from a server that has imported the whole relay, for the imports cost more than the rest of a
start. The tests of the demo, and some of `tests/cli` and of the README, start `python -m workers` as a shell does.
"""

import gc
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self, TypeAlias

import httpx
import orjson

from tests.support.waiting import PATIENCE_S, wait_for
from workers.app.config.topics_yaml import vendor_names
from workers.cli.commands import run

ROOT = Path(__file__).parents[2]
COMMAND_WITHIN_S = 120.0
Ends: TypeAlias = Mapping[tuple[str, int], int]
HTTP = httpx.Client(trust_env=False, timeout=10, limits=httpx.Limits(max_keepalive_connections=0))
"""One for all looks: each new client reads every CA certificate, 50 ms of processor time."""
_SERVER = multiprocessing.get_context("forkserver")
_VENDORS = [f"workers.vendors.{vendor}" for vendor in vendor_names()]
_LATE = [
    f"workers.{name}" for name in ("app.runtime.health", "edges.telemetry.otlp_metrics", "edges.telemetry.otlp_session")
]
_SERVER.set_forkserver_preload([__name__, "workers.app.runtime.process", *_LATE, *_VENDORS])


def fork(arguments: Sequence[str], environ: Mapping[str, str], out: Path, err: Path) -> BaseProcess:
    """Start ``relay ARGUMENTS``, which appends to these files, from the server that has imported everything."""
    process = _SERVER.Process(target=_relay, args=(list(arguments), dict(environ), out, err), daemon=True)
    process.start()
    return process


def _relay(arguments: list[str], environ: dict[str, str], out: Path, err: Path) -> None:
    gc.freeze()  # what the server has imported lives on to the end
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
    for stream, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    sys.exit(run(arguments))


def exit_status(process: BaseProcess, within_s: float, log: Path) -> int:
    """Wait for the end of a process; it fails with the end of the log when it does not come."""
    process.join(within_s)
    assert process.exitcode is not None, f"it did not end within {within_s:g} s; {log.read_text()[-2000:]}"
    return process.exitcode


@dataclass(frozen=True)
class Ran:
    """The exit status and the output of one command line."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Relay:
    """One ``relay run`` process; the first of its workers is the one whose status is shown."""

    process: BaseProcess
    name: str
    file: Path
    ends: Callable[[], Ends] = dict  # of the topics that its sink consumes, as Kafka knows them now
    _url: str = ""

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = self.file.read_bytes().splitlines() if self.file.exists() else []
        return [orjson.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]

    @property
    def text(self) -> str:
        return self.file.read_text(errors="replace")

    def said(self, action: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["action"] == action]

    @property
    def url(self) -> str:
        if not self._url:
            wait_for(lambda: self._alive() and self.said("listening"), "it never listened")
            self._url = self.said("listening")[0]["address"]
        return self._url

    def status(self) -> dict[str, Any]:
        url = self.url
        try:
            answer = HTTP.get(f"{url}/status").json()
        except httpx.TransportError:
            self._alive()
            raise
        found: dict[str, Any] = answer["workers"][self.name]
        return found

    def wait(
        self, condition: Callable[[dict[str, Any]], Any], why: str, within_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait until the condition holds for /status; returns that status."""
        last: dict[str, Any] = {}

        def look() -> bool:
            nonlocal last
            last = self.status()
            return bool(condition(last))

        try:
            wait_for(look, why, within_s)
        except AssertionError as error:
            shown = {key: value for key, value in last.items() if key != "partitions"}
            raise AssertionError(f"{error}\n{shown}\n{last.get('partitions')}\n{self.text[-3000:]}") from None
        return last

    def joined(self) -> Self:
        self.wait(lambda status: status["state"] == "running", "it never joined")
        return self

    def caught_up(self, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until everything that was published before this call is committed."""
        ends = self.ends()
        return self.wait(lambda status: is_caught_up(status, ends), "lag never reached 0", within_s)

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def term(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def stop(self, within_s: float = PATIENCE_S) -> int:
        """SIGTERM; returns the exit status."""
        self.term()
        return self.ended(within_s)

    def ended(self, within_s: float = PATIENCE_S) -> int:
        return exit_status(self.process, within_s, self.file)

    def _alive(self) -> bool:
        assert self.process.is_alive(), f"the worker ended ({self.process.exitcode}): {self.text[-2500:]}"
        return True


def at_least(counter: str, count: int) -> Callable[[dict[str, Any]], bool]:
    """The condition that a counter of /status has reached ``count``."""
    return lambda status: bool(status[counter] >= count)


def is_caught_up(status: dict[str, Any], ends: Ends) -> bool:
    """Whether each partition is committed up to these ends, and to the end that the worker knows."""
    rows = status["partitions"]
    return (
        status["state"] == "running"
        and bool(rows)
        and all(row["end"] is not None and row["committed"] == row["end"] for row in rows)
        and all(row["end"] >= ends.get((row["topic"], row["partition"]), 0) for row in rows)
    )


@dataclass(frozen=True)
class Command:
    """A command that goes on beside the test."""

    process: BaseProcess
    out: Path
    err: Path

    def interrupt(self) -> None:
        """Ctrl-C."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)

    def ended(self) -> Ran:
        status = exit_status(self.process, COMMAND_WITHIN_S, self.err)
        return Ran(status, self.out.read_text(), self.err.read_text())


def launch(workers: Sequence[str], environ: Mapping[str, str], file: Path) -> Relay:
    """Run these workers in one process that writes to ``file``."""
    return Relay(fork(["run", *workers], environ, file, file), workers[0], file)


@dataclass
class Processes:
    """All `relay` processes of one test; the workers end with it."""

    bootstrap: str
    folder: Path  # of topics.yaml and the workers' logs
    variables: Mapping[str, str]  # of the vendors
    withheld: tuple[str, ...] = ()  # variables that workers need, and commands must do without
    relays: list[Relay] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def run(self, *workers: str, instance: str = "one", **variables: str) -> Relay:
        """Start these workers in one process; ``variables`` go beside the common ones."""
        file = self.folder / f"relay-{instance}-{len(self.relays)}.log"
        relay = launch(workers, self._environ(instance) | variables, file)
        self.relays.append(relay)
        return relay

    def begin(self, *arguments: str) -> Command:
        """Start a command, which goes on beside the test."""
        environ = {name: value for name, value in self._environ("cli").items() if name not in self.withheld}
        out, err = (self.folder / f"command-{len(self.commands)}.{stream}" for stream in ("out", "err"))
        command = Command(fork(arguments, environ | {"LOGNAME": "ada"}, out, err), out, err)
        self.commands.append(command)
        return command

    def command(self, *arguments: str) -> Ran:
        """Run a command to its end."""
        return self.begin(*arguments).ended()

    def logs(self) -> str:
        """The ends of the last two workers' logs."""
        return "\n".join(relay.text[-1500:] for relay in self.relays[-2:])

    def close(self) -> None:
        started = [*(relay.process for relay in self.relays), *(command.process for command in self.commands)]
        for process in started:
            process.kill()
            process.join()

    def _environ(self, instance: str) -> dict[str, str]:
        return dict(os.environ) | {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "RELAY_TOPOLOGY": str(self.folder / "topics.yaml"),
            "RELAY_REPLICATION_FACTOR": "1",
            "RELAY_HTTP_ADDR": "127.0.0.1:0",
            "RELAY_INSTANCE_ID": instance,
            "RELAY_LOG_LEVEL": "info",
            **self.variables,
        }
