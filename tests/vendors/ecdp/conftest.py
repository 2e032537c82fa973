"""Events with readable values, and an ECDP sink with an account of its own."""

from typing import Any

from tests.support.events import created_with, millis, money, status_with
from workers.core.events import Created, Event, Status
from workers.vendors.contract import Attempt, Call
from workers.vendors.ecdp.sink import EcdpOptions, EcdpSink

ACCOUNT = {"BASE_URL": "https://api.ecdp.app", "API_KEY": "key-canary"}
ORDER: dict[str, Any] = {
    "order_id": "12345",
    "placed_at": "2024-11-06T10:10:00.055Z",
    "time_zone": None,
    "website_id": None,
    "status": None,
    "currency": None,
    "total_value": "150.00",
    "returns_value": None,
    "customer": {"email": "a@example.com"},
    "lines": [],
    "attributes": [],
    "delivery": None,
}
LINE: dict[str, Any] = {
    "product_id": "p001",
    "name": "Wireless Earbuds",
    "unit_price": "75.00",
    "quantity": 2,
    "returned": None,
    "url": None,
    "image_url": None,
    "category": None,
    "attributes": [],
}


def line_of(given: dict[str, Any]) -> dict[str, Any]:
    line = LINE | given
    return line | {"unit_price": money(line["unit_price"]), "attributes": attributes_of(line["attributes"])}


def attributes_of(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"value": None} | each for each in given]


def created_of(**given: Any) -> Created:
    """An order with every required field; given ones have readable values."""
    order: Any = ORDER | given
    order |= {
        "placed_at": millis(order["placed_at"]),
        "total_value": money(order["total_value"]),
        "returns_value": None if order["returns_value"] is None else money(order["returns_value"]),
        "customer": {"email": None, "phone": None, "crm_id": None} | order["customer"],
        "lines": [line_of(each) for each in order["lines"]],
        "attributes": attributes_of(order["attributes"]),
    }
    return created_with(order)


def status_of(order_id: str = "12345", status: Any = "paid", website_id: int | None = None) -> Status:
    return status_with(order_id, status, website_id)


def sink_of(**options: Any) -> Any:
    return EcdpSink(EcdpOptions(**options), ACCOUNT)


def attempt_of(event: Event | str = "12345", number: int = 1, *, unknown: bool = False) -> Attempt:
    """A try of an event, or of a plain order with that id."""
    call = sink_of().prepare(created_of(order_id=event) if isinstance(event, str) else event)
    assert isinstance(call, Call)
    return Attempt(call, number, unknown)
