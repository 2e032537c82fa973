"""The web shop's orders: open for 3 days, then gone unless they are checked out. An item that is added twice is twice.

A web order that is checked out becomes an invoice of the seller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workers.devkit.simulators.komet.envelope import Asked, Method, RefusedError
from workers.devkit.simulators.komet.seller import CUSTOMER_ID, PENDING, VOIDED, Line, Seller

OPEN, CHECKED_OUT, CANCELED = 1, 2, 3  # statusId; the last one is never listed
CANCELED_STATE, CHECKED_OUT_STATE = "canceled", "checked out"  # of a web order that became an invoice
LIFE_MS: Final = 3 * 86_400_000
FEE: Final = 0.015  # of what is checked out: what the seller pays
FIRST_NUMBER: Final = 700_000
PRODUCTS: Final = ("inventoryIds", "productCode", "companyProductId")
NOT_FOUND: Final = "Web order not found."
SHOWN_PRODUCTS: Final = {"inventoryIds": "inventoryId"}


@dataclass(slots=True)
class WebOrder:
    """A web order."""

    number: int
    reference: str  # the customer's PO
    opened_ms: int
    status: int = OPEN
    items: list[dict[str, Any]] = field(default_factory=list)
    invoice_id: int | None = None

    @property
    def cents(self) -> int:
        return sum(round(item["price"] * 100) * item["quantity"] for item in self.items)


@dataclass
class WebOrders:
    """All web orders of the customer, and what they have cost."""

    seller: Seller
    by_number: dict[int, WebOrder] = field(default_factory=dict)
    open: dict[int, WebOrder] = field(default_factory=dict)  # the open ones of these, the oldest first
    by_invoice: dict[int, WebOrder] = field(default_factory=dict)  # those that were checked out
    expired: int = 0
    fee_cents: int = 0

    def create(self, reference: str) -> WebOrder:
        """Open a web order without items."""
        number = FIRST_NUMBER + self.seller.first_number + len(self.by_number)
        made = self.by_number[number] = self.open[number] = WebOrder(number, reference, self.seller.clock_ms())
        return made

    def live(self, life_ms: int = LIFE_MS) -> None:
        """Let go of open ones that are too old."""
        now = self.seller.clock_ms()
        while self.open and now - (one := next(iter(self.open.values()))).opened_ms >= life_ms:
            self.cancel(one)
            self.expired += 1

    def check_out(self, order: WebOrder) -> None:
        """Make it an invoice, for a fee."""
        lines = [self._line(item) for item in order.items]
        invoice = self.seller.open(is_web=True, status=PENDING, lines=lines, customer_po=order.reference)
        order.status, order.invoice_id = CHECKED_OUT, invoice.id
        del self.open[order.number]
        self.by_invoice[invoice.id] = order
        self.fee_cents += round(order.cents * FEE)

    def cancel(self, order: WebOrder) -> None:
        """Void it, and its invoice."""
        order.status = CANCELED
        self.open.pop(order.number, None)
        if order.invoice_id is not None:
            self.seller.change(self.seller.invoices[order.invoice_id], status=VOIDED)

    def shown_with(self, invoice_id: int) -> dict[str, Any]:
        """What ``/_sim/orders`` adds to an invoice that was a web order of ours."""
        one = self.by_invoice.get(invoice_id)
        if one is None:
            return {}
        state = CANCELED_STATE if one.status == CANCELED else CHECKED_OUT_STATE
        return {"reference": one.reference, "web_order": one.number, "state": state, "items": one.items}

    def stats(self) -> dict[str, Any]:
        """Count the web orders by state, and the fees."""
        states = [one.status for one in self.by_number.values()]
        return {
            "orders": len(self.by_invoice),
            "web_orders_open": states.count(OPEN),
            "web_orders_checked_out": states.count(CHECKED_OUT),
            "web_orders_canceled": states.count(CANCELED) - self.expired,
            "web_orders_expired": self.expired,
            "fee_cents": self.fee_cents,
        }

    def _line(self, item: Mapping[str, Any]) -> Line:
        product = next(item[name] for name in ("inventoryId", *PRODUCTS) if name in item)
        number = int(product) if str(product).isdecimal() else len(str(product))
        return self.seller.line(product_id=number, boxes=item["quantity"], cents=round(item["price"] * 100))


def create(asked: Asked) -> dict[str, Any]:
    """Open a header."""
    _customer(asked)
    asked.number("companyId")
    return {"webOrderId": asked.web_orders.create(asked.text("customerPo")).number}


def add(asked: Asked) -> dict[str, Any]:
    """Append an item: to the named web order, or to any open one, or to a new one."""
    order = _named(asked) if asked.text("webOrderId") else _any(asked)
    named = [name for name in PRODUCTS if asked.text(name)]
    quantity, price = asked.parameters.get("quantity"), asked.parameters.get("price")
    if len(named) != 1 or not isinstance(quantity, int) or quantity < 1 or not isinstance(price, int | float):
        raise RefusedError("One product, quantity and price are required.")
    [name] = named
    if order.reference in asked.faults.broken_ids:
        raise RefusedError("An unexpected error has occurred.")
    if {asked.text(name), order.reference} & asked.faults.bad_ids:
        raise RefusedError("The product is not available.")
    row = 10 * order.number + len(order.items)
    shown = {SHOWN_PRODUCTS.get(name, name): asked.text(name)}
    order.items.append({"id": row, "webOrderItemId": row, **shown, "quantity": quantity, "price": price})
    return {"webOrderId": order.number}


def check_out(asked: Asked) -> dict[str, Any]:
    """Check a web order out."""
    order = _named(asked)
    if not order.items:
        raise RefusedError("The web order has no items.")
    order.reference = asked.text("customerPo") or order.reference
    asked.web_orders.check_out(order)
    return {"webOrderId": order.number}


def delete(asked: Asked) -> dict[str, Any]:
    """Cancel a web order, open or checked out."""
    order = _named(asked, CHECKED_OUT)
    if order.reference in asked.faults.locked_ids:
        raise RefusedError("The order can no longer be canceled.")
    asked.web_orders.cancel(order)
    return {"webOrderId": order.number}


def details(asked: Asked) -> dict[str, Any]:
    """The customer's web orders of one status, or one of them."""
    _customer(asked)
    if asked.faults.needs_web_order_id and not asked.text("webOrderId"):
        raise RefusedError("webOrderId is required.")
    status = int(asked.text("statusId") or OPEN)
    rows = [_row(one, asked) for one in _orders(asked, status)]
    if not rows:
        raise RefusedError("Web orders not found.")
    return {"webOrders": rows}


