"""Tell whether the order that e-Courier already has is ours, and the one that we would save."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx
from pydantic import ValidationError

from workers.vendors._shared.answers import NotJsonError, json_body
from workers.vendors.ecourier.api import Order, plain
from workers.vendors.ecourier.mapping import DELETED, Fields
from workers.vendors.ecourier.times import read
from workers.vendors.ecourier.wire import GUID_HEADER

NUMBERS: Final = frozenset({"Pieces", "Weight", "Sequence"})
DATE_TIME: Final = "DateTime"


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order as GetJsonOrder or QuoteOrder answered it."""

    order: Order
    fields: Fields  # the same as it came, without the ``@`` of attributes

    @property
    def customer_code(self) -> str | None:
        """Whose order it is, as far as the answer tells."""
        customer = self.order.customer
        return self.order.customer_code or (customer.customer_code if customer else None)

    @property
    def is_deleted(self) -> bool:
        """Whether its status says so."""
        return same_text(self.order.order_status, DELETED)


def found_order(response: httpx.Response) -> FoundOrder | None:
    """Return the answer's order; None when it has none that can be read."""
    try:
        body = plain(json_body(response))
        order = body.get("Order") if isinstance(body, dict) else None
        if not order or not isinstance(order, dict):
            return None
        fields = {name: value for name, value in order.items() if name != GUID_HEADER}  # it is the live token
        return FoundOrder(Order.model_validate(fields), fields)
    except (NotJsonError, ValidationError):
        return None


def is_ours(found: FoundOrder, sent: Fields) -> bool:
    """Whether CustomerCode and Auth are the ones that we would send.

    Invariant: an order that fails this is never saved over. Broken, a stranger's delivery would become ours.
    A CustomerCode that the answer does not tell is taken for ours: the number's prefix is.
    """
    return has_code(found, sent.get("CustomerCode")) and same_text(found.order.auth, sent.get("Auth"))


def has_code(found: FoundOrder, customer_code: str | None) -> bool:
    """Whether the order is of that customer, as far as both are told."""
    return not found.customer_code or not customer_code or same_text(found.customer_code, customer_code)


def differences(found: FoundOrder, sent: Fields) -> list[str]:
    """Return the names of the order's fields that are not as we would send them.

    Only what we send counts: e-Courier adds much of its own. Its ways to write a number or a date do not count.
    """
    told = found.fields | {"CustomerCode": found.customer_code or sent.get("CustomerCode")}
    return [name for name, value in sent.items() if not _holds(told.get(name), value, name)]


def same_text(found: Any, sent: str | None) -> bool:
    """Whether both say the same, apart from case and blanks; none says what an empty text says."""
    return _folded(found) == _folded(sent)


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
    if name in NUMBERS:
        return _number(found) == _number(sent) is not None
    return name.endswith(DATE_TIME) and read(str(found)) == read(sent) is not None


def _folded(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split()).casefold()


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
