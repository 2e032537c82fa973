"""The methods that read: invoices, prebooks, the customer, and what the web shop offers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from workers.devkit.simulators.komet.envelope import Asked, Method, RefusedError
from workers.devkit.simulators.komet.rows import details_row, invoice_row, prebook_row, stock_row
from workers.devkit.simulators.komet.seller import CUSTOMER_ID, LOCATION_ID, Invoice, Version

LONGEST_DAYS: Final = 184  # six months
LONGEST_DETAILS_DAYS: Final = 4
MOST_BOXES: Final = 10_000  # in an answer of invoice.details.list
NOT_FOUND: Final = "Orders not found."
ROWS: Final = 30  # of a page, unless asked for otherwise


def invoice_list(asked: Asked) -> dict[str, Any]:
    """Invoices by ship date, or one by number or id."""
    found = [pair for pair in _invoices(asked, LONGEST_DAYS) if _is_wanted(asked, *pair)]
    if not found:
        raise RefusedError(NOT_FOUND)
    return {"invoices": [invoice_row(*pair) for pair in found]}


def invoice_details_list(asked: Asked) -> dict[str, Any]:
    """Invoices with their lines; what is beyond 10,000 boxes is cut off."""
    rows, boxes = [], 0
    for invoice, version in _invoices(asked, LONGEST_DETAILS_DAYS):
        boxes += sum(line.boxes for line in version.lines)
        if boxes > MOST_BOXES:
            break
        rows.append(details_row(invoice, version))
    if not rows:
        raise RefusedError(NOT_FOUND)
    return {"invoices": rows}


def prebook_list(asked: Asked) -> dict[str, Any]:
    """Prebooks by truck date."""
    first, last = _days(asked, "dateFrom", "dateTo", LONGEST_DAYS)
    rows = [prebook_row(one) for one in asked.seller.prebooks if first <= one.truck_day <= last]
    if not rows:
        raise RefusedError("Prebooks not found.")
    return {"prebooks": rows}


def customer_details(asked: Asked) -> dict[str, Any]:
    """The customer, with personal data."""
    if asked.text("customerId") != CUSTOMER_ID:
        raise RefusedError("Customer not found.")
    return {
        "customer": {
            "id": int(CUSTOMER_ID),
            "name": "Sample Florist",
            "code": "SAMPLE",
            "billAddress": "1 Sample Street",
            "phone": "555-0100",
            "creditLimit": asked.seller.credit_cents / 100,
        }
    }


def settings(asked: Asked) -> dict[str, Any]:
    """What the web shop shows the customer."""
    return {"userInfo": [{"isMultilocation": 0, "isEcommerceLite": 1, "customerName": asked.text("customerId")}]}


def inventory_list(asked: Asked) -> dict[str, Any]:
    """A page of what the web shop offers."""
    page, rows = (max(1, int(asked.text(name) or default)) for name, default in (("page", 1), ("rows", ROWS)))
    stock = asked.seller.stock
    if asked.faults.sort == "unstable":
        stock = asked.seller.rng.sample(stock, len(stock))
    shown = [stock_row(one) for one in stock]
    return {"total": len(shown), "inventory": shown[(page - 1) * rows : page * rows]}


def _invoices(asked: Asked, longest_days: int) -> list[tuple[Invoice, Version]]:
    """The invoices of the asked ship dates, in no particular sequence with the knob."""
    ids = {name: asked.text(name) for name in ("order", "orderId") if asked.text(name)}
    if ids:
        wanted = [pair for pair in asked.seller.shown() if ids in _named(pair[0])]
    else:
        first, last = _days(asked, "orderDateFrom", "orderDateTo", longest_days)
        wanted = [pair for pair in asked.seller.shown() if first <= pair[0].ship_day <= last]
    if asked.faults.sort == "unstable":
        asked.seller.rng.shuffle(wanted)
    return wanted


def _named(invoice: Invoice) -> list[dict[str, str]]:
    return [{"order": str(invoice.number)}, {"orderId": str(invoice.id)}]


def _is_wanted(asked: Asked, invoice: Invoice, version: Version) -> bool:
    since, status, web = asked.text("updatedAsOf"), asked.text("status"), asked.text("isEcommerce").lower()
    locations = asked.text("locationIds")
    return (
        (not since or version.updated_ms >= _instant(since))
        and (not status or version.status == int(status))
        and (not web or invoice.is_web == (web in {"1", "true"}))
        and (not locations or LOCATION_ID in locations.split(","))
        and asked.text("customerId") in {"", CUSTOMER_ID}
    )


def _days(asked: Asked, first: str, last: str, longest_days: int) -> tuple[date, date]:
    try:
        begin, end = (date.fromisoformat(asked.text(name)) for name in (first, last))
    except ValueError as error:
        raise RefusedError(f"{first} and {last} are required: YYYY-MM-DD.") from error
    if (end - begin).days > longest_days:
        raise RefusedError(f"The range of dates must not exceed {longest_days} days.")
    return begin, end


def _instant(text: str) -> int:
    try:
        given = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise RefusedError("updatedAsOf must be YYYY-MM-DD hh:mm:ss.") from error
    return int(given.timestamp() * 1000)


READS: Final[Mapping[str, Method]] = {
    "invoice.list": Method("GET", "query", invoice_list),
    "invoice.details.list": Method("GET", "query", invoice_details_list),
    "prebook.list": Method("GET", "query", prebook_list),
    "customer.details.get": Method("GET", "query", customer_details),
    "ecommerce-lite/settings": Method("GET", "header", settings),
    "ecommerce/inventory.list": Method("GET", "header", inventory_list),
}
