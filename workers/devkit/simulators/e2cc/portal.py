"""What a simulated E2CC answers to each read: lists by page, single records, and what it does not page."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workers.devkit.simulators.e2cc import rows
from workers.devkit.simulators.e2cc.books import Books
from workers.devkit.simulators.e2cc.conditions import Created, NotUnderstoodError, created_of, equalities, fits
from workers.devkit.simulators.faults import Faults

PAGE_SIZE: Final = 1000

Row = rows.Row


class NotFoundError(LookupError):
    """Unknown route."""


@dataclass
class Portal:
    """Reads the books."""

    books: Books
    rng: random.Random

    def read(self, parts: Sequence[str], asked: Mapping[str, str], faults: Faults) -> list[Row]:
        """Return the rows of an answer; raises `NotFoundError`, and `NotUnderstoodError` where E2CC fails."""
        match parts:
            case ["orders" | "shipments" | "invoices" | "inventories" as name]:
                page = self._list(name, asked, faults)
            case ["credits"]:
                page = [rows.credit_row(self.books.credit)]
            case ["rmas"]:
                page = self._returns(faults)
            case ["orders", "shipments", name]:
                order = self.books.by_name.get(name)
                page = [{"shipmentNbr": one.number} for one in order.shipments] if order else []
            case ["orders" | "shipments" | "invoices" as name, number]:
                page = self._lines(name, number, asked, faults)
            case _:
                raise NotFoundError
        return [self._worn(row, faults) for row in page]

    def _list(self, name: str, asked: Mapping[str, str], faults: Faults) -> list[Row]:
        """One page of a list: in the sequence of creation unless the knobs say otherwise."""
        wanted = {} if faults.ignores_filters else equalities(asked)
        found = self._created(name, "" if faults.ignores_filters else asked.get("conditions", ""), faults)
        if not wanted and not faults.row_per_line:  # a row a record: only those of the page are made
            records = paged(self._sorted(list(found), faults), asked, faults)
            page = [row for record in records for row in _shown(name, record, faults)]
        else:
            every = [row for record in found for row in _shown(name, record, faults) if fits(row, wanted)]
            page = paged(self._sorted(every, faults), asked, faults)
        return [_chosen(row, asked, faults) for row in page]

    def _created(self, name: str, expression: str, faults: Faults) -> Sequence[Any]:
        if name == "inventories":
            return self.books.items
        created = created_of(expression, only_gt=faults.conditions == "gt") if expression else Created()
        match name:
            case "orders":
                return self.books.orders.between(created)
            case "shipments":
                return self.books.shipments.between(created)
            case _:
                return self.books.invoices.between(created)

    def _sorted(self, found: list[Any], faults: Faults) -> list[Any]:
        if faults.sort == "descending":
            found.reverse()
        elif faults.sort == "unstable":
            self.rng.shuffle(found)
        return found

    def _returns(self, faults: Faults) -> list[Row]:
        if faults.rmas_down:
            raise NotUnderstoodError("rmas")
        return [rows.return_row(one) for one in self.books.returns]

    def _lines(self, name: str, number: str, asked: Mapping[str, str], faults: Faults) -> list[Row]:
        books = self.books
        if name == "orders":
            order = books.by_name.get(number)
            return rows.order_lines(order) if order else []
        if name == "invoices":
            invoice = books.invoices_by_number.get(number)
            return rows.invoice_lines(invoice) if invoice else []
        shipment = books.shipments_by_number.get(number)
        return paged(rows.shipment_lines(shipment) if shipment else [], asked, faults)

    def _worn(self, row: Row, faults: Faults) -> Row:
        """The row as this answer shows it."""
        worn = rows.with_entities(row, self.rng) if faults.entities else row
        return rows.padded(worn, self.rng) if faults.padding else worn


def bounds(asked: Mapping[str, str], faults: Faults) -> tuple[int, int]:
    """From which row to which a page goes."""
    size = number_of(asked, "pageSize", PAGE_SIZE)
    size = size if faults.page_cap is None else min(size, faults.page_cap)
    page = number_of(asked, "page", 1)
    return (page - 1) * size, page * size


def paged(found: Sequence[Row], asked: Mapping[str, str], faults: Faults) -> list[Row]:
    first, last = bounds(asked, faults)
    return list(found[first:last])


def number_of(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name, "")
    return int(text) if text.isdecimal() and int(text) > 0 else default


def _shown(name: str, record: Any, faults: Faults) -> Iterator[Row]:
    match name:
        case "orders":
            return rows.order_rows(record, by_line=faults.row_per_line)
        case "invoices":
            return rows.invoice_rows(record, by_line=faults.row_per_line)
        case "shipments":
            return iter((rows.shipment_row(record),))
        case _:
            return iter((rows.item_row(record),))


def _chosen(row: Row, asked: Mapping[str, str], faults: Faults) -> Row:
    """The fields that were asked for."""
    names: Iterable[str] = asked["fields"].split(",") if asked.get("fields") else row.keys()
    return {name: row[name] for name in names if name in row and not (faults.uncreated and name == rows.SHOWN)}
