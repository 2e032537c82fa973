"""What a poller costs: memory for a million orders and for a set, recovery after a crash, a page without a change.

python -m workers.devkit.bench.poller
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click
import httpx
import orjson

from workers.app.poll.rows import load_state
from workers.core.poll.change import VendorOrder, order_key
from workers.core.poll.cursor import first_cursor
from workers.core.poll.last_published import change_of
from workers.core.poll.sets.book import SetBook
from workers.core.poll.shard_state import ROW_VERSION, RowKind, ShardState
from workers.core.poll.time_range import TimeRange
from workers.core.record import Partition
from workers.devkit.broker.broker import Broker
from workers.devkit.simulators.dcl_orders import Version, row
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import load_topic
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.publisher import open_publisher
from workers.vendors.contract import Reading
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.poller import DclPoller
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.orders import order_row
from workers.vendors.e2cc.poller import SETS
from workers.vendors.e2cc.records import Making

TRACKED: Final = 1_000_000
REBUILT: Final = 100_000
SET_ROWS: Final = 100_000
PAGES: Final = 50
PAGE: Final = 100
STATE: Final = "dcl-poll-state"
SCHEMA: Final = Path(__file__).parents[3] / "schemas" / f"{STATE}.avsc"
NOW_MS: Final = 1_790_000_000_000
STAMP: Final = "2026-09-21T07:13:20-07:00"
ACCOUNT: Final = {
    "BASE_URL": "https://api.dclcorp.com/api/v1",
    "USERNAME": "demo",
    "PASSWORD": "demo",
    "TIME_ZONE": "America/Los_Angeles",
}


def main() -> None:
    """Measure all of them and print them; exit status 1 when one is over its limit."""
    rows = [_page(), _rebuild(), _set_memory(), _memory()]
    for what, found, unit, limit in rows:
        click.echo(f"{what:<58}{found:>9.1f} {unit:<4} (at most {limit:g})")
    sys.exit(int(any(found > limit for _, found, _, limit in rows)))


def _memory() -> tuple[str, float, str, float]:
    """Peak of the process, interpreter and all; last, for a peak does not go back."""
    state = ShardState()
    (order,) = _orders(range(1))
    found = change_of(None, order, fields=FIELDS, first_op="created", now_ms=NOW_MS)
    assert found is not None, "a first look is a change"
    for number in range(TRACKED):
        state.put_order(order_key(order.account, f"ORDER-{number:09}"), replace(found[1], sequence=number).pack())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"memory with {len(state.orders):,} tracked orders", peak, "MiB", 953.0


def _set_memory() -> tuple[str, float, str, float]:
    """What a shard holds of a set of orders: rows as of E2CC's list, their keys, and the table of both."""
    listed = {"orderType": "SO", "orderNbr": "000000", "status": "Completed", "createdDateTime": "2026-09-21T07:13:20"}
    row, state = order_row([listed], Making(E2ccOptions(), ZoneInfo("UTC"))), ShardState()
    book, own = SetBook(SETS[0], state), state.sets[SETS[0].name]
    state.accept(book.step([row], first_cursor(NOW_MS, 0), NOW_MS, done=None, touches=Counter()))
    known = own.known(row.key)
    assert known is not None, "its step is accepted"
    for number in range(SET_ROWS):
        own.put(order_key("", f"SO{number:06}"), replace(known, order_id=f"WEB-{number:08}").pack())
    held = sys.getsizeof(own.rows) + sum(sys.getsizeof(one) for pair in own.rows.items() for one in pair)
    return f"memory of a row of a set of {len(own.rows):,} orders", held / len(own.rows), "B", 300.0


def _page() -> tuple[str, float, str, float]:
    """CPU of one full page in which nothing has changed: parsing, mapping, comparing."""
    # One order more than the page holds would make the window be halved.
    poller = DclPoller(DclOptions(page_size=PAGE), ACCOUNT)
    body = orjson.dumps({"error_code": 0, "error_message": "", "orders": [_row(n) for n in range(PAGE - 1)]})
    state, cursor = ShardState(), first_cursor(NOW_MS, 0)
    gc.collect()
    spent = 0.0
    for number in range(PAGES + 1):
        began = time.process_time()
        reading = _answered(poller, body)
        step = state.step(reading.orders, cursor, fields=poller.fields, now_ms=NOW_MS)
        state.accept(step)
        if number:  # in the first poll every order is new
            spent += time.process_time() - began
            assert not step.changes, "nothing has changed"
    return (
        f"CPU of a poll of {PAGE - 1} orders, {len(body) // 1024} KiB, none changed",
        spent / PAGES * 1000,
        "ms",
        20.0,
    )


def _rebuild() -> tuple[str, float, str, float]:
    """From a real Kafka, as a new owner does it."""
    codec = Codec({STATE: load_topic(STATE, SCHEMA)}, time.monotonic)
    with Broker.start() as broker:
        broker.create_topic(STATE, 1, {"cleanup.policy": "compact"})
        connection = KafkaConnection(bootstrap=tuple(broker.bootstrap.split(",")))
        with open_publisher(connection) as publisher:
            for key, value in _state_rows(codec):
                publisher.send(STATE, key, value, (), partition=0)
            publisher.finish()
        began = time.monotonic()
        state = asyncio.run(load_state(codec, connection, Partition(STATE, 0)))
        took = time.monotonic() - began
    assert len(state.orders) == REBUILT, "every order is there again"
    return f"rebuild of {REBUILT:,} orders from Kafka", took, "s", 30.0


def _state_rows(codec: Codec) -> Iterator[tuple[bytes, bytes]]:
    state, cursor = ShardState(), first_cursor(NOW_MS, 0)
    step = state.step(_orders(range(REBUILT)), cursor, fields=FIELDS, now_ms=NOW_MS)
    for update in step.updates:
        assert update.last_published is not None, "each order is new"
        body = update.last_published.pack()
        yield update.key.encode(), codec.encode(STATE, {"kind": RowKind.ORDER, "version": ROW_VERSION, "body": body})


def _orders(numbers: Sequence[int]) -> list[VendorOrder]:
    poller = DclPoller(DclOptions(page_size=PAGE), ACCOUNT)
    found: list[VendorOrder] = []
    for first in range(numbers[0], numbers[-1] + 1, PAGE - 1):
        some = range(first, min(first + PAGE - 1, numbers[-1] + 1))
        body = orjson.dumps({"error_code": 0, "orders": [_row(number) for number in some]})
        found += _answered(poller, body).orders
    return found


def _answered(poller: DclPoller, body: bytes) -> Reading:
    flow = poller.window(0, TimeRange(NOW_MS - 86_400_000, NOW_MS), NOW_MS)
    next(flow)
    try:
        flow.send(httpx.Response(200, content=body, headers={"Content-Type": "application/json"}))
    except StopIteration as stop:
        reading: Reading = stop.value
        return reading
    raise RuntimeError("one page was not enough")


def _row(number: int) -> dict[str, Any]:
    return row(f"ORDER-{number:09}", Version(NOW_MS, NOW_MS, 50, delivered=False), STAMP)


if __name__ == "__main__":
    main()
