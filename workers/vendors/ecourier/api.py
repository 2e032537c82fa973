"""e-Courier's answers, and what the relay reads of an order. Reading is tolerant.

Any value may be sent as text, attributes may carry an ``@``, and a collection may be a list, a single object or empty.
A value that is no text is read as None, so that one bad field does not hide an order.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict

from workers.vendors._shared.answers import json_body

MAX_DEPTH: Final = 32  # levels of an answer that are read; an order has 8
MAX_WRAPPINGS: Final = 4


def vendor_name(field: str) -> str:
    """Return e-Courier's name of a field: ``order_event_id`` is ``OrderEventID``."""
    return "".join(part.upper() if part == "id" else part.capitalize() for part in field.split("_"))


def body_of(response: httpx.Response) -> Any:
    """Return the answer's JSON, `plain` and without what ASP.NET wraps it in; raises `NotJsonError`.

    A script service answers ``{"d": ...}``, WCF ``{"SaveOrderResult": ...}``; either may hold the JSON as a text.
    """
    body = json_body(response)
    for _ in range(MAX_WRAPPINGS):
        if isinstance(body, dict) and len(body) == 1 and _is_wrapper(next(iter(body))):
            [body] = body.values()
        elif isinstance(body, str) and body.lstrip()[:1] in {"{", '"'}:
            body = json_body(httpx.Response(response.status_code, content=body.encode(errors="replace")))
        else:
            break
    return plain(body)


def _is_wrapper(name: str) -> bool:
    return name == "d" or name.endswith("Result")


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the same JSON without the ``@`` of attributes, unless the object also has an element of that name."""
    match value:
        case dict() if depth:
            return {_without_at(name, value): plain(inner, depth - 1) for name, inner in value.items()}
        case list() if depth:
            return [plain(each, depth - 1) for each in value]
        case _:
            return value


def _without_at(name: str, siblings: dict[str, Any]) -> str:
    bare = name.removeprefix("@")
    return name if bare in siblings else bare


def members(collection: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects of ``{"Piece": [...]}``, of ``{"Piece": {...}}`` or of a plain list."""
    inner = collection.get(name) if isinstance(collection, dict) else collection
    listed = inner if isinstance(inner, list) else [inner]
    return [each for each in listed if isinstance(each, dict)]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _element(value: Any) -> Any:
    return value if isinstance(value, dict) else None  # an empty element is sent as text


Text: TypeAlias = Annotated[str | None, BeforeValidator(_text)]


class ApiModel(BaseModel):
    """Reads any object of e-Courier's API."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=vendor_name, populate_by_name=True)


class OrderEvent(ApiModel):
    """An event of a delivery: picked up, delivered, changed."""

    order_event_id: Text = None  # documented as an integer; kept as text, because it is an identifier
    event_type: Text = None
    event_date_time: Text = None
    user_name: Text = None
    user_id: Text = None
    note: Text = None
    event_source: Text = None
    event_note: Text = None
    edi_note: Text = None


class EcourierCustomer(ApiModel):
    """The customer who pays."""

    customer_code: Text = None


class EcourierOrder(ApiModel):
    """What is read of a delivery, as GetJsonOrder and QuoteOrder return it."""

    order_number: Text = None
    order_status: Text = None
    customer_code: Text = None
    service: Text = None
    auth: Text = None
    customer: Annotated[EcourierCustomer | None, BeforeValidator(_element)] = None
