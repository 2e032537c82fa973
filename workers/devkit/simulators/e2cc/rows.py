"""E2CC's records as its page shows them: numbers as text, times without an offset, each store with keys of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from workers.devkit.simulators.e2cc.books import (
    CARRIERS,
    DAY_MS,
    PRODUCTS,
    Credit,
    Invoice,
    Item,
    Order,
    Return,
    Shipment,
)
from workers.devkit.simulators.e2cc.conditions import wall_day, wall_time

CUSTOMER: Final = "Sample Customer"
ADDRESS: Final = "123 Sample Ave\r\nSample City, NY 12983\r\nUS"
PAY_LINK: Final = "https://pay.example.com/EBizSecureForm.aspx?pid="
PADDING: Final = 12  # blanks at most
SHOWN: Final = "createdDateTime"

Row = dict[str, Any]


def order_row(order: Order) -> Row:
    """One row an order; ``lineNbr`` is then the number of its lines."""
    lines = [order.line(number) for number in range(1, order.lines + 1)]
    return {
        "orderNbr": order.number,
        "date": wall_day(order.created_ms),
        "status": order.status,
        "schedShipment": wall_day(order.created_ms + 2 * DAY_MS),
        "customerOrder": order.customer_order,
        "description": f"({order.lines}) {PRODUCTS[order.lines % len(PRODUCTS)]}",
        "orderQty": f"{sum(quantity for _, quantity, _ in lines)}.000000",
        "adjustedQuantity": str(len(lines)),
        "orderTotal": f"{_total(order):.6f}",
        "shipVia": _carrier(order)[1],
        "locationAddress": ADDRESS,
        "customerName": CUSTOMER,
        "orderType": order.kind,
        "lineNbr": order.lines,
        SHOWN: wall_time(order.created_ms),
    }


def order_rows(order: Order, *, by_line: bool) -> Iterator[Row]:
    """The list's rows of an order: one, or one a line."""
    row = order_row(order)
    if not by_line:
        yield row
        return
    for number in range(1, order.lines + 1):
        _, quantity, _ = order.line(number)
        yield row | {"lineNbr": number, "orderQty": f"{quantity}.000000"}


def order_lines(order: Order) -> list[Row]:
    return [
        {
            "orderNbr": order.number,
            "status": order.status,
            "schedShipment": wall_day(order.created_ms + 2 * DAY_MS),
            "locationName": "Sample Location (NY)",
            "inventoryId": item,
            "lineDescription": f"Sample {PRODUCTS[number % len(PRODUCTS)]}",
            "orderQty": f"{quantity}.000000",
            "unitPrice": price,
            "customerName": CUSTOMER,
            "orderType": order.kind,
            "lineNbr": number,
        }
        for number in range(1, order.lines + 1)
        for item, quantity, price in [order.line(number)]
    ]


def shipment_row(shipment: Shipment) -> Row:
    order = shipment.order
    return {
        "orderNbr": order.number,
        "shipmentDate": wall_day(shipment.created_ms),
        "shipmentNbr": shipment.number,
        "locationId": "Sample School District",
        "shipVia": _carrier(order)[0],
        "status": shipment.status,
        "customerName": CUSTOMER,
        "locationAddress": ADDRESS,
        "freightPrice": "0.0000",
        "orderType": order.kind,
        SHOWN: wall_time(shipment.created_ms),
    }


def shipment_lines(shipment: Shipment) -> list[Row]:
    """The first shipment of several has the first line alone."""
    order = shipment.order
    first = order.shipments[0] is shipment
    numbers = range(1, 2) if first and order.lines > 1 else range(min(2, order.lines), order.lines + 1)
    return [
        {
            "shipmentNbr": shipment.number,
            "inventoryId": item,
            "shipmentDate": wall_day(shipment.created_ms),
            "customerName": CUSTOMER,
            "shippedQty": f"{quantity}.000000",
            "description": PRODUCTS[number % len(PRODUCTS)],
            "status": shipment.status,
            "shipmentType": "I",
            "lineNbr": number,
            "orderType": order.kind,
            "orderNbr": order.number,
        }
        for number in numbers
        for item, quantity, _ in [order.line(number)]
    ]


