"""Tells whether the order that e-Courier already has is ours, and equal to the one that we would save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx
from pydantic import ValidationError

from workers.vendors._shared.answers import NotJsonError
from workers.vendors._shared.read_back import contradicts, folded
from workers.vendors.ecourier.api import EcourierOrder, body_of
from workers.vendors.ecourier.mapping import DELETED, Fields
from workers.vendors.ecourier.requests import GUID_HEADER
from workers.vendors.ecourier.wall_time import parse_wall_time

NUMBERS: Final = frozenset(
    ("Pieces", "Weight", "Height", "Width", "Sequence", "Latitude", "Longitude", "DeclaredValue", "CodAmount")
)
TRUTHS: Final = {"1": "true", "yes": "true", "0": "false", "no": "false"}  # other forms of PodRequired
DATE_TIME: Final = "DateTime"


@dataclass(frozen=True, slots=True)
class ExistingOrder:
    """An order as GetJsonOrder or QuoteOrder answered it."""

    order: EcourierOrder
    fields: Fields  # the same as JSON, without the ``@`` of attributes

    @property
    def customer_code(self) -> str | None:
        """The order's customer; None when the answer does not tell."""
        customer = self.order.customer
        return self.order.customer_code or (customer.customer_code if customer else None)

    @property
    def is_deleted(self) -> bool:
        """Whether its status is X."""
        return same_text(self.order.order_status, DELETED)


def existing_order(response: httpx.Response) -> ExistingOrder | None:
    """Return the answer's order; None when it is missing or unreadable."""
    try:
        body = body_of(response)
        order = body.get("Order") if isinstance(body, dict) else None
        if not order or not isinstance(order, dict):
            return None
        fields = {name: value for name, value in order.items() if name != GUID_HEADER}  # the live token
        return ExistingOrder(EcourierOrder.model_validate(fields), fields)
    except (NotJsonError, ValidationError):
        return None


def is_ours(found: ExistingOrder, number: str, customer_code: str | None) -> bool:
    """Whether number and CustomerCode are ours.

    Invariant: we never save over an order that fails this. Otherwise a stranger's delivery would become ours. Only we
    number an order with our prefix. All else is free text, which a site cuts, escapes or cleans.
    """
    return not contradicts(found.order.order_number, number) and not contradicts(found.customer_code, customer_code)


def differences(found: ExistingOrder, sent: Fields) -> list[str]:
    """Return the names of the fields whose value differs from the one that we would send.

    Fields that we do not send are ignored, and so are other ways to write the same number or date.
    """
    theirs = found.fields | {"CustomerCode": found.customer_code or sent.get("CustomerCode")}
    return [name for name, value in sent.items() if not _holds(theirs.get(name), value, name)]


def same_text(found: Any, sent: str | None) -> bool:
    """Whether both are the same apart from case, blanks and HTML entities; None counts as empty."""
    return folded(found) == folded(sent)


def _holds(found: Any, sent: Any, name: str) -> bool:
    match sent:
        case dict():
            inner = found if isinstance(found, dict) else {}
            return all(_holds(inner.get(each), value, each) for each, value in sent.items())
        case list():
            rows = found if isinstance(found, list) else [found]
            return len(rows) == len(sent) and all(any(_holds(row, each, name) for row in rows) for each in sent)
        case _:
            return _same_value(found, sent, name)


def _same_value(found: Any, sent: str, name: str) -> bool:
    if same_text(found, sent):
        return True
    if name == "PodRequired":
        return TRUTHS.get(folded(found)) == sent
    if name in NUMBERS:
        return _number(found) == _number(sent) is not None
    return name.endswith(DATE_TIME) and parse_wall_time(str(found)) == parse_wall_time(sent) is not None


def _number(value: Any) -> float | None:
    try:
        return float(str(value).strip().lstrip("$").replace(",", ""))  # QuoteOrder writes $40.00
    except (TypeError, ValueError):
        return None
