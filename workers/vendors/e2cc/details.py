"""Reads what E2CC's lists do not show: the lines of an order and of an invoice, and an order's shipments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.change import VendorOrder
from workers.core.poll.vendor_item import VendorItem
from workers.core.poll.vendor_set import SetRow
from workers.vendors.contract import Flow, PollFault
from workers.vendors.e2cc.api import text_of
from workers.vendors.e2cc.items import detailed_invoice, invoice_key
from workers.vendors.e2cc.orders import SHIPMENT_FIELDS, ReadShipment, detailed_order, order_key
from workers.vendors.e2cc.reads import E2ccReads, TooMuch
from workers.vendors.e2cc.records import NOT_ASKED, UNSAFE, Making, Row
from workers.vendors.e2cc.requests import Page, is_safe

Key: TypeAlias = Callable[[Row], str | None]  # of the record that a row is about


@dataclass(frozen=True, slots=True)
class DetailReads:
    """Reads the details of single records, and checks that each answer is about the record that was asked for."""

    reads: E2ccReads
    making: Making

    def order(self, row: SetRow) -> Flow[SetRow | PollFault]:
        """The order with its lines and shipments; without them when its number is no plain number."""
        assert isinstance(row.item, VendorOrder), "a row of the set of orders"
        number = row.item.order_number
        if not is_safe(number):
            self.making.notes[UNSAFE] += 1
            return row
        lines = yield from self._lines("/orders", number, order_key)
        if not isinstance(lines, Sequence):
            return lines
        shipments = yield from self.shipments(number, row.item.fields)
        if not isinstance(shipments, Sequence):
            return shipments
        return detailed_order(row, lines, shipments, self.making)

    def invoice(self, row: SetRow) -> Flow[SetRow | PollFault]:
        """The invoice with its lines."""
        assert isinstance(row.item, VendorItem), "a row of the set of invoices"
        number = str(row.item.content["invoice_number"])
        if not is_safe(number):
            self.making.notes[UNSAFE] += 1
            return row
        lines = yield from self._lines("/invoices", number, lambda line: text_of(line, "referenceNbr"))
        if not isinstance(lines, Sequence):
            return lines
        same = [line for line in lines if not text_of(line, "type") or invoice_key(line) == row.key]
        return detailed_invoice(row, same, self.making)

    def shipments(self, order: str, fields: Mapping[str, Any]) -> Flow[Sequence[ReadShipment] | PollFault]:
        """The order's shipments with their lines; ``fields``: the order's type and number, apart."""
        rows = yield from self.reads.record("/orders/shipments", order)
        if not isinstance(rows, Sequence):
            return rows
        numbers = sorted({text_of(row, "shipmentNbr") for row in rows} - {""})
        if not numbers:
            return []
        heads = yield from self._heads(order, fields)
        if not isinstance(heads, dict):
            return heads
        found: list[ReadShipment] = []
        for number in numbers:
            lines = yield from self._shipped(number, order)
            if not isinstance(lines, Sequence):
                return lines
            found.append(ReadShipment(number, heads.get(number) or _head(lines), lines))
        return found

    def _heads(self, order: str, fields: Mapping[str, Any]) -> Flow[dict[str, Row] | PollFault]:
        """What the list of shipments shows of the order's; nothing when E2CC does not apply the filter.

        Invariant: where the filter counts for nothing, no head is taken from the page. Otherwise the sequence of the
        rows would decide which shipments have a carrier.
        """
        filters = {"OrderType": text_of(fields, "orderType"), "OrderNbr": text_of(fields, "orderNbr")}
        if not all(map(is_safe, filters.values())):
            self.making.notes[UNSAFE] += 1
            return {}
        page = Page("/shipments", 1, self.reads.options.page_size, SHIPMENT_FIELDS, filters=filters)
        rows = yield from self.reads.page(page)
        if not isinstance(rows, Sequence):
            return Unavailable("the answer of /shipments is too long") if isinstance(rows, TooMuch) else rows
        if any(order_key(row) != order for row in rows):
            self.making.notes[NOT_ASKED] += sum(order_key(row) != order for row in rows)
            return {}
        return {text_of(row, "shipmentNbr"): row for row in rows}

    def _shipped(self, number: str, order: str) -> Flow[Sequence[Row] | PollFault]:
        """The lines of a shipment that are of this order."""
        if not is_safe(number):
            self.making.notes[UNSAFE] += 1
            return []
        page = Page(f"/shipments/{number}", 1, self.reads.options.page_size)
        rows = yield from self.reads.pages(page, lines_of_one=True)
        if not isinstance(rows, Sequence):
            return rows
        ours = self._asked_for(rows, lambda line: text_of(line, "shipmentNbr"), number)
        return [line for line in ours if order_key(line) in {order, None}]

    def _lines(self, path: str, number: str, key: Key) -> Flow[Sequence[Row] | PollFault]:
        rows = yield from self.reads.record(path, number)
        return self._asked_for(rows, key, number) if isinstance(rows, Sequence) else rows

    def _asked_for(self, rows: Sequence[Row], key: Key, number: str) -> Sequence[Row]:
        """The rows about that record: those of another one tell nothing of it."""
        found = [row for row in rows if key(row) == number]
        self.making.notes[NOT_ASKED] += len(rows) - len(found)
        return found


def _head(lines: Sequence[Row]) -> Row:
    """What a shipment's lines show of the shipment as a whole: no carrier."""
    return {name: lines[0][name] for name in ("status", "shipmentDate") if name in lines[0]} if lines else {}
