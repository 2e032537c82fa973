"""Komet's rows to the rows of our sets: what identifies each, what of it matters, and what is published of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers.core.poll.change import VendorOrder, digest
from workers.core.poll.vendor_item import CREDIT, INVENTORY, INVOICE, VendorItem
from workers.core.poll.vendor_set import SetRow
from workers.vendors._shared.decimals import avro_decimal
from workers.vendors._shared.event_size import cut, raw_json
from workers.vendors.komet.answers.values import normal
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.orders.mapping import HASH_MARK
from workers.vendors.komet.poll.api import LINE_FIELDS, CustomerRow, InvoiceRow, Line, PrebookRow, StockRow
from workers.vendors.komet.poll.stages import VOIDED, invoice_status, prebook_stage, web_order_stage

Fields = Mapping[str, Any]  # a row as Komet sent it

PREBOOK_PREFIX: Final = "P"  # a prebook and a web order may have the same number
WEB_ORDER: Final = "web order"
MOST_LINES: Final = 2_000  # of an event: Kafka would refuse a much larger one, and its set would stop
LINES_CUT: Final = "invoice_lines_cut_short"  # a note


@dataclass(frozen=True, slots=True)
class Mapper:
    """Maps the rows of one answer."""

    options: KometPollerOptions
    notes: Counter[str] = field(default_factory=Counter)  # anomalies of the answer

    def invoice(self, row: InvoiceRow, fields: Fields) -> SetRow:
        """An invoice as the list shows it. Its row has the time of its update: lines may change without the total."""
        item = self._invoice_item(row, fields, (), frozenset(LINE_FIELDS))
        seen = digest([item.digest.hex(), row.updated_ms])
        return SetRow(row.id or row.number, seen, item, is_open=row.code != VOIDED)

    def invoice_with_lines(self, row: InvoiceRow, fields: Fields, lines: Sequence[Line]) -> VendorItem:
        """An invoice with what ``invoice.details.list`` shows of it."""
        return self._invoice_item(row, fields, sorted(lines, key=_line_place), frozenset())

    def web_order(self, row: InvoiceRow, fields: Fields) -> SetRow:
        """A web order, by the status of its invoice."""
        stage = web_order_stage(row.code, row.status, self.options.progress_by_name, self.notes)
        order_id = self._order_id(row)
        order = VendorOrder(
            row.number or row.id,
            stage,
            digest([stage.name, order_id]),
            _normal(fields),
            order_id=order_id,
            reference=self._reference(row),
            modified_ms=row.updated_ms,
            raw=self._raw(fields),
        )
        return SetRow(row.id or row.number, order.digest, order, is_open=row.code != VOIDED)

    def prebook(self, row: PrebookRow, fields: Fields) -> SetRow:
        """A prebook, by the seller's own name of its status or by its check-out."""
        stage = prebook_stage(row.check_out, row.status, self.options.progress_by_name)
        order = VendorOrder(
            PREBOOK_PREFIX + (row.number or row.id),
            stage,
            digest([stage.name, stage.code]),
            _normal(fields),
            modified_ms=row.updated_ms,
            raw=self._raw(fields),
        )
        return SetRow(row.id or row.number, order.digest, order)

    def customer(self, row: CustomerRow, fields: Fields, customer_id: str) -> SetRow:
        """The customer's credit; nothing else of the customer."""
        content = {
            "customer_id": customer_id,
            "credit_limit": avro_decimal(row.credit_limit),
            "remaining": avro_decimal(row.remaining),
            "balance": avro_decimal(row.balance),
            "open_orders": avro_decimal(row.open_orders),
        }
        item = VendorItem(CREDIT, content, _digest(content), _normal(fields), raw=self._raw(fields))
        return SetRow(customer_id, item.digest, item)

    def stock(self, row: StockRow, fields: Fields, location_id: str) -> SetRow:
        """What the web shop offers of an article. Ids are unique in one origin only, so the warehouse names it."""
        warehouse = "/".join(filter(None, (location_id, row.origin)))
        content = {
            "inventory_id": row.id,
            "warehouse": warehouse,
            "description": cut(row.description, self.notes),
            "available": avro_decimal(row.available),
            "available_on": row.available_on[:10] or None,
        }
        item = VendorItem(INVENTORY, content, _digest(content), _normal(fields), raw=self._raw(fields))
        return SetRow(f"{warehouse}:{row.id}", item.digest, item)

    def _invoice_item(
        self, row: InvoiceRow, fields: Fields, lines: Sequence[Line], unread: frozenset[str]
    ) -> VendorItem:
        status, state = invoice_status(row.code, row.status)
        is_web, may_be_web = row.is_web is True, row.is_web is not False
        whole = [_line(line, self.notes) for line in lines]
        content = {
            "invoice_number": row.number or row.id,
            "type": WEB_ORDER if is_web else "",
            "status": status,
            "state": state,
            "order_number": row.number or row.id if is_web else None,
            "order_id": self._order_id(row) if may_be_web else None,
            "amount": avro_decimal(row.total),
            "balance": avro_decimal(row.balance),
            "issued_on": row.created_on[:10] or None,
            "due_on": row.due_on[:10] or None,
            "lines": whole[:MOST_LINES],
        }
        self.notes[LINES_CUT] += len(whole) > MOST_LINES
        return VendorItem(
            INVOICE,
            content,
            _digest(content | {"lines": whole}),
            _normal(fields),
            unread=unread,
            reference=self._reference(row) if may_be_web else None,
            modified_ms=row.updated_ms,
            raw=self._raw(fields),
        )

    def _order_id(self, row: InvoiceRow) -> str | None:
        """Our order id, by the customer's PO; None where a hash is in its place."""
        po = self._po(row)
        return None if po.startswith(HASH_MARK) else po or None

    def _reference(self, row: InvoiceRow) -> str | None:
        """The hash that the sink writes for an order id that Komet could not keep."""
        po = self._po(row)
        return po if po.startswith(HASH_MARK) else None

    def _po(self, row: InvoiceRow) -> str:
        return row.customer_po if self.options.order_id_from == "customer_po" else ""

    def _raw(self, fields: Fields) -> str | None:
        return raw_json(fields, self.notes) if self.options.raw else None


def _line(line: Line, notes: Counter[str]) -> dict[str, Any]:
    return {
        "item_number": line.item_number or line.id,
        "description": cut(line.description, notes) or None,
        "quantity": avro_decimal(line.quantity),
        "unit_price": avro_decimal(line.unit_price),
    }


def _line_place(line: Line) -> tuple[int, str, str, str]:
    """By Komet's id of the line, because the sequence of an answer means nothing."""
    return len(line.id), line.id, line.item_number, line.description


def _normal(fields: Fields) -> Fields:
    return {name: normal(value) for name, value in fields.items()}


def _digest(content: Mapping[str, Any]) -> bytes:
    """The hash of an event's content; JSON has no bytes."""
    return digest(_as_json(content))


def _as_json(value: Any) -> Any:
    match value:
        case dict():
            return {name: _as_json(each) for name, each in value.items()}
        case list():
            return [_as_json(each) for each in value]
        case bytes():
            return value.hex()
        case _:
            return value
