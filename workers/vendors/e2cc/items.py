"""E2CC's invoices, stock, credit and returns: rows to the relay's `VendorItem`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from workers.core.poll.change import digest
from workers.core.poll.vendor_item import CREDIT, INVENTORY, INVOICE, RETURN, ItemKind, VendorItem
from workers.core.poll.vendor_set import SetRow
from workers.vendors.e2cc.api import chosen, day, instant, money, quantity, short_text, text_of
from workers.vendors.e2cc.records import ListedSet, Making, Row, created_at, fitting, united
from workers.vendors.e2cc.states import INVOICE_STATES, RETURN_STATES, state_of

LINES: Final = "lines"
LISTED_INVOICE_FIELDS: Final = (
    "type",
    "referenceNbr",
    "status",
    "amount",
    "balance",
    "date",
    "dueDate",
    "detailInventoryId",
    "detailQty",
)
INVOICE_FIELDS: Final = (*LISTED_INVOICE_FIELDS, LINES)
INVOICE_LINE_FIELDS: Final = ("detailInventoryId", "detailDescription", "detailQty", "detailUnitPrice")
INVENTORY_FIELDS: Final = ("inventoryId", "warehouse", "description", "qtyAvailable", "subitem")
CREDIT_FIELDS: Final = (
    "customerId",
    "creditLimit",
    "remainingCreditLimit",
    "arBalancesSharedCreditCurrentBal",
    "arBalancesSharedCreditTotalOpenOrders",
)
RETURN_FIELDS: Final = ("id", "Date_Opened", "Date_Closed", "Subject", "Ticket_Status", "RMA_Resolution")
"""Names in events' ``changed``. Add new ones at the end: stored rows have hashes by position."""

MAX_NUMBER_CHARS: Final = 100  # in the keys of Kafka
_ORDER_IN_TEXT: Final = re.compile(r"\b(SO|RM) ?(\d{6})\b")

# Notes, counted in /status.
NO_ORDER: Final = "returns_without_order"


def invoice_key(row: Mapping[str, Any]) -> str | None:
    """Type and number: whether a credit memo may have an invoice's number, is not documented."""
    number = _short(row, "referenceNbr")
    return f"{text_of(row, 'type')}/{number}" if number else None


def inventory_key(row: Mapping[str, Any]) -> str | None:
    number = _short(row, "inventoryId")
    return f"{number}:{text_of(row, 'warehouse')}" if number else None


def credit_key(row: Mapping[str, Any]) -> str | None:
    return _short(row, "customerId")


def return_key(row: Mapping[str, Any]) -> str | None:
    return _short(row, "id")


def invoice_row(rows: Sequence[Row], making: Making) -> SetRow:
    """An invoice as the list shows it."""
    head, fields, notes = rows[0], united(rows, LISTED_INVOICE_FIELDS), making.notes
    state = state_of(text_of(head, "status"), INVOICE_STATES, notes)
    content = {
        "invoice_number": text_of(head, "referenceNbr"),
        "type": short_text(head, "type", notes),
        "status": short_text(head, "status", notes),
        "state": state,
        "amount": money(head, "amount", notes),
        "balance": money(head, "balance", notes),
        "issued_on": day(head, "date"),
        "due_on": day(head, "dueDate"),
    }
    row = _row(INVOICE, invoice_key(head) or "", fields, content, making)
    at = created_at(head, making)
    assert isinstance(row.item, VendorItem)
    item = replace(row.item, unread=frozenset((LINES,)))
    is_open = state not in {"closed", "voided"}
    return replace(row, item=item, is_open=is_open, created_ms=None if at is None else at.earlier_ms)


