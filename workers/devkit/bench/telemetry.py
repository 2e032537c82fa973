"""What traces and metrics cost: pairs of runs, without a collector, and with one and a tenth of the traces sampled.

``python -m workers.devkit.bench.telemetry [--pairs N]``. A machine's speed drifts, so each pair is of neighbours.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import click

from workers.devkit.bench.load import CREATED, STATUS
from workers.devkit.bench.measure import Row, Timing
from workers.devkit.bench.setup import Bench, set_up
from workers.devkit.broker.errors import BrokerError
from workers.devkit.demo.processes import DemoError
from workers.edges.kafka.client import KafkaFailed

SAMPLED: Final = 0.1
MOST: Final = 0.05  # of the rate
TIMING: Final = Timing(5.0, 3.0)  # the exporters are opened in the first seconds, once in a process
_LATENCY_S: Final = 0.05
_RECORDS: Final = 25_000  # in the backlog, for each run


@dataclass(frozen=True, slots=True)
class Load:
    """One of the two loads: its backlog, and how a run of it is measured."""

    topic: str
    run: Callable[[Bench], Row]


def _statuses(bench: Bench) -> Row:
    return bench.statuses(256, _LATENCY_S)


def _orders(bench: Bench) -> Row:
    return bench.orders(64, 100, _LATENCY_S)


LOADS: Final = (Load(STATUS, _statuses), Load(CREATED, _orders))


@click.command()
@click.option("--pairs", default=3, show_default=True, help="Of runs, for each load.")
def main(pairs: int) -> None:
    """Measure and print one line a load; nothing but a number: a busy machine decides more than 5 %."""
    try:
        for load in LOADS:
            click.echo(_line(*_measured(load, pairs)))
    except (DemoError, BrokerError, KafkaFailed) as error:
        raise click.ClickException(str(error)) from error


def _measured(load: Load, pairs: int) -> tuple[list[Row], list[Row]]:
    """The rows without and with telemetry, in pairs."""
    without, with_it = list[Row](), list[Row]()
    with set_up(TIMING, partial(click.echo, err=True)) as bench, collector() as url:
        bench.publish(load.topic, 2 * pairs * _RECORDS)
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(SAMPLED),
        }
        observed = replace(bench, processes=replace(bench.processes, environ={**bench.processes.environ, **variables}))
        for _ in range(pairs):
            without.append(load.run(bench))
            with_it.append(load.run(observed))
    return without, with_it


def _line(without: list[Row], with_it: list[Row]) -> str:
    kept = statistics.median(after.rate / before.rate for before, after in zip(without, with_it, strict=True))
    cpu = [min((row.cpu_us for row in rows if row.cpu_us is not None), default=0.0) for rows in (without, with_it)]
    rates = [statistics.median(row.rate for row in rows) for rows in (without, with_it)]
    what = f"{without[0].what}, {SAMPLED:.0%} of traces sampled and metrics exported"
    change = f"{rates[0]:,.0f}/s -> {rates[1]:,.0f}/s, {kept - 1:+.1%} (at most {-MOST:.0%})"
    return f"{what}: {change}; least CPU a record {cpu[0]:.0f} -> {cpu[1]:.0f} us"


@contextmanager
def collector() -> Iterator[str]:
    """The address of one that takes everything."""

    class Collector(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    main()
