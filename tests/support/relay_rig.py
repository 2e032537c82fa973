"""A worker as a process, on a real Kafka, before a simulated vendor; and what became of every record."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
import orjson

from workers.devkit.simulators import SECRET, SimulatorOptions, load, sink_side
from workers.devkit.simulators.server import Effect

if TYPE_CHECKING:
    from tests.support.kafka_side import KafkaSide

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
KEY = SECRET
PATIENCE = 40.0  # seconds until a condition that should come counts as never coming
RANKS = {"add": 0, "replace": 0, "placed": 1, "paid": 2, "completed": 3, "canceled": 4} | {
    "create": 0, "update": 1, "cancel": 4
}  # fmt: skip
STATES = ("placed", "paid", "completed", "canceled")


def wait_for(what: Callable[[], T | None], why: str, within: float = PATIENCE) -> T:
    """Return the first truthy value of ``what``; fails with ``why``."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {within:g} s: {why}")


class Vendor:
    """The simulator on a loop in a thread of its own, so that a test may block."""

    def __init__(self, name: str = "ecdp", *, port: int = 0) -> None:
        self.name = name
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.simulator: Any = load(name)(SimulatorOptions(port=port, secret=KEY))
        self.url: str = self._run(self.simulator.start())

    @property
    def variables(self) -> dict[str, str]:
        """What leads a worker here."""
        wanted = {"BASE_URL": self.url, **sink_side(self.name).variables}
        return {f"{self.name.upper()}_{name}": value for name, value in wanted.items()}

    def faults(self, **knobs: Any) -> None:
        """Turn some knobs; the others stay."""
        self._run(self.simulator.set_faults(**knobs))

    def well(self) -> None:
        """No fault any more."""
        self._run(self.simulator.server.set_faults(self.simulator.options.faults))

    def stop(self) -> None:
        self._run(self.simulator.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def effects(self) -> list[Effect]:
        return list(self.simulator.ledger.effects)

    @property
    def requests(self) -> Mapping[str, int]:
        return dict(self.simulator.server.requests)

    def stats(self, name: str) -> int:
        found: int = self.simulator.server.stats()[name]
        return found

    @property
    def attempts(self) -> int:
        total: int = self.simulator.server.requests.total()
        return total

    def of(self, order_id: str) -> list[str]:
        """What was applied to an order, in sequence."""
        return [effect.what for effect in self.effects if effect.order_id == order_id]

    def by_order(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for effect in self.effects:
            found[effect.order_id].append(effect.what)
        return found

    def _run(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)


@dataclass
class Relay:
    """One ``relay run`` process."""

    process: subprocess.Popen[bytes]
    name: str
    file: Path
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
            answer = httpx.get(f"{url}/status", timeout=10, trust_env=False).json()
        except httpx.TransportError:
            self._alive()
            raise
        found: dict[str, Any] = answer["workers"][self.name]
        return found

    def wait(self, condition: Callable[[dict[str, Any]], Any], why: str, within: float = PATIENCE) -> dict[str, Any]:
        """Wait until /status shows it; returns that status."""
        last: dict[str, Any] = {}

        def look() -> bool:
            nonlocal last
            last = self.status()
            return bool(condition(last))

        try:
            wait_for(look, why, within)
        except AssertionError as error:
            shown = {key: value for key, value in last.items() if key != "partitions"}
            raise AssertionError(f"{error}\n{shown}\n{last.get('partitions')}\n{self.text[-3000:]}") from None
        return last

    def joined(self) -> Relay:
        self.wait(lambda status: status["state"] == "running", "it never joined")
        return self

    def caught_up(self, within: float = PATIENCE) -> dict[str, Any]:
        """Wait until every partition is committed up to its end."""
        return self.wait(is_caught_up, "lag never reached 0", within)

    def term(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self, within: float = PATIENCE) -> int:
        """SIGTERM; returns the exit status."""
        self.term()
        return self.ended(within)

    def ended(self, within: float = PATIENCE) -> int:
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {within:g} s; {self.text[-2000:]}") from None

    def _alive(self) -> bool:
        assert self.process.poll() is None, f"the worker ended ({self.process.returncode}): {self.text[-2500:]}"
        return True


def launch(workers: Sequence[str], environ: Mapping[str, str], file: Path) -> Relay:
    """Run these workers in one process that writes to ``file``; the first one's status is shown."""
    with file.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers", "run", *workers],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            cwd=ROOT,
            env=environ,
        )
    return Relay(process, workers[0], file)


def relay_command(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one `relay` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "workers", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env=environ,
        check=False,
    )


def is_caught_up(status: dict[str, Any]) -> bool:
    rows = status["partitions"]
    return (
        status["state"] == "running"
        and bool(rows)
        and all(row["end"] is not None and row["committed"] == row["end"] for row in rows)
    )


@dataclass
class Rig:
    """One sink of its own: topics, worker name, vendor, processes."""

    kafka: KafkaSide
    folder: Path
    vendor: Vendor
    settings: dict[str, str] = field(default_factory=dict)
    relays: list[Relay] = field(default_factory=list)
    beside: Vendor | None = None  # of the other sink in the same process

    @property
    def worker(self) -> str:
        return self.kafka.worker

    def start(self, instance: str = "one", **settings: str) -> Relay:
        """``settings``: keys of the worker, such as ``DRAIN="2s"``, or whole variables in lower case."""
        file = self.folder / f"relay-{instance}-{len(self.relays)}.log"
        environ = dict(os.environ) | self._environ(instance) | self._variables(self.settings | settings)
        relay = launch(self._workers(), environ, file)
        self.relays.append(relay)
        return relay

    def _workers(self) -> list[str]:
        return [self.worker, self.kafka.beside.worker] if self.kafka.beside else [self.worker]

    def close(self) -> None:
        for relay in self.relays:
            if relay.process.poll() is None:
                relay.process.send_signal(signal.SIGCONT)
                relay.kill()

    def _environ(self, instance: str) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "RELAY_TOPOLOGY": str(self.kafka.write_config(self.folder)),
            "RELAY_REPLICATION_FACTOR": "1",
            "RELAY_HTTP_ADDR": "127.0.0.1:0",
            "RELAY_INSTANCE_ID": instance,
            "RELAY_LOG_LEVEL": "info",
            **self.vendor.variables,
            **(self.beside.variables if self.beside else {}),
        }

    def _variables(self, settings: Mapping[str, str]) -> dict[str, str]:
        own = f"RELAY__{self.worker.upper().replace('-', '_')}__"
        return {name.upper() if name.islower() else own + name: value for name, value in settings.items()}

    # What became of everything.

    def assert_each_has_one_end(self, expected: Mapping[str, Sequence[str]], *, repeats: int = 0) -> None:
        """Every order has exactly the expected effects in their sequence, apart from ``repeats`` at most in all."""
        found, repeated = self.vendor.by_order(), 0
        assert set(found) == set(expected)
        for order_id, wanted in expected.items():
            effects = ["add" if what == "replace" else what for what in found[order_id]]
            assert set(effects) == set(wanted), (order_id, effects, wanted)
            assert effects[-1] == wanted[-1], (order_id, effects, wanted)
            repeated += len(effects) - len(wanted)
            if not repeats:
                assert effects == list(wanted), (order_id, effects, wanted)
        assert repeated <= repeats, f"{repeated} repeated"

    def assert_never_back(self, times: int = 0) -> None:
        """Per order the effects never go back; ``times``: so often a former owner's work may have begun anew."""
        for order_id, effects in self.vendor.by_order().items():
            ranks = [RANKS[what] for what in effects]
            back = sum(1 for before, after in pairwise(ranks) if after < before)
            assert back <= times, (order_id, effects)

    def assert_no_status_before_its_create(self) -> None:
        seen: set[str] = set()
        for effect in self.vendor.effects:
            if RANKS[effect.what] == 0:
                seen.add(effect.order_id)
            else:
                assert effect.order_id in seen, effect

    def assert_committed_to_the_end(self) -> None:
        committed, ends = self.kafka.committed(), self.kafka.ends()
        assert {at: committed.get(at) for at in ends if ends[at]} == {at: end for at, end in ends.items() if end}


@contextmanager
def open_rig(kafka: KafkaSide, folder: Path, **settings: str) -> Iterator[Rig]:
    """Everything that one test needs, ended with it."""
    with ExitStack() as ends:
        ends.callback(kafka.close)
        vendors = [Vendor(side.vendor) for side in (kafka, kafka.beside) if side is not None]
        for vendor in vendors:
            ends.callback(vendor.stop)
        rig = Rig(kafka, folder, vendors[0], dict(settings), beside=vendors[1] if kafka.beside else None)
        ends.callback(rig.close)
        yield rig


def fresh(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:6]}"


def order_ids(count: int, stem: str = "o") -> list[str]:
    return [f"{stem}{number:05}" for number in range(count)]


def story(ids: Iterable[str], *states: str) -> dict[str, list[str]]:
    """What the vendor should have of each: its create, then these."""
    return {order_id: ["add", *states] for order_id in ids}
