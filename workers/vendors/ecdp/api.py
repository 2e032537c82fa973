"""ECDP's requests and answers, with the fields of its page "Orders - API methods".

Requests are typed dictionaries, which plain code fills: this is the hot path. Answers are models that accept more
than the page promises: unknown fields, nulls, numbers as strings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal, NotRequired, TypeAlias, TypedDict, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

Mode: TypeAlias = Literal["Add", "AddOrReplace", "Replace"]
OrderState: TypeAlias = Literal["placed", "paid", "completed", "canceled"]
Number: TypeAlias = orjson.Fragment
"""A JSON number written from exact decimal text, never from a float."""

STATES: Final[frozenset[str]] = frozenset({"placed", "paid", "completed", "canceled"})


class AttributeBody(TypedDict):
    """An order attribute or a product attribute."""

    name: str
    value: NotRequired[str]


class CustomerBody(TypedDict, total=False):
    """Which of the three is required depends on the unit's matching mode (Settings > Customers)."""

    email: str
    phone: str
    crmId: str


class ProductBody(TypedDict):
    """One element of ``products``."""

    id: str
    name: str
    price: Number
    quantity: int
    returned: NotRequired[int]
    url: NotRequired[str]
    imageUrl: NotRequired[str]
    category: NotRequired[str]
    productAttributes: NotRequired[list[AttributeBody]]


class OrderBody(TypedDict):
    """One element of ``data`` in ``POST /orders``."""

    id: str
    date: str
    timeZone: str
    websiteId: NotRequired[int]
    status: NotRequired[OrderState]
    currency: NotRequired[str]
    totalValue: Number
    returnsValue: NotRequired[Number]
    customer: CustomerBody
    products: list[ProductBody]
    orderAttributes: NotRequired[list[AttributeBody]]


class StatusBody(TypedDict):
    """``PUT /orders/status``; ``websiteId`` comes from ECDP's own plug-in and is not on its page."""

    orderId: str
    orderStatus: OrderState
    websiteId: NotRequired[int]


def post_body(mode: Mode, orders: list[bytes]) -> bytes:
    """Return the body of ``POST /orders``: the mode and many orders, each already JSON."""
    return b'{"mode":"%b","data":[%b]}' % (mode.encode(), b",".join(orders))


class _ApiModel(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True)


def _readable(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """One field in a form of its own must not make an order unreadable: it counts as missing."""
    try:
        return read(value)
    except ValidationError:
        return None


T = TypeVar("T")
Read: TypeAlias = Annotated[T | None, WrapValidator(_readable)]


class FoundCustomer(_ApiModel):
    email: Read[str] = None
    phone: Read[str] = None
    crmId: Read[str] = None  # noqa: N815 - the vendor's name


class FoundProduct(_ApiModel):
    price: Read[float] = None
    quantity: Read[float] = None


class FoundOrder(_ApiModel):
    """``data`` of ``GET /orders/{id}`` and of ``DELETE /orders/{id}``: what is compared of it."""

    id: str
    date: Read[datetime] = None
    status: Read[str] = None
    isDeleted: Read[bool] = None  # noqa: N815 - the name of a status on the page; it may be a field
    currency: Read[str] = None
    totalValue: Read[float] = None  # noqa: N815 - the vendor's name
    customer: Read[FoundCustomer] = None
    products: Read[list[FoundProduct]] = None


class OrderAnswer(_ApiModel):
    """The answer of ``GET`` and ``DELETE /orders/{id}``."""

    data: FoundOrder


class Problem(_ApiModel):
    """What is shown of the body of 400, 401 and 404."""

    title: str | None = None
    detail: str | None = None


def errors_of(body: Any) -> list[str]:
    """Return the texts of ``errors``: a list, or ASP.NET's map of lists; empty when there are none."""
    errors = body.get("errors", body.get("Errors")) if isinstance(body, dict) else None
    if isinstance(errors, dict):
        return [f"{name}: {text}" for name, texts in errors.items() for text in _texts(texts)]
    return _texts(errors)


def _texts(errors: Any) -> list[str]:
    listed = errors if isinstance(errors, list) else [errors] if errors else []
    return [each if isinstance(each, str) else f"({type(each).__name__})" for each in listed]