def _orders(asked: Asked, status: int) -> Iterator[WebOrder]:
    number = asked.text("webOrderId")
    if number:
        one = asked.web_orders.by_number.get(int(number))
        found = [] if one is None else [one]
    else:
        found = list((asked.web_orders.open if status == OPEN else asked.web_orders.by_number).values())
    yield from (one for one in found if one.status == status != CANCELED)


def _row(order: WebOrder, asked: Asked) -> dict[str, Any]:
    row = {
        "id": order.number,
        "number": order.number,
        "statusId": order.status,
        "customerId": int(CUSTOMER_ID),
        "subtotal": order.cents / 100,
        "total": order.cents / 100,
        "items": order.items,
    }
    return row if asked.faults.hides_customer_po else {**row, "customerPo": order.reference}


def _customer(asked: Asked) -> None:
    if asked.text("customerId") != CUSTOMER_ID:
        raise RefusedError("customerId is required.")


def _named(asked: Asked, last: int = OPEN) -> WebOrder:
    """The web order that the request names, if its status is at most ``last``."""
    _customer(asked)
    found = asked.web_orders.by_number.get(asked.number("webOrderId"))
    if found is None or found.status > last:
        raise RefusedError(NOT_FOUND)
    return found


def _any(asked: Asked) -> WebOrder:
    """Without a number: what is open for the customer, or a new one."""
    _customer(asked)
    found = next(_orders(asked, OPEN), None)
    return asked.web_orders.create("") if found is None else found


WEB_ORDERS: Final[Mapping[str, Method]] = {
    "web-order.create": Method("POST", "header", create, changes=True),
    "web-order-item.add": Method("POST", "header", add, changes=True),
    "web-order.checkout": Method("POST", "header", check_out, changes=True),
    "web-order.delete": Method("POST", "header", delete, changes=True),
    "web-order-details.list": Method("GET", "header", details),
}
