"""Compares the order that ECDP already has with the one that we would add."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import httpx
import orjson
from pydantic import ValidationError

from workers.vendors._shared.answers import NotJsonError, json_body
from workers.vendors.ecdp.api import FoundCustomer, FoundOrder, OrderAnswer

MONEY_TOLERANCE: Final = 0.00005  # half of the last decimal place of our money; ECDP's numbers are doubles


def found_order(response: httpx.Response) -> FoundOrder | None:
    """Return ``data`` of a successful GET or DELETE; None when it is missing or unreadable."""
    try:
        return OrderAnswer.model_validate(json_body(response)).data
    except (NotJsonError, ValidationError):
        return None


def differences(sent: bytes, found: FoundOrder) -> list[str]:
    """Return the names of ECDP's fields in which its order differs from the one sent.

    Instant, currency, value, customer and products are compared. Not compared are the status, which changes later,
    texts that ECDP may clean up, and a date without offset.
    """
    return list(_differences(orjson.loads(sent), found))


def _differences(order: dict[str, Any], found: FoundOrder) -> Iterator[str]:
    if found.id != order["id"]:
        yield "id"
    if found.date and found.date.tzinfo and found.date != datetime.fromisoformat(order["date"]):
        yield "date"
    if "currency" in order and _folded(found.currency) != _folded(order["currency"]):
        yield "currency"
    if found.totalValue is None or abs(found.totalValue - order["totalValue"]) > MONEY_TOLERANCE:
        yield "totalValue"
    if not _same_customer(order["customer"], found):
        yield "customer"
    if not _same_products(order["products"], found):
        yield "products"


def _same_customer(customer: dict[str, str], found: FoundOrder) -> bool:
    """Compares only the fields that were sent: ECDP may add others of a customer that it has matched."""
    theirs = found.customer or FoundCustomer()
    return all(
        same(customer[name]) == same(value)
        for name, value, same in (
            ("email", theirs.email, _folded),
            ("phone", theirs.phone, _digits),
            ("crmId", theirs.crmId, _folded),
        )
        if name in customer
    )


def _same_products(products: list[dict[str, Any]], found: FoundOrder) -> bool:
    ours = sorted((each["id"], each["quantity"], float(each["price"])) for each in products)
    theirs = sorted((each.id or "", each.quantity or 0, each.price or 0.0) for each in found.products)
    return len(ours) == len(theirs) and all(
        our[:2] == their[:2] and abs(our[2] - their[2]) <= MONEY_TOLERANCE
        for our, their in zip(ours, theirs, strict=True)
    )


def _folded(text: str | None) -> str:
    return (text or "").strip().casefold()


def _digits(phone: str | None) -> str:
    return "".join(character for character in phone or "" if character.isdigit())
