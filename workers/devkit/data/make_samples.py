"""Write the sample files: ``python -m workers.devkit.data.make_samples``.

Two files of events for ``relay publish``, the same at every run: two hundred orders of fifteen shops, and their
statuses. `FAULTS` lists those that are invalid on purpose, to show what happens to them.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ORDERS = HERE / "sample-orders.jsonl"
STATUSES = HERE / "sample-statuses.jsonl"

COUNT = 200
BEGIN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_NAMESPACE = uuid.UUID("6f9c1f0e-52a4-4a8e-9d0a-3a1f6a3a7a10")
_SIZES = (1, 2, 1, 3, 1, 2, 5, 1, 4, 2, 12, 1, 3, 2, 7)  # lines of an order, in turn
_PATHS = (("paid", "completed"), ("paid",), ("paid", "completed"), ("canceled",), (), ("paid", "canceled"))
_REASONS = ("customer changed their mind", "payment expired", "out of stock: 品切れ")
_REFUSED_BY_VENDOR = {57, 133}  # valid, but the demo sets the simulator's bad_ids to them


def _edit(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda order: order.update({field: value})


def _edit_line(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda order: order["lines"][0].update({field: value})


FAULTS: dict[int, Callable[[dict[str, Any]], None]] = {
    23: _edit("currency", "EURO"),
    41: _edit_line("quantity", 0),
    68: _edit_line("name", "An endless product name " * 90),
    96: _edit_line("unit_price", "-5.00"),
    121: lambda order: order["customer"].update(phone="+1 (202) 555-0100 extension 12345"),
    158: _edit("order_id", "."),
}


def order_ids(numbers: set[int]) -> list[str]:
    """Return the ids of the orders with these numbers."""
    return [f"SO-{10_000 + number}" for number in sorted(numbers)]


REFUSED = order_ids(_REFUSED_BY_VENDOR)


def _event(kind: str, at: datetime, **content: Any) -> dict[str, Any]:
    seed = f"{kind}:{at.isoformat()}"
    return {
        "event_id": str(uuid.uuid5(_NAMESPACE, seed)),
        "occurred_at": _time(at),
        "producer": "sample-shop",
        **content,
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _money(amount: Decimal, shop: dict[str, Any]) -> str:
    return f"{amount:.{shop['places']}f}"


def _line(shop: dict[str, Any], number: int, rng: random.Random) -> dict[str, Any]:
    name, price, category = shop["products"][number % len(shop["products"])]
    sku = f"{shop['code']}-{number:04d}"
    line = {"product_id": sku, "name": name, "unit_price": price, "quantity": 1 + int(rng.random() ** 3 * 5)}
    if number % 2:
        line |= {"url": f"https://{shop['domain']}/p/{sku}", "category": category}
    if number % 3 == 0:
        line["attributes"] = [{"name": "Colour", "value": "blå"}, {"name": "Gift wrap", "value": None}]
    return line


def _customer(shop: dict[str, Any], number: int) -> dict[str, Any]:
    customer = {"email": f"customer{number}@{shop['domain']}"}
    if number % 3:
        customer["phone"] = f"{shop['phone']}{100 + number}"
    if number % 4 == 0:
        customer["crm_id"] = f"crm-{number:06d}"
    return customer


def _stop(shop: dict[str, Any], sequence: int, kind: str, name: str, at: datetime) -> dict[str, Any]:
    city, state, postal_code = shop["city"]
    window = {"early_at": _time(at), "late_at": _time(at + timedelta(hours=2))}
    place = {"address": f"{shop['street']} {sequence * 7}", "city": city, "postal_code": postal_code}
    zone = {"time_zone": shop["zone"]} if "/" in shop["zone"] else {}
    whereabouts = {"name": name, "state": state or None, "country": shop["country"], "pieces": [1]}
    return {"sequence": sequence, "type": kind, **window, **zone, **place, **whereabouts}


def _delivery(shop: dict[str, Any], number: int, at: datetime) -> dict[str, Any]:
    who = shop["people"][number % len(shop["people"])]
    warehouse = _stop(shop, 1, "pickup", f"Warehouse {shop['code'].upper()}", at + timedelta(hours=4))
    door = _stop(shop, 2, "destination", who, at + timedelta(hours=9)) | {"note": "Ring twice ☎ then leave at the door"}
    piece = {"sequence": 1, "reference": f"BOX-{number}", "weight": 0.5 + number % 9, "description": "carton"}
    return {"service": ("same-day", "next-day", "rush")[number % 3], "pieces": [piece], "stops": [warehouse, door]}


def _lines_of(number: int) -> int:
    return {77: 150, 144: 60}.get(number, _SIZES[number % len(_SIZES)])


def _order(shops: list[dict[str, Any]], number: int, at: datetime, rng: random.Random) -> dict[str, Any]:
    shop = shops[int(rng.random() * len(shops))]
    lines = [_line(shop, number + index, rng) for index in range(_lines_of(number))]
    total = sum((Decimal(line["unit_price"]) * line["quantity"] for line in lines), Decimal(0))
    order: dict[str, Any] = {
        "order_id": order_ids({number})[0],
        "placed_at": _time(at - timedelta(seconds=2)),
        "status": "placed",
    }
    order |= {"website_id": shop["site"], "currency": shop["currency"], "total_value": _money(total, shop)}
    order |= {"customer": _customer(shop, number), "lines": lines}
    if number % 9:
        order["time_zone"] = shop["zone"]
    if number % 5 == 0:
        order["attributes"] = [{"name": "Shipping Method", "value": "Express"}, {"name": "Notiz", "value": "Für Oma ❤"}]
    if number % 3 == 0:
        order["delivery"] = _delivery(shop, number, at)
    if number % 25 == 8:  # noqa: PLR2004 - one in 25
        _for_komet(order, number)
    if fault := FAULTS.get(number):
        fault(order)
    return order


def _for_komet(order: dict[str, Any], number: int) -> None:
    """An order of the channel that komet-sink places: its products are inventory ids of the seller's."""
    order["attributes"] = [*order.get("attributes", ()), {"name": "channel", "value": "komet"}]
    for index, line in enumerate(order["lines"]):
        line["product_id"] = str(7_000 + (number + index) % 12)


