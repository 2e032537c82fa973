"""Our events to ECDP's JSON, checked against every limit of its page before anything is sent.

`LimitError` names the first field that breaks a limit by its path in *our* event, with the limit and without the value.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, TypeAlias

import orjson

from workers.core.events import Attribute, Customer, Millis, Money, Order, OrderLine, OrderStatus, money_text
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.windows_zones import windows_zone
from workers.vendors.ecdp.api import STATES, AttributeBody, CustomerBody, OrderBody, ProductBody, StatusBody

TimeZoneOption: TypeAlias = Literal["event", "utc"]
MatchBy: TypeAlias = Literal["email", "phone", "crm_id"]
"""A unit's matching mode (Settings > Customers)."""

INT32_MIN: Final = -(2**31)
INT32_MAX: Final = 2**31 - 1
MAX_ID: Final = 128
MAX_NAME: Final = 2048
MAX_ATTRIBUTE_NAME: Final = 256
CURRENCY_LENGTH: Final = 3

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - written with Z; without tzinfo it is half the work
_FIRST_PRINTABLE: Final = " "
_DELETE: Final = "\x7f"
_LAST_C1: Final = "\x9f"


class Body(NamedTuple):
    """What one event adds to a request."""

    json: bytes
    unmapped_zone: str | None = None  # the event's time zone, when CLDR does not know it and we send UTC


def order_json(order: Order, time_zone: TimeZoneOption, match_by: MatchBy | None = None) -> Body:
    """Return one element of ``data`` of ``POST /orders``; raises `LimitError`.

    ``match_by``: the customer's field that the unit requires; None: not known, so any one of the three will do.
    """
    zone, unmapped = _zone(order["time_zone"]) if time_zone == "event" else ("UTC", None)
    body: OrderBody = {
        "id": order_id(order["order_id"]),
        "date": _instant(order["placed_at"]),
        "timeZone": zone,
        "totalValue": _amount(order["total_value"], "total_value"),
        "customer": _customer(order["customer"], match_by),
        "products": _products(order["lines"]),
    }
    _put_optional(body, order)
    try:
        return Body(orjson.dumps(body), unmapped)
    except orjson.JSONEncodeError as error:
        raise LimitError("order", "a text in it is not valid Unicode") from error


def status_json(event: OrderStatus) -> Body:
    """Return the body of ``PUT /orders/status``; raises `LimitError`."""
    state = event["status"]
    if state not in STATES:
        raise LimitError("status", "must be placed, paid, completed or canceled")
    body: StatusBody = {"orderId": order_id(event["order_id"]), "orderStatus": state}
    if event["website_id"] is not None:
        body["websiteId"] = _int32(event["website_id"], "website_id")
    return Body(orjson.dumps(body))


def order_id(value: str) -> str:
    """Return the id unchanged; raises `LimitError` when ECDP does not accept it, or it would change a URL's path."""
    _text(value, MAX_ID, "order_id", least=1)
    if value in {".", ".."}:
        raise LimitError("order_id", "must not be . or .., which would change the request's path")
    if not value.isprintable() and any(_is_control(character) for character in value):
        raise LimitError("order_id", "must not hold control characters")
    return value


def _is_control(character: str) -> bool:
    return character < _FIRST_PRINTABLE or _DELETE <= character <= _LAST_C1 or "\ud800" <= character <= "\udfff"


def _put_optional(body: OrderBody, order: Order) -> None:
    if order["website_id"] is not None:
        body["websiteId"] = _int32(order["website_id"], "website_id")
    if (status := order["status"]) is not None:
        if status not in STATES:
            raise LimitError("status", "must be placed, paid, completed or canceled")
        body["status"] = status
    if (currency := order["currency"]) is not None:
        if len(currency) != CURRENCY_LENGTH:
            raise LimitError("currency", f"must have {CURRENCY_LENGTH} characters")
        body["currency"] = currency
    if order["returns_value"] is not None:
        body["returnsValue"] = orjson.Fragment(money_text(order["returns_value"]))
    if order["attributes"]:
        body["orderAttributes"] = _attributes(order["attributes"])


