"""Live latency: from the broker's append of a status to the vendor's receipt of its request, at a steady rate."""

import asyncio
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from aiohttp import web
from kafka import KafkaProducer

from workers.devkit.bench.load import CREATED, STATUS, Shape
from workers.devkit.demo.processes import DemoError

_ID: Final = re.compile(rb'"(?:id|orderId)":"(SO-\d{8})"')
_RATE: Final = 200  # statuses a second
_ORDERS: Final = 500
_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Live:
    """Milliseconds from append to request, over all statuses."""

    rate: int
    count: int
    p50_ms: float
    p99_ms: float

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {"what": "live, append to vendor request"} | asdict(self)


@dataclass
class Receipts:
    """A vendor that takes everything at once, and notes when a request named an order (milliseconds since 1970)."""

    url: str = ""
    times: dict[bytes, list[float]] = field(default_factory=lambda: defaultdict(list))

    def wait(self, count: int) -> None:
        """Wait until so many orders were named; raises `DemoError`."""
        deadline = time.monotonic() + _WITHIN_S
        while sum(map(len, list(self.times.values()))) < count:
            if time.monotonic() > deadline:
                raise DemoError(f"not all of {count} live records were delivered within {_WITHIN_S:.0f} s")
            time.sleep(0.05)


@contextmanager
def receipts() -> Iterator[Receipts]:
    """Serve such a vendor, in a thread of its own, for the length of a ``with`` block."""
    noted, loop = Receipts(), asyncio.new_event_loop()
    ready = threading.Event()

    async def answer(request: web.BaseRequest) -> web.Response:
        now = time.time() * 1000
        for order in _ID.findall(await request.read()):
            noted.times[order].append(now)
        return web.json_response({"status": 0})

    async def listen() -> None:
        server = await loop.create_server(web.Server(answer, access_log=None), "127.0.0.1", 0)
        noted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()

    def serve() -> None:
        loop.create_task(listen())
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait(_WITHIN_S)
    try:
        yield noted
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def measure_live(bootstrap: str, created: Shape, status: Shape, noted: Receipts, seconds: float) -> Live:
    """Publish orders, then statuses of them at a steady rate, to a running relay; raises `DemoError`."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
    try:
        for number in range(_ORDERS):
            producer.send(CREATED, key=created.key(number), value=created.value(number))
        producer.flush()
        noted.wait(_ORDERS)
        noted.times.clear()
        count, begun, sent = int(_RATE * seconds), time.monotonic(), []
        for number in range(count):
            time.sleep(max(0.0, begun + number / _RATE - time.monotonic()))
            order = number % _ORDERS
            sent.append((status.key(order), producer.send(STATUS, key=status.key(order), value=status.value(order))))
        noted.wait(count)
        took = sorted(noted.times[key].pop(0) - future.get(10).timestamp for key, future in sent)
    finally:
        producer.close()
    return Live(_RATE, count, took[len(took) // 2], took[int(len(took) * 0.99)])
