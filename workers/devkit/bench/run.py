"""``python -m workers.devkit.bench.run [--quick] [--json]``: the relay's rates next to the transport's own ceiling.

Kafka, the vendor's simulator and one worker process at a time share this machine's processors. A rate is what the
simulator has applied over the middle of a run, start excluded.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import click
import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from workers.devkit.bench.live import Live
from workers.devkit.bench.load import CREATED, STATUS
from workers.devkit.bench.measure import Row, Timing
from workers.devkit.bench.setup import Bench, set_up
from workers.devkit.broker.errors import BrokerError
from workers.devkit.demo.processes import DemoError
from workers.edges.kafka.client import KafkaFailed

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is measured."""

    timing: Timing
    latencies: tuple[float, ...]
    statuses: int  # the backlogs, records
    orders: int


FULL = Scope(Timing(2.0, 6.0), (0.0, 0.05, 0.2), statuses=250_000, orders=200_000)
QUICK = Scope(Timing(1.5, 4.0), (0.05,), statuses=60_000, orders=60_000)
_IN_FLIGHT = (64, 256)


@click.command()
@click.option(
    "--quick", is_flag=True, help="Vendor latency 50 ms alone, shorter runs: under 90 s instead of 6 minutes."
)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def main(*, quick: bool, as_json: bool) -> None:
    """Measure and print one table."""
    console = Console(stderr=True)
    scope = QUICK if quick else FULL
    try:
        live, rows = _live(scope, console), _rows(scope, console)
    except (DemoError, BrokerError, KafkaFailed) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(orjson.dumps([*(row.as_json() for row in rows), live.as_json()]))
    else:
        _print(rows)
        click.echo(_live_line(live))


def _live(scope: Scope, console: Console) -> Live:
    with console.status("") as status:
        announce = partial(_announce, console, status.update)
        with set_up(scope.timing, announce) as bench:
            announce("live statuses of known orders")
            live = bench.live()
    console.print(_live_line(live), highlight=False)
    return live


def _live_line(live: Live) -> str:
    return (
        f"live, {live.rate} statuses/s of known orders, from append to vendor request: "
        f"p50 {live.p50_ms:.1f} ms, p99 {live.p99_ms:.1f} ms"
    )


def _rows(scope: Scope, console: Console) -> list[Row]:
    """Run both halves; each has its own Kafka, so that neither is measured with the other's records."""
    rows: list[Row] = []
    with console.status("") as status:
        announce = partial(_announce, console, status.update)
        for half in (_statuses, _orders):
            with set_up(scope.timing, announce) as bench:
                for row in half(bench, scope, announce):
                    rows.append(row)
                    console.print(_line(row), highlight=False)
    return rows


def _announce(console: Console, update: Callable[[str], None], text: str) -> None:
    update(text)
    if not console.is_terminal:
        console.print(text, highlight=False)


def _statuses(bench: Bench, scope: Scope, announce: Callable[[str], None]) -> Iterator[Row]:
    for in_flight in _IN_FLIGHT:
        for latency in scope.latencies:
            announce(f"transport alone, {in_flight} in flight, vendor {_ms(latency)}")
            yield bench.ceiling(in_flight, latency)
    _publish(bench, STATUS, scope.statuses, announce)
    for in_flight in _IN_FLIGHT:
        for latency in scope.latencies:
            announce(f"relay, PUT status, {in_flight} in flight, vendor {_ms(latency)}")
            yield bench.statuses(in_flight, latency)
    for latency in scope.latencies:
        announce(f"poll, await httpx, commit; vendor {_ms(latency)}")
        yield bench.plain(latency)


def _orders(bench: Bench, scope: Scope, announce: Callable[[str], None]) -> Iterator[Row]:
    _publish(bench, CREATED, scope.orders, announce)
    for latency in scope.latencies:
        announce(f"relay, order-created, vendor {_ms(latency)}")
        yield bench.orders(_IN_FLIGHT[0], _BATCH, latency)


def _publish(bench: Bench, topic: str, count: int, announce: Callable[[str], None]) -> None:
    announce(f"publishing a backlog of {count:,} {topic}")
    bench.publish(topic, count)


def _line(row: Row) -> str:
    return f"{row.what}, {row.in_flight} in flight, vendor {_ms(row.latency)}: {row.rate:,.0f}/s"


def _ms(latency: float) -> str:
    return f"{latency * 1000:.0f} ms"


def _print(rows: list[Row]) -> None:
    where = f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}"
    load = f"load average before {os.getloadavg()[2]:.1f}, now {os.getloadavg()[0]:.1f}"
    table = Table(title=f"Order Relay on {where}; {load}", box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column("what")
    for heading in ("in flight", "vendor", "records/s", "of ideal", "CPU/record", "peak memory", "first after"):
        table.add_column(heading, justify="right", no_wrap=True)
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and before.what != row.what:
            table.add_section()
        table.add_row(*_cells(row))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what if row.together == 1 else f"{row.what} by {row.together}",
        str(row.in_flight),
        _ms(row.latency),
        f"{row.rate:,.0f}",
        "" if row.ideal is None else f"{row.rate / row.ideal:.1%}",
        "?" if row.cpu_us is None else f"{row.cpu_us:,.0f} \u00b5s",
        "?" if row.peak_mib is None else f"{row.peak_mib:,.0f} MiB",
        f"{row.first:.1f} s",
    )


if __name__ == "__main__":
    main()