def invoice_row(invoice: Invoice) -> Row:
    """A list's row shows one of the invoice's items."""
    item, quantity, _ = invoice.order.line(1)
    return {
        "amount": _cents(invoice.amount),
        "balance": _cents(invoice.balance),
        SHOWN: wall_time(invoice.created_ms),
        "date": wall_day(invoice.created_ms),
        "dueDate": wall_day(invoice.created_ms + 60 * DAY_MS),
        "status": invoice.status,
        "detailInventoryId": item,
        "detailQty": f"{quantity}.000000",
        "customerName": CUSTOMER,
        "type": "Invoice",
        "referenceNbr": invoice.number,
    }


def invoice_rows(invoice: Invoice, *, by_line: bool) -> Iterator[Row]:
    row = invoice_row(invoice)
    for number in range(1, invoice.order.lines + 1 if by_line else 2):
        item, quantity, _ = invoice.order.line(number)
        yield row | {"detailInventoryId": item, "detailQty": f"{quantity}.000000"}


def invoice_lines(invoice: Invoice) -> list[Row]:
    order = invoice.order
    return [
        {
            **{name: value for name, value in invoice_row(invoice).items() if name not in {SHOWN, "customerName"}},
            "terms": "NET 60",
            "detailInventoryId": item,
            "detailQty": f"{quantity}.000000",
            "detailUnitPrice": price,
            "detailDescription": PRODUCTS[number % len(PRODUCTS)],
            "payLink": f"{PAY_LINK}{invoice.number}",
        }
        for number in range(1, order.lines + 1)
        for item, quantity, price in [order.line(number)]
    ]


def item_row(item: Item) -> Row:
    return {
        "inventoryId": item.number,
        "warehouse": item.warehouse,
        "description": f"Sample {PRODUCTS[int(item.number) % len(PRODUCTS)]}",
        "qtyAvailable": f"{item.quantity}.000000",
        "subitem": "0",
    }


def credit_row(credit: Credit) -> Row:
    return {
        "customerId": "C99999",
        "creditLimit": _cents(credit.limit),
        "remainingCreditLimit": _cents(credit.limit - credit.balance - credit.open_orders),
        "customerName": CUSTOMER,
        "arBalancesSharedCreditCurrentBal": _cents(credit.balance),
        "arBalancesSharedCreditTotalOpenOrders": _cents(credit.open_orders),
    }


def return_row(one: Return) -> Row:
    """Of the other store: keys in a third style, and times with an offset."""
    return {
        "id": one.number,
        "Company": CUSTOMER,
        "Date_Opened": _utc(one.opened_ms),
        "Date_Closed": None if one.closed_ms is None else _utc(one.closed_ms),
        "Subject": f"#{one.number} {one.order.kind} {one.order.number} Sample Return",
        "Ticket_Status": "OPEN" if one.closed_ms is None else "CLOSED",
        "RMA_Resolution": one.resolution,
    }


def padded(row: Row, rng: random.Random) -> Row:
    """The row with blanks around its texts, as many as chance will have it."""
    return {name: _in_blanks(value, rng) if isinstance(value, str) else value for name, value in row.items()}


def with_entities(row: Row, rng: random.Random) -> Row:
    """The row with HTML entities in the texts that people wrote, in one answer and not in the next."""
    return {
        name: value.replace("&", "&amp;").replace(" ", rng.choice((" ", "&nbsp;"))) if _is_prose(name, value) else value
        for name, value in row.items()
    }


def _is_prose(name: str, value: Any) -> bool:
    return isinstance(value, str) and (name.lower().endswith("description") or name == "locationAddress")


def _in_blanks(text: str, rng: random.Random) -> str:
    return " " * rng.randint(0, 1) + text + " " * rng.randint(0, PADDING)


def _carrier(order: Order) -> tuple[str, str]:
    return CARRIERS[int(order.number) % len(CARRIERS)]


def _total(order: Order) -> float:
    return sum(float(price) * quantity for _, quantity, price in map(order.line, range(1, order.lines + 1)))


def _cents(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02}00"


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