def _statuses(order_id: str, number: int, at: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    for step, status in enumerate(_PATHS[number % len(_PATHS)], start=1):
        when = at + timedelta(minutes=30 * step, milliseconds=number)
        content: dict[str, Any] = {"order_id": order_id, "status": status}
        if status == "canceled":
            content["reason"] = _REASONS[number % len(_REASONS)]
        yield when, _event(f"status:{order_id}", when, **content)


def samples() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all orders and all statuses, each in the sequence of their time."""
    shops = json.loads((HERE / "shops.json").read_text(encoding="utf-8"))
    rng = random.Random(2026)  # noqa: S311 - the same samples every time
    orders: list[dict[str, Any]] = []
    statuses: list[tuple[datetime, dict[str, Any]]] = []
    for number in range(1, COUNT + 1):
        at = BEGIN + timedelta(minutes=3 * number)
        order = _order(shops, number, at, rng)
        orders.append(_event("order", at, order=order))
        statuses += _statuses(order["order_id"], number, at)
    unknown = BEGIN + timedelta(hours=3)
    statuses.append((unknown, _event("unknown", unknown, order_id="SO-99999", status="paid")))
    return orders, [event for _, event in sorted(statuses, key=lambda item: item[0])]


def text(events: list[dict[str, Any]]) -> str:
    """Return the events as JSON lines."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


if __name__ == "__main__":
    for path, events in zip((ORDERS, STATUSES), samples(), strict=True):
        path.write_text(text(events), encoding="utf-8")
