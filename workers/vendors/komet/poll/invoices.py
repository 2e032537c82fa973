"""Reads invoices and web orders: one list by ship date and time of update, and lines of what has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import orjson

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.vendor_item import VendorItem
from workers.core.poll.vendor_set import Details, SetReading, SetRow, Updated
from workers.vendors._shared.event_size import without_deep_fields
from workers.vendors.contract import Flow, PollFault
from workers.vendors.komet.answers.outcome import Refused, Rows
from workers.vendors.komet.answers.values import day_of, text_of
from workers.vendors.komet.poll.api import MAX_NUMBER_CHARS, DetailsRow, InvoiceRow
from workers.vendors.komet.poll.asking import MOST_BOXES, DayRows, TooMuch, boxes_in, by_days, fault_of, listed
from workers.vendors.komet.poll.lists import Lists
from workers.vendors.komet.poll.mapping import Fields, Mapper
from workers.vendors.komet.poll.ship_days import groups

INVOICES: Final = "invoices"  # the name of the list in an answer
MOST_FAULTS: Final = 3  # in a row, when lines are read: each costs one of the day's requests

# Notes, counted in /status.
NO_NUMBER: Final = "invoices_without_number"
OTHER_CUSTOMER: Final = "rows_of_other_customers"  # Komet does not apply customerId
NOT_ASKED: Final = "invoices_not_asked_for"  # Komet does not apply isEcommerce
SHOWN_TWICE: Final = "invoices_shown_twice"
BOXES_CUT: Final = "invoices_of_ten_thousand_boxes"  # their lines may be cut short


def read_invoices(lists: Lists, asked: Updated, mapper: Mapper, *, web: bool) -> Flow[SetReading | PollFault]:
    """The invoices, or the web orders alone, of as many ship days as one answer holds."""
    build = partial(lists.invoices, since_ms=asked.since_ms, web=web)
    found = yield from by_days(build, INVOICES, lists.komet.token, asked.days)
    if not isinstance(found, DayRows):
        return found
    ours = list(_readable(found.rows, lists.komet.customer_id, mapper.notes, web=web))
    if found.rows and len(found.rows) == mapper.notes[NO_NUMBER]:
        return Unavailable("HTTP 200 with invoices none of which has an id or a number")
    mapped = mapper.web_order if web else mapper.invoice
    rows = tuple(mapped(row, fields) for row, fields in _newest(ours, mapper.notes))
    return SetReading(rows, found.done, notes=+mapper.notes)


def _readable(
    rows: Rows, customer_id: str, notes: Counter[str], *, web: bool
) -> Iterator[tuple[InvoiceRow, dict[str, Any]]]:
    """The rows that were asked for and have a number."""
    for fields in (without_deep_fields(row, notes) for row in rows):
        row = InvoiceRow.model_validate(fields)
        if not 0 < len(row.number or row.id) <= MAX_NUMBER_CHARS:
            notes[NO_NUMBER] += 1
        elif row.customer_id not in {"", customer_id}:
            notes[OTHER_CUSTOMER] += 1
        elif web and row.is_web is False:
            notes[NOT_ASKED] += 1
        else:
            yield row, fields


def _newest(
    rows: Sequence[tuple[InvoiceRow, dict[str, Any]]], notes: Counter[str]
) -> Sequence[tuple[InvoiceRow, dict[str, Any]]]:
    """Of an invoice that an answer shows twice, the row with the later time of update; sorted by ship day."""
    newest: dict[str, tuple[InvoiceRow, dict[str, Any]]] = {}
    for row, fields in rows:
        before = newest.get(row.id or row.number)
        notes[SHOWN_TWICE] += before is not None
        if before is None or (row.updated_ms or 0) >= (before[0].updated_ms or 0):
            newest[row.id or row.number] = (row, fields)
    # By ship day: the engine asks for the lines of some rows at once, and near ship days share a request.
    return sorted(newest.values(), key=lambda pair: text_of(pair[1].get("shipDate")))


def read_lines(lists: Lists, rows: Sequence[SetRow], mapper: Mapper) -> Flow[Details | PollFault]:
    """The lines of these invoices, by as few requests as there are: the invoices of four ship days share one.

    An invoice whose lines Komet cannot show is left out, and keeps no other invoice back. What is read before any other
    fault is kept; the engine asks for the rest again.
    """
    reading = _LineReading(lists, mapper.notes)
    fault = yield from reading.read(rows)
    if fault is not None and not reading.found:
        return fault
    whole = tuple(_detailed(row, reading.found[row.key], mapper) for row in rows if row.key in reading.found)
    return Details(whole, +mapper.notes)


@dataclass(frozen=True, slots=True)
class _LineReading:
    """One reading of lines: what it has found, by the invoice's key."""

    lists: Lists
    notes: Counter[str]
    found: dict[str, Fields] = field(default_factory=dict)
    faults: list[Unavailable] = field(default_factory=list)  # since the last answer that showed lines

    def read(self, rows: Sequence[SetRow]) -> Flow[PollFault | None]:
        """Read by ship days what shares them, and all others one by one; returns the fault that ended it."""
        ship_days = {row.key: day for row in rows if (day := _ship_day(row)) is not None}
        for days in groups(ship_days.values()):
            keys = [key for key, day in ship_days.items() if days.first <= day <= days.last]
            if len(keys) > 1:
                fault = yield from self._together(keys, self.lists.lines_of_days(days))
                if fault is not None:
                    return fault
        for row in rows:
            if row.key not in self.found:
                fault = yield from self._alone(row.key)
                if fault is not None:
                    return fault
        return self.faults[0] if self.faults else None

    def _ends(self, fault: PollFault) -> PollFault | None:
        """A fault of one request may be that of one invoice; several in a row are Komet's, as are all others."""
        if not isinstance(fault, Unavailable):
            return fault
        self.faults.append(fault)
        return fault if len(self.faults) >= MOST_FAULTS else None

    def _together(self, keys: Sequence[str], request: Any) -> Flow[PollFault | None]:
        """An answer that may be cut off, is refused, or fails shows nothing: its invoices are read one by one."""
        shown = yield from listed(request, INVOICES, self.lists.komet.token)
        if isinstance(shown, TooMuch | Refused):
            return None
        if not isinstance(shown, Sequence):
            return self._ends(shown)
        self.faults.clear()
        if boxes_in(shown) < MOST_BOXES:
            by_key = {_key(row): row for row in shown}
            self.found.update({key: by_key[key] for key in keys if key in by_key})
        return None

    def _alone(self, key: str) -> Flow[PollFault | None]:
        """One invoice by its id; an invoice that has no lines to show has none."""
        shown = yield from listed(self.lists.lines_of(key), INVOICES, self.lists.komet.token)
        if isinstance(shown, TooMuch):
            return self._ends(Unavailable(f"{shown.why}: the lines of one invoice"))
        if not isinstance(shown, Sequence):
            return self._ends(fault_of(shown))
        self.faults.clear()
        self.notes[BOXES_CUT] += boxes_in(shown) >= MOST_BOXES
        self.found[key] = next((row for row in shown if _key(row) == key), {})
        return None


def _detailed(row: SetRow, shown: Fields, mapper: Mapper) -> SetRow:
    """The row whose item holds the list's fields and the lines."""
    assert isinstance(row.item, VendorItem), "the list of invoices made it"
    listed_fields: Mapping[str, Any] = row.item.fields if row.item.raw is None else orjson.loads(row.item.raw)
    fields = without_deep_fields({**shown, **listed_fields}, mapper.notes)
    lines = DetailsRow.model_validate(shown).lines
    return replace(row, item=mapper.invoice_with_lines(InvoiceRow.model_validate(fields), fields, lines))


def _ship_day(row: SetRow) -> Any:
    return day_of(row.item.fields.get("shipDate")) if isinstance(row.item, VendorItem) else None


def _key(row: Fields) -> str:
    shown = DetailsRow.model_validate(row)
    return shown.id or shown.number
