"""Reads one of E2CC's lists: by ranges of creation time that one page holds, or whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_set import Created, SetReading, SetRow, Whole
from workers.vendors._shared.page_walks import MOST_WALKS, PageWalks
from workers.vendors.contract import Flow, PollFault
from workers.vendors.e2cc.api import CREATED, text_of
from workers.vendors.e2cc.reads import E2ccReads, TooMuch
from workers.vendors.e2cc.records import (
    NO_NUMBER,
    OUTSIDE,
    SHOWN_TWICE,
    UNCREATED,
    ListedSet,
    Making,
    Row,
    by_record,
    is_far_outside,
    is_outside,
)
from workers.vendors.e2cc.requests import Page

PAGE_SIZE_STEP: Final = 37  # of another walk over the same pages: no divisor of a usual page size

# Notes, counted in /status.
IGNORED: Final = "conditions_ignored"  # the whole list was read instead of a range
FULL_SECOND: Final = "full_seconds"  # more rows were created in one second than a page holds


@dataclass(frozen=True, slots=True)
class SetReads:
    """Reads one set."""

    reads: E2ccReads
    listed: ListedSet
    making: Making

    def created(self, ask: Created) -> Flow[SetReading | PollFault]:
        """Halve the range until one page holds it: only a single answer shows all rows at one instant."""
        asked = ask.within
        while True:
            rows = yield from self._one_page(asked)
            if isinstance(rows, Sequence):
                return self._reading(rows, asked)
            if not isinstance(rows, TooMuch | _Ignored):
                return rows
            smaller = None if isinstance(rows, _Ignored) else asked.half()
            if smaller is None:
                ignored = isinstance(rows, _Ignored)
                return (yield from self._walked(ask.within if ignored else asked, IGNORED if ignored else FULL_SECOND))
            asked = smaller

    def whole(self, ask: Whole) -> Flow[SetReading | PollFault]:
        """One walk over all pages, to an empty one. The caller walks again when rows have moved."""
        size = self.reads.options.page_size
        page = Page(self.listed.path, 1, max(size - PAGE_SIZE_STEP * ask.walk, size // 2, 1), self._fields())
        found: dict[str, SetRow] = {}
        notes = self.making.notes
        while True:
            rows = yield from self.reads.next_page(page)
            if not isinstance(rows, Sequence):
                return rows
            if not rows:
                moved, pages = notes[SHOWN_TWICE] > 0, page.number - 1
                return SetReading(tuple(found.values()), moved=moved, pages=pages, notes=+notes)
            new = self._rows(rows)
            if new is None:
                return _no_numbers(self.listed)
            notes[SHOWN_TWICE] += sum(row.key in found for row in new)
            found |= {row.key: row for row in new}
            page = replace(page, number=page.number + 1)

    def unpaged(self) -> Flow[SetReading | PollFault]:
        """The whole set in one answer: E2CC takes no parameters for it."""
        rows = yield from self.reads.record(self.listed.path)
        if not isinstance(rows, Sequence):
            return rows
        found = self._rows(rows)
        return _no_numbers(self.listed) if found is None else SetReading(tuple(found), notes=+self.making.notes)

    def _one_page(self, asked: TimeRange) -> Flow[Sequence[Row] | TooMuch | _Ignored | PollFault]:
        """The rows of the range when one page holds them all: the next page is empty.

        A page with fewer rows than asked for proves nothing: E2CC may allow fewer.
        """
        page = self._page(asked)
        rows = yield from self.reads.page(page)
        if not isinstance(rows, Sequence) or not rows:
            return rows
        is_full = len(rows) >= page.size
        if not is_full:
            following = yield from self.reads.page(replace(page, number=2))
            if not isinstance(following, Sequence | TooMuch):
                return following
            is_full = isinstance(following, TooMuch) or bool(following)
        if not is_full:
            return rows
        return _Ignored() if self._outsiders(rows, asked) else TooMuch()

    def _walked(self, asked: TimeRange, note: str) -> Flow[SetReading | PollFault]:
        """Walk over all pages until no row of the range can be hidden."""
        walks = PageWalks(lambda row: (self.listed.key(row), text_of(row, "lineNbr")))
        size = self.reads.options.page_size
        while not walks.agree:
            if walks.count == MOST_WALKS:
                return Unavailable(f"{MOST_WALKS} walks over the pages of {self.listed.path} do not agree")
            rows = yield from self.reads.pages(replace(self._page(asked), size=walks.page_size(size)))
            if not isinstance(rows, Sequence):
                return rows
            if not all(text_of(row, CREATED) for row in rows):
                return Unavailable(f"{self.listed.path} shows no {CREATED}, and one page does not hold a range of it")
            self.making.notes[OUTSIDE] += 0 if walks.count else self._outsiders(rows, asked)
            walks.add([row for row in rows if not is_outside(row, asked, self.making)])
        self.making.notes[note] += 1
        return self._reading(list(walks.rows), asked)

    def _reading(self, rows: Sequence[Row], asked: TimeRange) -> SetReading | PollFault:
        """The rows of the range; E2CC is asked for a little more, and may answer with anything."""
        notes = self.making.notes
        notes[OUTSIDE] += self._outsiders(rows, asked)
        notes[UNCREATED] += sum(not text_of(row, CREATED) for row in rows)
        found = self._rows([row for row in rows if not is_outside(row, asked, self.making)])
        if found is None:
            return _no_numbers(self.listed)
        return SetReading(tuple(_in_range(row, asked) for row in found), asked, notes=+notes)

    def _rows(self, rows: Sequence[Row]) -> list[SetRow] | None:
        """The records of the rows; None: no row has a number, so E2CC has renamed it, and all would seem deleted."""
        if rows and all(self.listed.key(row) is None for row in rows):
            return None
        records = by_record(rows, self.listed.key, self.making.notes)
        return [self.listed.made(same, self.making) for same in records.values()]

    def _outsiders(self, rows: Iterable[Row], asked: TimeRange) -> int:
        return sum(is_far_outside(row, asked, self.making) for row in rows)

    def _page(self, asked: TimeRange) -> Page:
        return Page(self.listed.path, 1, self.reads.options.page_size, self._fields(), asked)

    def _fields(self) -> Sequence[str]:
        return () if self.reads.options.fields == "all" else self.listed.asked_fields


@dataclass(frozen=True, slots=True)
class _Ignored:
    """E2CC answers with rows of other times, page after page: it does not apply the condition."""


def _in_range(row: SetRow, asked: TimeRange) -> SetRow:
    """The row; of the hour that occurs twice nothing but the range says which of its two times is meant."""
    if row.created_ms is None or asked.start_ms <= row.created_ms <= asked.end_ms:
        return row
    return replace(row, created_ms=None)


def _no_numbers(listed: ListedSet) -> Unavailable:
    return Unavailable(f"HTTP 200 with rows of {listed.path} without a number ({NO_NUMBER})")
