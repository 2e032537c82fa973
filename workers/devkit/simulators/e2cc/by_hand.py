"""Changes the books of a simulated E2CC by hand: ``POST /_sim/orders``."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.devkit.simulators.e2cc.books import Books


class Wanted(BaseModel):
    """What should happen. Several keys may be given together."""

    model_config = ConfigDict(extra="forbid")

    fill: int = Field(0, ge=0)  # so many more orders, spread over the past, with shipments and invoices
    items: int = Field(0, ge=0)  # so many more items in stock
    happen: int = Field(0, ge=0)  # so many things at random
    order: str = ""  # such as SO057001: moved to ``status``, or ``gone``
    invoice: str = ""  # such as AR-000001: ``status``; Closed has no balance
    item: str = ""  # an inventory id: ``quantity``
    status: str = ""
    quantity: int = 0
    gone: bool = False


def change(books: Books, wanted: Any) -> list[dict[str, Any]]:
    """Do what is wanted; returns what has happened. Raises `ValueError`."""
    try:
        asked = Wanted.model_validate(wanted)
    except ValidationError as error:
        raise ValueError(str(error)) from error
    books.fill(asked.fill, asked.items)
    found = [books.happen() for _ in range(asked.happen)]
    try:
        found += [_order(books, asked)] if asked.order else []
        found += [_invoice(books, asked)] if asked.invoice else []
        found += [_item(books, asked)] if asked.item else []
    except (KeyError, StopIteration) as error:
        raise ValueError("there is no such record") from error
    return found


def _order(books: Books, asked: Wanted) -> dict[str, Any]:
    order = books.by_name[asked.order]
    if asked.gone:
        return books.remove(order)
    order.status = asked.status or order.status
    return {"set": "orders", "id": order.name, "what": "moved"}


def _invoice(books: Books, asked: Wanted) -> dict[str, Any]:
    invoice = books.invoices_by_number[asked.invoice]
    invoice.status = asked.status or invoice.status
    invoice.balance = 0 if invoice.status == "Closed" else invoice.balance
    return {"set": "invoices", "id": invoice.number, "what": "moved"}


def _item(books: Books, asked: Wanted) -> dict[str, Any]:
    item = next(one for one in books.items if one.number == asked.item)
    item.quantity = asked.quantity
    return {"set": "inventories", "id": item.number, "what": "counted"}
