"""ECDP's limits, written from its page once more: independent of the mapping that they are to check."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

INT32: Final = 2**31 - 1
STATES: Final = frozenset({"placed", "paid", "completed", "canceled"})
MODES: Final = frozenset({"Add", "AddOrReplace", "Replace"})
MAX_ATTRIBUTE_NAME: Final = 256


def order_errors(order: Any) -> Iterator[str]:
    """Everything that is wrong with one element of ``data``."""
    if not isinstance(order, dict):
        yield "The order must be an object."
        return
    yield from _text(order, "id", 1, 128, required=True)
    yield from _date(order.get("date"))
    yield from _text(order, "timeZone", 0, 100)
    yield from _integer(order, "websiteId", -INT32 - 1)
    yield from _state(order, "status", required=False)
    yield from _text(order, "currency", 3, 3)
    yield from _number(order, "totalValue", required=True)
    yield from _number(order, "returnsValue", required=False)
    yield from _customer(order.get("customer"))
    products = order.get("products")
    if isinstance(products, list):
        for product in products:
            yield from _product(product)
    else:
        yield "The products field is required."
    yield from _attributes(order.get("orderAttributes"))


def status_errors(body: Any) -> Iterator[str]:
    """Everything that is wrong with the body of ``PUT /orders/status``."""
    if not isinstance(body, dict):
        yield "The body must be an object."
        return
    yield from _text(body, "orderId", 1, 128, required=True)
    yield from _state(body, "orderStatus", required=True)
    yield from _integer(body, "websiteId", -INT32 - 1)


def _text(of: dict[str, Any], name: str, least: int, most: int, *, required: bool = False) -> Iterator[str]:
    value = of.get(name)
    if value is None:
        if required:
            yield f"The {name} field is required."
    elif not isinstance(value, str):
        yield f"The {name} field must be a string."
    elif not least <= len(value) <= most:
        yield f"The field {name} must be a string with a length of {least} to {most}."


def _integer(of: dict[str, Any], name: str, least: int, *, required: bool = False) -> Iterator[str]:
    value = of.get(name)
    if value is None:
        if required:
            yield f"The {name} field is required."
    elif type(value) is not int or not least <= value <= INT32:
        yield f"The field {name} must be an integer between {least} and {INT32}."


def _number(of: dict[str, Any], name: str, *, required: bool) -> Iterator[str]:
    value = of.get(name)
    if value is None:
        if required:
            yield f"The {name} field is required."
    elif type(value) not in {int, float}:
        yield f"The field {name} must be a number."
    elif value < 0 and required:
        yield f"The field {name} must be 0 or more."


def _state(of: dict[str, Any], name: str, *, required: bool) -> Iterator[str]:
    value = of.get(name)
    if value is None:
        if required:
            yield f"The {name} field is required."
    elif not isinstance(value, str) or value.lower() not in STATES:
        yield f"The field {name} must be one of placed, paid, completed, canceled."


def _date(value: Any) -> Iterator[str]:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        yield "The date field must be a date and time."


def _customer(customer: Any) -> Iterator[str]:
    if not isinstance(customer, dict):
        yield "The customer field is required."
        return
    yield from _text(customer, "email", 0, 320)
    yield from _text(customer, "phone", 0, 20)
    yield from _text(customer, "crmId", 0, 128)


def _product(product: Any) -> Iterator[str]:
    if not isinstance(product, dict):
        yield "The product must be an object."
        return
    yield from _text(product, "id", 1, 128, required=True)
    yield from _text(product, "name", 1, 2048, required=True)
    yield from _number(product, "price", required=True)
    yield from _integer(product, "quantity", 1, required=True)
    yield from _integer(product, "returned", 0)
    for name in ("url", "imageUrl", "category"):
        yield from _text(product, name, 0, 2048)
    yield from _attributes(product.get("productAttributes"))


def _attributes(attributes: Any) -> Iterator[str]:
    if attributes is None:
        return
    if not isinstance(attributes, list):
        yield "The attributes must be a list."
        return
    for attribute in attributes:
        if not isinstance(attribute, dict):
            yield "The attribute must be an object."
            continue
        name = attribute.get("name")
        if not isinstance(name, str) or len(name) > MAX_ATTRIBUTE_NAME:
            yield "The field name of an attribute must be a string with a maximum length of 256."
        if not isinstance(attribute.get("value", ""), str | None):
            yield "The field value of an attribute must be a string."
