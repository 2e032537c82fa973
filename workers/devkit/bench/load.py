"""The backlog that the benchmarks publish: one encoded event, of which only the order id changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from workers.app.config.configuration import Configuration
from workers.app.events.schemas import read_schemas
from workers.edges.avro.codec import Codec
from workers.edges.kafka.publisher import open_publisher

CREATED: Final = "order-created"
STATUS: Final = "order-status"
_ID: Final = "SO-00000000"
_LINES: Final = 10
_ORDERS_OF_STATUSES: Final = 20_000  # the backlog of statuses repeats after so many orders


@dataclass(frozen=True, slots=True)
class Shape:
    """An encoded event, cut where its order id stands."""

    before: bytes
    after: bytes

    @staticmethod
    def key(number: int) -> bytes:
        """The id of an order."""
        return b"SO-%08d" % number

    def value(self, number: int) -> bytes:
        """The event of an order."""
        return self.before + self.key(number) + self.after


def shape_of(configuration: Configuration, topic: str) -> Shape:
    """Encode one event of `CREATED` or `STATUS`."""
    codec = Codec(read_schemas(configuration.config), monotonic)
    before, after = codec.encode(topic, _order() if topic == CREATED else _status()).split(_ID.encode())
    return Shape(before, after)


def publish_backlog(configuration: Configuration, topic: str, count: int) -> None:
    """Publish ``count`` events of `CREATED` or `STATUS`; raises `KafkaFailed`."""
    shape = shape_of(configuration, topic)
    orders = count if topic == CREATED else _ORDERS_OF_STATUSES
    with open_publisher(configuration.settings.kafka) as publisher:
        for number in range(count):
            publisher.send(topic, shape.key(number % orders), shape.value(number % orders), ())
        publisher.finish()


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _money(cents: int) -> bytes:
    return (cents * 100).to_bytes(8, "big", signed=True)


def _status() -> Mapping[str, Any]:
    return {
        "event_id": "1d5b3c1e-98a3-4a8e-9f1e-0c8f0a3c2f11",
        "occurred_at": _now(),
        "producer": "bench",
        "order_id": _ID,
        "status": "paid",
        "reason": None,
        "website_id": 1,
    }


def _order() -> Mapping[str, Any]:
    order = {
        "order_id": _ID,
        "placed_at": _now(),
        "time_zone": "Europe/Athens",
        "website_id": 1,
        "status": "placed",
        "currency": "EUR",
        "total_value": _money(123_450),
        "returns_value": None,
        "customer": {"email": "customer@shop.example", "phone": "+302101234567", "crm_id": "C-00042"},
        "lines": [_line(number) for number in range(_LINES)],
        "attributes": [{"name": "channel", "value": "web"}],
        "delivery": None,
    }
    event = {"event_id": "6f0e2f0c-0a36-4c0e-9a55-6d8a1f6f2a10", "occurred_at": _now(), "producer": "bench"}
    return {**event, "order": order}


def _line(number: int) -> Mapping[str, Any]:
    return {
        "product_id": f"SKU-{1000 + number}",
        "name": f"Trail running shoe, model {number}",
        "unit_price": _money(8_990 + number),
        "quantity": 1 + number % 3,
        "returned": None,
        "url": f"https://shop.example/products/{1000 + number}",
        "image_url": f"https://shop.example/images/{1000 + number}.jpg",
        "category": "Shoes > Running",
        "attributes": [{"name": "size", "value": "42"}, {"name": "colour", "value": "blue"}],
    }
