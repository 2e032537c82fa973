"""``python -m workers.devkit.bench.parked``: the rate of replayed orders next to the rate of normal delivery.

One worker runs throughout. Rates are counted at the vendor, from the first delivery to the last. The normal rate is
that of a backlog of ten seconds: the first records come from one fetch, faster than a worker can sustain.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click
import httpx

from workers.devkit import child
from workers.devkit.bench.load import CREATED
from workers.devkit.bench.measure import Timing
from workers.devkit.bench.setup import SINK, Bench, set_up
from workers.devkit.demo.processes import DemoError, ProcessGroup, Server, free_address, wait_until_ready

BACKLOG: Final = 50_000  # orders of the normal delivery
ORDERS: Final = 10_000  # that are parked and replayed
ROUNDS: Final = 5
LATENCY_S: Final = 0.03  # of the vendor
MIN_SHARE: Final = 0.8  # of the normal rate
_WITHIN_S: Final = 120.0
_POLL_INTERVAL_S: Final = 0.02  # more often would take the worker's processor time
_IDS: Final = [f"SO-{number:08d}" for number in range(ORDERS)]


@dataclass(frozen=True, slots=True)
class Running:
    """The benchmark's processes, the worker among them."""

    bench: Bench
    processes: ProcessGroup
    worker: Server
    client: httpx.Client

    def rate(self, orders: int, begin: Callable[[], Any]) -> float:
        """Orders a second at the vendor, from the first delivery after ``begin`` to the last of so many."""
        before = self.bench.vendor.orders()
        begin()
        until, seen, looks = time.monotonic() + _WITHIN_S, 0, []
        while seen < orders:
            seen = self.bench.vendor.orders() - before
            if seen:
                looks.append((time.monotonic(), seen))
            if time.monotonic() > until:
                raise DemoError(f"{seen} of {orders} orders were delivered in {_WITHIN_S:g} s; see {self.worker.log}")
            time.sleep(_POLL_INTERVAL_S)
        (began, first), (ended, last) = looks[0], looks[-1]
        return (last - first) / (ended - began)

    def normal(self) -> float:
        """Return the rate of a backlog of orders for a worker that runs already."""
        self.worker.process.send_signal(signal.SIGSTOP)
        self.bench.publish(CREATED, BACKLOG)
        rate = self.rate(BACKLOG, lambda: self.worker.process.send_signal(signal.SIGCONT))
        self._wait(lambda status: not status["lag_records"])
        return rate

    def park(self) -> None:
        """Park all orders: the vendor refuses them."""
        self.set_vendor(latency=0.0, bad_ids=_IDS)
        self.bench.publish(CREATED, ORDERS)
        self._wait(lambda status: status["parked_orders"] == ORDERS and not status["lag_records"])
        self.set_vendor(latency=LATENCY_S, bad_ids=[])

    def replay(self) -> tuple[float, float]:
        """Replay all parked orders; returns the rate, and the seconds that the command took."""
        began, took = time.monotonic(), 0.0

        def command() -> None:
            nonlocal took
            printed = self.processes.run("replay", "parked", "replay", "--sink", SINK, "--all")
            took = time.monotonic() - began
            assert printed.count(" delivered ") == ORDERS, "each order has its line"

        replaying = threading.Thread(target=command)
        rate = self.rate(ORDERS, replaying.start)
        replaying.join()
        if not took:
            raise DemoError(f"the command failed; see {self.processes.log('replay')}")
        return rate, took

    def _wait(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        until = time.monotonic() + _WITHIN_S
        while not condition(self._get(f"{self.worker.url}/status")["workers"][SINK]):
            self.worker.fail_if_ended()
            if time.monotonic() > until:
                raise DemoError(f"the worker makes no progress; see {self.worker.log}")
            time.sleep(0.2)

    def set_vendor(self, **knobs: Any) -> None:
        """Set the simulator's faults."""
        self.client.post(f"{self.bench.vendor.part.control}/_sim/faults", json=knobs).raise_for_status()

    def _get(self, url: str) -> Any:
        return self.client.get(url).raise_for_status().json()


def main() -> None:
    """Measure and print; exit status 1 when the median replay is slower than it may be."""
    with set_up(Timing(0.0, 0.0), click.echo) as bench:
        running = _start(bench)
        running.set_vendor(latency=LATENCY_S)
        running.normal()  # connections and caches
        rows = [_round(running) for _ in range(ROUNDS)]
    normal, replay = (statistics.median(column) for column in zip(*rows, strict=True))
    share = statistics.median(replayed / normally for normally, replayed in rows)
    click.echo(f"medians: {normal:,.0f}/s normal, {replay:,.0f}/s replayed: {share:.0%} (at least {MIN_SHARE:.0%})")
    sys.exit(int(share < MIN_SHARE))


def _round(running: Running) -> tuple[float, float]:
    normal = running.normal()
    running.park()
    replay, took = running.replay()
    click.echo(
        f"{ORDERS:,} parked, vendor {LATENCY_S * 1000:.0f} ms: {normal:,.0f}/s normal, {replay:,.0f}/s replayed "
        f"({replay / normal:.0%}), the command {took:.1f} s"
    )
    return normal, replay


def _start(bench: Bench) -> Running:
    address = free_address()
    own = {"RELAY_HTTP_ADDR": address, "RELAY__ECDP_SINK__SUSPECT_AFTER": str(10 * ORDERS)}
    processes = ProcessGroup(bench.processes.folder, {**bench.processes.environ, **own}, bench.processes.ends)
    process: subprocess.Popen[bytes] = processes.start(SINK, "run", SINK)
    processes.ends.callback(child.stop, process, patience=30.0)
    worker = Server(SINK, f"http://{address}", f"http://{address}", process, processes.log(SINK))
    client = processes.ends.enter_context(httpx.Client(trust_env=False, timeout=10.0))
    wait_until_ready(worker, client)
    return Running(bench, processes, worker, client)


if __name__ == "__main__":
    main()
