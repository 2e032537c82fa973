"""Compares the order that ECDP already has with the one that we would add."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import httpx
import orjson
from pydantic import ValidationError

from workers.core.redaction import strings_of
from workers.vendors._shared.answers import NotJsonError, json_body
from workers.vendors._shared.read_back import contradicts, folded
from workers.vendors.ecdp.api import FoundCustomer, FoundOrder, FoundProduct, OrderAnswer

DELETED: Final = "isdeleted"  # the status that DELETE sets, in lower case
MONEY_TOLERANCE: Final = 0.0051  # ECDP's numbers are doubles, and may be rounded to cents
MINUTE_S: Final = 60.0
QUARTER_S: Final = 900.0
MOST_ZONES_APART_S: Final = 14 * 3600.0 + MINUTE_S
NOT_READ_BACK: Final = frozenset({"id", "date", "timeZone", "status"})  # known from the path, or in another form


def found_order(response: httpx.Response) -> FoundOrder | None:
    """Return ``data`` of a successful GET or DELETE; None when it is missing or unreadable."""
    try:
        return OrderAnswer.model_validate(json_body(response)).data
    except (NotJsonError, ValidationError):
        return None


def has_status(found: FoundOrder, sent: bytes) -> bool:
    """Whether the order has the status of a PUT's body."""
    return bool(folded(found.status).replace("cancelled", "canceled") == orjson.loads(sent)["orderStatus"])


def is_deleted(found: FoundOrder) -> bool:
    """Whether a DELETE has marked the order as deleted."""
    return bool(found.isDeleted) or folded(found.status) == DELETED


def differences(sent: bytes, found: FoundOrder, *, whole: bool = False) -> list[str]:
    """Return the names of ECDP's fields that show that its order is not the one sent.

    Compared is what an order is known by: instant, currency, value, customer and quantities. A field that ECDP does
    not return shows nothing; nor do texts that it escapes, cleans or cuts, numbers that it rounds, and an instant
    that it reads in another zone. ``whole``: every text must come back in some form, too.
    """
    order = orjson.loads(sent)
    fields = list(_differences(order, found))
    return fields + list(_missing(order, found)) if whole else fields


def _differences(order: dict[str, Any], found: FoundOrder) -> Iterator[str]:
    if contradicts(found.id, order["id"]):
        yield "id"
    if found.date and found.date.tzinfo and not _same_instant(found.date, datetime.fromisoformat(order["date"])):
        yield "date"
    if contradicts(found.currency, order.get("currency")):
        yield "currency"
    if _other(found.totalValue, order["totalValue"], MONEY_TOLERANCE):
        yield "totalValue"
    theirs = found.customer or FoundCustomer()
    customer = order["customer"]
    if any(contradicts(getattr(theirs, name), customer.get(name)) for name in ("email", "crmId")) or (
        _other_phone(theirs.phone, customer.get("phone"))
    ):
        yield "customer"
    if found.products is not None and _other_products(found.products, order["products"]):
        yield "products"


def _same_instant(found: datetime, sent: datetime) -> bool:
    """Up to the minute that it was cut to, and the zone (a multiple of a quarter of an hour) that it was read in."""
    apart_s = abs((found - sent).total_seconds())
    return apart_s <= MOST_ZONES_APART_S and min(apart_s % QUARTER_S, -apart_s % QUARTER_S) <= MINUTE_S


def _other(found: float | None, sent: float, tolerance: float) -> bool:
    return found is not None and abs(found - sent) > tolerance


def _other_phone(found: str | None, sent: str | None) -> bool:
    """A country's or trunk prefix may be missing, or the end be cut."""
    theirs, ours = ("".join(filter(str.isdecimal, text or "")) for text in (found, sent))
    return contradicts(theirs, ours) and contradicts(theirs[::-1], ours[::-1]) and contradicts(ours[::-1], theirs[::-1])


def _other_products(found: Sequence[FoundProduct], sent: Sequence[dict[str, Any]]) -> bool:
    """Compares sums: ECDP may unite lines, and sort them."""
    quantity = sum(each["quantity"] for each in sent)
    if not found or any(each.quantity is None for each in found):
        return bool(sent) and not found
    if _other(sum(each.quantity or 0.0 for each in found), quantity, MONEY_TOLERANCE):
        return True
    if any(each.price is None for each in found):
        return False
    price = sum((each.price or 0.0) * (each.quantity or 0.0) for each in found)
    return _other(price, sum(each["price"] * each["quantity"] for each in sent), MONEY_TOLERANCE * max(1, quantity))


def _missing(order: dict[str, Any], found: FoundOrder) -> Iterator[str]:
    theirs = [*strings_of(found.model_dump())]
    for name, value in order.items():
        if name not in NOT_READ_BACK and any(
            all(contradicts(text, ours) or not folded(text) for text in theirs) for ours in strings_of(value)
        ):
            yield name
