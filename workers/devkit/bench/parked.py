"""How fast parked orders are delivered again, beside the same orders' normal delivery.

python -m workers.devkit.bench.parked

One worker runs throughout. Its rates are counted at the vendor, from the first delivery to the last. Its normal rate
is that of a backlog which takes it ten seconds: the first thousands, fetched in one go, come faster than it can last.
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
from workers.devkit.bench.measure import Span
from workers.devkit.bench.stage import SINK, Bench, set_up
from workers.devkit.demo.parts import DemoError, Part, Stage, free_address, wait_until_ready

BACKLOG: Final = 50_000  # orders of the normal delivery
ORDERS: Final = 10_000  # that are parked and replayed
ROUNDS: Final = 5
LATENCY: Final = 0.03  # of the vendor, seconds
LEAST: Final = 0.8  # of the normal rate
_WITHIN: Final = 120.0
_LOOK_EVERY: Final = 0.02
_IDS: Final = [f"SO-{number:08d}" for number in range(ORDERS)]


@dataclass(frozen=True, slots=True)
class Running:
    """The parts, and the worker among them."""

    bench: Bench
    stage: Stage
    worker: Part
    client: httpx.Client

    def rate(self, orders: int, begin: Callable[[], Any]) -> float:
        """Orders a second at the vendor, from the first delivery after ``begin`` to the last of so many."""
        before = self.bench.vendor.orders()
        begin()
        until, seen, looks = time.monotonic() + _WITHIN, 0, []
        while seen < orders:
            seen = self.bench.vendor.orders() - before
            if seen:
                looks.append((time.monotonic(), seen))
            if time.monotonic() > until:
                raise DemoError(f"{seen} of {orders} orders were delivered in {_WITHIN:g} s; see {self.worker.log}")
            time.sleep(_LOOK_EVERY)  # not oftener: it takes the processors' time
        (began, first), (ended, last) = looks[0], looks[-1]
        return (last - first) / (ended - began)

    def normal(self) -> float:
        """A backlog of orders, met by a worker that runs already."""
        self.worker.process.send_signal(signal.SIGSTOP)
        self.bench.publish(CREATED, BACKLOG)
        rate = self.rate(BACKLOG, lambda: self.worker.process.send_signal(signal.SIGCONT))
        self._wait(lambda status: not status["lag_records"])
        return rate

    def park(self) -> None:
        """The vendor refuses all of them."""
        self.set_vendor(latency=0.0, bad_ids=_IDS)
        self.bench.publish(CREATED, ORDERS)
        self._wait(lambda status: status["parked_orders"] == ORDERS and not status["lag_records"])
        self.set_vendor(latency=LATENCY, bad_ids=[])

    def replay(self) -> tuple[float, float]:
        """Deliver all of them again; returns the rate, and how many seconds the command took in all."""
        began, took = time.monotonic(), 0.0

        def command() -> None:
            nonlocal took
            printed = self.stage.run("replay", "parked", "replay", "--sink", SINK, "--all")
            took = time.monotonic() - began
            assert printed.count(" delivered ") == ORDERS, "each order has its line"

        asking = threading.Thread(target=command)
        rate = self.rate(ORDERS, asking.start)
        asking.join()
        if not took:
            raise DemoError(f"the command failed; see {self.stage.log('replay')}")
        return rate, took

    def _wait(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        until = time.monotonic() + _WITHIN
        while not condition(self._get(f"{self.worker.url}/status")["workers"][SINK]):
            self.worker.fail_if_ended()
            if time.monotonic() > until:
                raise DemoError(f"nothing moves any more; see {self.worker.log}")
            time.sleep(0.2)

    def set_vendor(self, **knobs: Any) -> None:
        """Turn knobs of the simulator."""
        self.client.post(f"{self.bench.vendor.part.control}/_sim/faults", json=knobs).raise_for_status()

    def _get(self, url: str) -> Any:
        return self.client.get(url).raise_for_status().json()


def main() -> None:
    """Measure and print; exit status 1 when the median replay is slower than it may be."""
    with set_up(Span(0.0, 0.0), click.echo) as bench:
        running = _start(bench)
        running.set_vendor(latency=LATENCY)
        running.normal()  # connections and caches
        rows = [_round(running) for _ in range(ROUNDS)]
    normal, replay = (statistics.median(column) for column in zip(*rows, strict=True))
    share = statistics.median(replayed / normally for normally, replayed in rows)
    click.echo(f"medians: {normal:,.0f}/s normal, {replay:,.0f}/s replayed: {share:.0%} (at least {LEAST:.0%})")
    sys.exit(int(share < LEAST))


def _round(running: Running) -> tuple[float, float]:
    normal = running.normal()
    running.park()
    replay, took = running.replay()
    click.echo(
        f"{ORDERS:,} parked, vendor {LATENCY * 1000:.0f} ms: {normal:,.0f}/s normal, {replay:,.0f}/s replayed "
        f"({replay / normal:.0%}), the command {took:.1f} s"
    )
    return normal, replay


def _start(bench: Bench) -> Running:
    address = free_address()
    own = {"RELAY_HTTP_ADDR": address, "RELAY__ECDP_SINK__SUSPECT_AFTER": str(10 * ORDERS)}
    stage = Stage(bench.stage.folder, {**bench.stage.environ, **own}, bench.stage.ends)
    process: subprocess.Popen[bytes] = stage.start(SINK, "run", SINK)
    stage.ends.callback(child.stop, process, patience=30.0)
    worker = Part(SINK, f"http://{address}", f"http://{address}", process, stage.log(SINK))
    client = stage.ends.enter_context(httpx.Client(trust_env=False, timeout=10.0))
    wait_until_ready(worker, client)
    return Running(bench, stage, worker, client)


if __name__ == "__main__":
    main()
