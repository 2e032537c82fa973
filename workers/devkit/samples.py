"""Example events: a realistic order, and something valid for any other schema."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, assert_never

from workers.devkit.simulators.ecourier_events import account_time
from workers.edges.avro.event_json import from_json
from workers.edges.avro.schema_tree import Array, Enum, Field, Fixed, Logical, Map, Primitive, Record, Type, Union

_PRODUCTS: Final = (
    ("SKU-1042", "Trail running shoe, blue", Decimal("89.90"), "Shoes > Running"),
    ("SKU-2210", "Merino socks, pair", Decimal("14.50"), "Clothing > Socks"),
    ("SKU-3007", "Rain jacket, light", Decimal("129.00"), "Clothing > Jackets"),
    ("SKU-4118", "Water bottle 0.7 l", Decimal("19.95"), "Accessories"),
)
_CUSTOMERS: Final = ("ada", "grace", "elodie", "nikos", "yuki")
_CHANNELS: Final = ("web", "app", "komet")
_SITES: Final = 3
_ORDERS: Final = 9_000_000
_BAD_CURRENCY: Final = "EURO"  # ISO 4217 has three letters


def sample_event(tree: Record, random: Random, now: datetime, order_id: str | None = None) -> dict[str, Any]:
    """Make one event of a schema, in its raw Avro form; ``now`` is aware. Nothing else goes into it.

    ``order_id``: that of the order which the event is about; None: any.
    """
    make = _BY_HAND.get(tree.name.rpartition(".")[2], _any_event)  # a topic may have any name
    made = make(random, now, order_id or _order_id(random))
    return from_json(tree, {item.name: _field(item, made, random, now) for item in tree.fields})


def bad_event(event: dict[str, Any]) -> dict[str, Any]:
    """Make of an order's create one that its schema takes and no vendor: it will be parked. ``event``: raw Avro form.

    Raises `ValueError` for an event that creates no order.
    """
    if "order" not in event:
        raise ValueError("creates no order")
    return {**event, "order": {**event["order"], "currency": _BAD_CURRENCY}}


def _any_event(_random: Random, _now: datetime, order_id: str) -> dict[str, Any]:
    return {"order_id": order_id, "order_number": order_id}


def _order_created(random: Random, now: datetime, order_id: str) -> dict[str, Any]:
    return {"producer": "sample", "order": _order(random, now, order_id)}


def _order(random: Random, now: datetime, order_id: str) -> dict[str, Any]:
    lines = [_line(product, random) for product in random.sample(_PRODUCTS, random.randint(1, 3))]
    channel = random.choice(_CHANNELS)
    if channel == "komet":  # komet-sink places it: its products are inventory ids of the seller's
        lines = [{**line, "product_id": str(7_000 + place)} for place, line in enumerate(lines)]
    total = sum((Decimal(line["unit_price"]) * line["quantity"] for line in lines), Decimal())
    return {
        "order_id": order_id,
        "placed_at": _time(now - timedelta(seconds=random.randint(1, 90))),
        "time_zone": "Europe/Athens",
        "website_id": random.randint(1, _SITES),
        "status": "placed",
        "currency": "EUR",
        "total_value": str(total),
        "customer": _customer(random),
        "lines": lines,
        "attributes": [{"name": "channel", "value": channel}],
    }


def _line(product: tuple[str, str, Decimal, str], random: Random) -> dict[str, Any]:
    number, name, price, category = product
    return {
        "product_id": number,
        "name": name,
        "unit_price": str(price),
        "quantity": random.randint(1, 3),
        "url": f"https://shop.example.com/products/{number.lower()}",
        "image_url": f"https://shop.example.com/images/{number.lower()}.jpg",
        "category": category,
        "attributes": [{"name": "size", "value": str(random.randint(36, 46))}],
    }


def _customer(random: Random) -> dict[str, Any]:
    number = random.randrange(1000)
    return {"email": f"{random.choice(_CUSTOMERS)}.{number}@example.com", "crm_id": f"C-{number:05}"}


def _order_status(_random: Random, _now: datetime, order_id: str) -> dict[str, Any]:
    return {
        "producer": "sample",
        "order_id": order_id,
        "status": "paid",
        "reason": "payment received",
        "website_id": 1,
    }


def _order_event(random: Random, now: datetime, order_id: str) -> dict[str, Any]:
    number, event_id = f"OR-{order_id}", str(random.randrange(_ORDERS))
    return {
        "event_id": f"ecourier:{number}:{event_id}:{random.randbytes(16).hex()}",
        "vendor": "ecourier",
        "order_number": number,
        "order_id": order_id,
        "courier_event_id": event_id,
        "event_type": "POD",
        "occurred_at": _time(now.replace(microsecond=0)),
        "occurred_at_text": account_time(int(now.timestamp() * 1000)),
        "event_source": "Mobile",
        "order_status": "A",
        **dict.fromkeys(("note", "edi_note", "raw")),
    }


_BY_HAND: Final[Mapping[str, Callable[[Random, datetime, str], dict[str, Any]]]] = {
    "OrderCreated": _order_created,
    "OrderStatus": _order_status,
    "CourierOrderEvent": _order_event,
}


def _order_id(random: Random) -> str:
    return f"SO-{1_000_000 + random.randrange(_ORDERS)}"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _field(item: Field, made: Mapping[str, Any], random: Random, now: datetime) -> Any:
    if item.name in made:
        return made[item.name]
    if item.name.endswith("_id") and isinstance(item.type, Primitive) and item.type.kind == "string":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    return _value(item.type, item.name, random, now)


def _value(tree: Type, name: str, random: Random, now: datetime) -> Any:
    """Make any value of a type, in its JSON form; texts say which field they are in."""
    match tree:
        case Record(fields=fields):
            return {item.name: _field(item, {}, random, now) for item in fields}
        case Array(items=items):
            return [_value(items, name, random, now)]
        case Map(values=values):
            return {"key": _value(values, name, random, now)}
        case Union(branches=branches):
            return _value(next(filter(_says_something, branches), branches[0]), name, random, now)
        case Enum(symbols=symbols):
            return random.choice(symbols)
        case Fixed() | Primitive():
            return _plain(tree, name, random, now)
        case _:
            assert_never(tree)


def _says_something(tree: Type) -> bool:
    return not (isinstance(tree, Primitive) and tree.kind == "null")


def _plain(tree: Primitive | Fixed, name: str, random: Random, now: datetime) -> Any:
    match tree.logical:
        case Logical(name="decimal", scale=scale):
            return str(Decimal(1).scaleb(-scale)) if scale else "1"
        case Logical(name="timestamp-millis"):
            return _time(now)
        case _:
            pass
    if isinstance(tree, Fixed):
        return base64.b64encode(bytes(tree.size)).decode("ascii")
    values = {"null": None, "boolean": True, "bytes": "e30=", "string": name.replace("_", " ")}
    return values.get(tree.kind, random.randint(1, 9))
