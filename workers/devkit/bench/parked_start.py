"""The time to a worker's first delivery, and its memory, with a hundred thousand parked orders.

python -m workers.devkit.bench.parked_start
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Final

import click
import httpx

from workers.app.config.specs import SinkSpec
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, parked_headers
from workers.core.parked.rows import fence_row
from workers.core.record import Headers, Record
from workers.devkit import child
from workers.devkit.bench.load import CREATED
from workers.devkit.bench.measure import Timing, peak_memory
from workers.devkit.bench.setup import SINK, Bench, set_up
from workers.devkit.demo.processes import DemoError, ProcessGroup, free_address
from workers.edges.kafka.publisher import open_publisher
from workers.edges.kafka.reader import partition_of

PARKED: Final = 100_000
ROUNDS: Final = 3
WITHIN: Final = 10.0  # seconds
_PATIENCE: Final = 60.0
_DETAIL: Final = "ECDP refuses it (400 Bad Request): The field currency must be a string with a length of 3 to 3."


def main() -> None:
    """Measure and print; exit status 1 when a start takes longer than it may."""
    with set_up(Timing(0.0, 0.0), click.echo) as bench:
        _, bare = _start(bench, 0)
        _fill(bench, bench.configuration.config.sinks[SINK])
        rows = [_start(bench, number) for number in range(1, ROUNDS + 1)]
    each = (max(peak for _, peak in rows) - bare) * 1024 * 1024 / PARKED
    click.echo(f"{each:,.0f} bytes of memory per parked order")
    sys.exit(int(max(took for took, _ in rows) > WITHIN))


def _start(bench: Bench, number: int) -> tuple[float, float]:
    """Seconds from the process's start to its first delivery, and its peak memory in MiB."""
    bench.publish(CREATED, 1)
    before, began = bench.vendor.orders(), time.monotonic()
    address = free_address()
    processes = ProcessGroup(
        bench.processes.folder, {**bench.processes.environ, "RELAY_HTTP_ADDR": address}, bench.processes.ends
    )
    process = processes.start(SINK, "run", SINK)
    try:
        while bench.vendor.orders() == before:
            if process.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise DemoError(f"nothing was delivered: {child.last_words(processes.log(SINK))[:300]}")
            time.sleep(0.02)
        took = time.monotonic() - began
        parked = httpx.get(f"http://{address}/status", trust_env=False).json()["workers"][SINK]["parked_orders"]
        peak = peak_memory(process.pid) or 0.0
    finally:
        child.stop(process, patience=30.0)
    click.echo(f"start {number}, {parked:,} parked orders: first delivery after {took:.1f} s, {peak:,.0f} MiB")
    return took, peak


def _fill(bench: Bench, sink: SinkSpec) -> None:
    """Write what a worker would have written, had it parked so many orders."""
    click.echo(f"parking {PARKED:,} orders")
    topic = bench.configuration.config.topics[sink.parks]
    with open_publisher(bench.configuration.settings.kafka) as publisher:
        for name, number, key, value, headers in _rows(sink, topic.partitions):
            publisher.send(name, key, value, headers, partition=number)
        publisher.finish()


def _rows(sink: SinkSpec, partitions: int) -> Iterator[tuple[str, int, bytes, bytes, Headers]]:
    now_ms = time.time_ns() // 1_000_000
    places = [0] * partitions
    for order in range(PARKED):
        key = b"SO-%08d" % (order + 1_000_000)  # none of those that are published
        number = partition_of(key, partitions)
        place, places[number] = places[number], places[number] + 1
        record = Record(CREATED, number, place, now_ms, key, b"\xff" * 300)
        headers = parked_headers(record, sink.name, Parking(ParkReason.REJECTED, _DETAIL, 400, 1), now_ms)
        yield sink.parks, number, key, record.value or b"", headers
        fence = Fence(ParkReason.REJECTED, _DETAIL, now_ms, 1, place, place, creates_order=True)
        yield sink.parked_state, number, key, fence_row(fence), ()


if __name__ == "__main__":
    main()