def detailed_invoice(row: SetRow, lines: Sequence[Row], making: Making) -> SetRow:
    """The invoice with its lines; the digest covers them and what the list shows."""
    item = row.item
    assert isinstance(item, VendorItem), "a row of the set of invoices"
    compared = sorted((chosen(line, INVOICE_LINE_FIELDS) for line in lines), key=lambda line: sorted(line.items()))
    told = fitting([_invoice_line(line, making) for line in compared], making.notes)
    detailed = replace(
        item,
        content={**item.content, LINES: told},
        digest=digest(["1 details", row.digest.hex(), compared]),
        fields={**item.fields, LINES: compared},
        unread=frozenset(),
        raw=making.raw({"invoice": item.fields, LINES: compared}),
    )
    return replace(row, item=detailed)


def inventory_row(rows: Sequence[Row], making: Making) -> SetRow:
    """The stock of an article, in the warehouse that the row names."""
    head, notes = rows[0], making.notes
    content = {
        "inventory_id": text_of(head, "inventoryId"),
        "warehouse": text_of(head, "warehouse"),
        "description": short_text(head, "description", notes),
        "available": quantity(head, "qtyAvailable", notes),
    }
    return _row(INVENTORY, inventory_key(head) or "", united(rows, INVENTORY_FIELDS), content, making)


def credit_row(rows: Sequence[Row], making: Making) -> SetRow:
    """A customer's credit."""
    head, notes = rows[0], making.notes
    content = {
        "customer_id": text_of(head, "customerId"),
        "credit_limit": money(head, "creditLimit", notes),
        "remaining": money(head, "remainingCreditLimit", notes),
        "balance": money(head, "arBalancesSharedCreditCurrentBal", notes),
        "open_orders": money(head, "arBalancesSharedCreditTotalOpenOrders", notes),
    }
    return _row(CREDIT, credit_key(head) or "", united(rows, CREDIT_FIELDS), content, making)


def return_row(rows: Sequence[Row], making: Making) -> SetRow:
    """A return. Only its subject names its order, as prose."""
    head, notes = rows[0], making.notes
    order = _ORDER_IN_TEXT.search(text_of(head, "Subject"))
    notes[NO_ORDER] += order is None
    content = {
        "return_id": text_of(head, "id"),
        "status": short_text(head, "Ticket_Status", notes),
        "state": state_of(text_of(head, "Ticket_Status"), RETURN_STATES, notes),
        "order_number": "".join(order.groups()) if order else None,
        "subject": short_text(head, "Subject", notes) or None,
        "resolution": short_text(head, "RMA_Resolution", notes) or None,
        "opened_at": _instant_ms(head, "Date_Opened", making),
        "closed_at": _instant_ms(head, "Date_Closed", making),
    }
    return _row(RETURN, return_key(head) or "", united(rows, RETURN_FIELDS), content, making)


def _row(kind: ItemKind, key: str, fields: Mapping[str, Any], content: Mapping[str, Any], making: Making) -> SetRow:
    compared = digest(["1", fields])
    return SetRow(key, compared, VendorItem(kind, content, compared, fields, raw=making.raw(fields)))


def _invoice_line(line: Mapping[str, Any], making: Making) -> Row:
    return {
        "item_number": short_text(line, "detailInventoryId", making.notes),
        "description": short_text(line, "detailDescription", making.notes) or None,
        "quantity": quantity(line, "detailQty", making.notes),
        "unit_price": money(line, "detailUnitPrice", making.notes),
    }


def _instant_ms(row: Mapping[str, Any], name: str, making: Making) -> int | None:
    at = instant(row, name, making.zone, making.notes)
    return None if at is None else at.earlier_ms


def _short(row: Mapping[str, Any], name: str) -> str | None:
    text = text_of(row, name)
    return text if text and len(text) <= MAX_NUMBER_CHARS else None


INVOICES: Final = ListedSet("/invoices", LISTED_INVOICE_FIELDS, invoice_key, invoice_row, has_created=True)
INVENTORIES: Final = ListedSet("/inventories", INVENTORY_FIELDS, inventory_key, inventory_row)
CREDITS: Final = ListedSet("/credits", CREDIT_FIELDS, credit_key, credit_row)
RETURNS: Final = ListedSet("/rmas", RETURN_FIELDS, return_key, return_row)