def _customer(customer: Customer, match_by: MatchBy | None) -> CustomerBody:
    if match_by is not None and not customer[match_by]:
        raise LimitError(f"customer.{match_by}", "must be there: the unit matches customers by it")
    if not (customer["email"] or customer["phone"] or customer["crm_id"]):
        raise LimitError("customer", "must have email, phone or crm_id: ECDP matches customers by one of them")
    body: CustomerBody = {}
    if (email := customer["email"]) is not None:
        body["email"] = _text(email, 320, "customer.email")
    if (phone := customer["phone"]) is not None:
        body["phone"] = _text(phone, 20, "customer.phone")
    if (crm_id := customer["crm_id"]) is not None:
        body["crmId"] = _text(crm_id, 128, "customer.crm_id")
    return body


def _products(lines: list[OrderLine]) -> list[ProductBody]:
    products: list[ProductBody] = []
    try:
        for line in lines:
            products.append(_product(line))  # noqa: PERF401 - the error needs the index of the line
    except LimitError as error:
        raise LimitError(f"lines[{len(products)}].{error.field}", error.limit) from error
    return products


def _product(line: OrderLine) -> ProductBody:
    body: ProductBody = {
        "id": _text(line["product_id"], MAX_ID, "product_id", least=1),
        "name": _text(line["name"], MAX_NAME, "name", least=1),
        "price": _amount(line["unit_price"], "unit_price"),
        "quantity": _count(line["quantity"], "quantity", least=1),
    }
    if (returned := line["returned"]) is not None:
        body["returned"] = _count(returned, "returned", least=0)
    if (url := line["url"]) is not None:
        body["url"] = _text(url, MAX_NAME, "url")
    if (image_url := line["image_url"]) is not None:
        body["imageUrl"] = _text(image_url, MAX_NAME, "image_url")
    if (category := line["category"]) is not None:
        body["category"] = _text(category, MAX_NAME, "category")
    if line["attributes"]:
        body["productAttributes"] = _attributes(line["attributes"])
    return body


def _attributes(attributes: list[Attribute]) -> list[AttributeBody]:
    bodies: list[AttributeBody] = []
    for attribute in attributes:
        name, value = attribute["name"], attribute["value"]
        if len(name) > MAX_ATTRIBUTE_NAME:
            raise LimitError(f"attributes[{len(bodies)}].name", f"must have at most {MAX_ATTRIBUTE_NAME} characters")
        bodies.append({"name": name} if value is None else {"name": name, "value": value})
    return bodies


def _text(value: str, most: int, field: str, least: int = 0) -> str:
    if least <= len(value) <= most:
        return value
    raise LimitError(
        field, f"must have {least} to {most} characters" if least else f"must have at most {most} characters"
    )


def _amount(money: Money, field: str) -> orjson.Fragment:
    text = money_text(money)
    if text[0] == "-":
        raise LimitError(field, "must be 0 or more")
    return orjson.Fragment(text)


def _count(value: int, field: str, least: int) -> int:
    if least <= value <= INT32_MAX:
        return value
    raise LimitError(field, f"must be {least} to {INT32_MAX}")


def _int32(value: int, field: str) -> int:
    if INT32_MIN <= value <= INT32_MAX:
        return value
    raise LimitError(field, "must fit in 32 bits")


def _instant(at: Millis) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=at)
    except OverflowError as error:
        raise LimitError("placed_at", "must lie in the years 1 to 9999") from error
    return moment.isoformat(timespec="milliseconds") + "Z"


def _zone(name: str | None) -> tuple[str, str | None]:
    """Return the name to send, and the event's own name when it has no Windows name."""
    if not name:
        return "UTC", None
    zone = windows_zone(name)
    return (zone, None) if zone else ("UTC", name)
