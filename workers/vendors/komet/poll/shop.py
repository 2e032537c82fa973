"""Reads what the web shop offers: the one list of Komet's that has pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import httpx

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.vendor_set import SetReading, SetRow, Whole
from workers.vendors._shared.event_size import without_deep_fields
from workers.vendors.contract import Flow, MaybeSent, NotSent, PollFault
from workers.vendors.komet.answers.outcome import Refused, Rows, answer_of, as_fault, is_nothing
from workers.vendors.komet.answers.values import code_of
from workers.vendors.komet.poll.api import StockRow
from workers.vendors.komet.poll.lists import Lists
from workers.vendors.komet.poll.mapping import Mapper

PAGE_ROWS: Final = 100  # the shop's page gives no maximum
OTHER_PAGE_ROWS: Final = (100, 90, 70, 50)  # of further walks: other sizes move the pages' borders
MOST_PAGES: Final = 1_000
LIST_NAMES: Final = frozenset({"inventory", "inventories", "inventoryLines", "items", "products"})  # of several lists

# Notes, counted in /status.
NO_ID: Final = "stock_without_id"
SHORT: Final = "stock_short_of_total"  # fewer rows than `total` says


@dataclass(frozen=True, slots=True)
class Page:
    rows: Rows
    total: int | None  # of all pages; None: not shown


@dataclass(slots=True)
class Walk:
    """The rows of one location, page by page."""

    rows: dict[str, SetRow] = field(default_factory=dict)
    seen: int = 0
    total: int | None = None
    moved: bool = False  # a row was shown twice, or the number of rows has changed

    def add(self, page: Page, mapped: list[SetRow]) -> None:
        """Take over a page."""
        self.moved |= (self.seen > 0 and page.total != self.total) or any(row.key in self.rows for row in mapped)
        self.total, self.seen = page.total, self.seen + len(page.rows)
        self.rows |= {row.key: row for row in mapped}

    @property
    def is_over(self) -> bool:
        """Whether all rows were seen; a page that is shorter than asked for may be the vendor's own limit."""
        return self.total is not None and self.seen >= self.total


def read_stock(lists: Lists, asked: Whole, mapper: Mapper) -> Flow[SetReading | PollFault]:
    """All that the shop offers, at each location."""
    size = OTHER_PAGE_ROWS[asked.walk % len(OTHER_PAGE_ROWS)]
    rows: list[SetRow] = []
    moved = False
    for location in lists.komet.location_ids or ("",):
        walk = yield from _walk(lists, location, size, mapper)
        if not isinstance(walk, Walk):
            return walk
        moved |= walk.moved
        rows += walk.rows.values()
    return SetReading(tuple(rows), moved=moved, notes=+mapper.notes)


def _walk(lists: Lists, location: str, size: int, mapper: Mapper) -> Flow[Walk | PollFault]:
    walk = Walk()
    for number in range(1, MOST_PAGES + 1):
        page = yield from _page(lists.stock(location, number, size), lists.komet.token)
        if not isinstance(page, Page):
            return page
        walk.add(page, _mapped(page.rows, location, mapper))
        if not page.rows or walk.is_over:
            mapper.notes[SHORT] += walk.seen < (walk.total or 0)
            walk.moved |= walk.seen < (walk.total or 0)
            return walk
    return Unavailable(f"{MOST_PAGES} pages do not hold the shop's inventory; is 'page' ignored?")


def _page(request: httpx.Request, token: str) -> Flow[Page | PollFault]:
    """One page; Komet's page does not name the list: it is the only one, or the one with a likely name."""
    try:
        answer = answer_of((yield request), token)
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))
    if isinstance(answer, Refused):
        return Page((), None) if is_nothing(answer.message) else as_fault(answer)
    if not isinstance(answer, dict):
        return answer
    lists = {name: value for name, value in answer.items() if isinstance(value, list)}
    total = code_of(answer.get("total"))
    if not lists and total == 0:
        return Page((), 0)
    found = [rows for name, rows in lists.items() if len(lists) == 1 or name in LIST_NAMES]
    if len(found) != 1 or not all(isinstance(row, dict) for row in found[0]):
        return Unavailable("HTTP 200 without one list of articles")
    return Page(found[0], total)


def _mapped(rows: Rows, location: str, mapper: Mapper) -> list[SetRow]:
    found = []
    for fields in (without_deep_fields(row, mapper.notes) for row in rows):
        row = StockRow.model_validate(fields)
        mapper.notes[NO_ID] += not row.id
        if row.id:
            found.append(mapper.stock(row, fields, location))
    return found
