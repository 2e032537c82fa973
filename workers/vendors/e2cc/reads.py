"""Single answers of E2CC, and the pages of a list. A key that is replaced while the poller runs leaves no gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Unavailable
from workers.vendors._shared.page_walks import MOST_PAGES
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent, PollFault, TooLong
from workers.vendors.e2cc.api import clean_row
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.outcome import Rows, rows_of
from workers.vendors.e2cc.requests import E2ccRequests, Page, e2cc_requests

# The samples on E2CC's page ask for 50 rows, so no page is cut off below: a shorter page is the last one. Only the
# lines of one record are read so; lists are read to an empty page.
CERTAINLY_ALLOWED_ROWS: Final = 50

Build: TypeAlias = Callable[[E2ccRequests], httpx.Request]


@dataclass(frozen=True, slots=True)
class TooMuch:
    """One answer cannot hold what was asked for; a request for less may succeed."""


@dataclass(frozen=True, slots=True)
class E2ccReads:
    """Reads with the account's present key."""

    options: E2ccOptions
    credentials: Credentials = field(repr=False)

    def rows(self, build: Build) -> Flow[Rows | TooMuch | PollFault]:
        """The rows of one answer, cleaned.

        E2CC kills the former secret of a rotated key at once, or up to five minutes later where it is cached. So a
        refused key is read again, and a new one is used at once.
        """
        try:
            e2cc = e2cc_requests(self.credentials, self.options.conditions)
            found = yield from _answer(build(e2cc), e2cc.key)
            if not isinstance(found, Denied) or found.status != httpx.codes.UNAUTHORIZED:
                return found
            again = e2cc_requests(self.credentials, self.options.conditions)
        except SetUpError as error:
            return Denied(str(error))
        return found if again.key == e2cc.key else (yield from _answer(build(again), again.key))

    def page(self, page: Page) -> Flow[Rows | TooMuch | PollFault]:
        """The rows of one page."""
        return (yield from self.rows(lambda e2cc: e2cc.page(page)))

    def record(self, path: str, number: str = "") -> Flow[Rows | PollFault]:
        """The rows of what is not paged."""
        found = yield from self.rows(lambda e2cc: e2cc.whole(path, number))
        return Unavailable(f"the answer of {path} is too long") if isinstance(found, TooMuch) else found

    def next_page(self, page: Page) -> Flow[Rows | PollFault]:
        """The rows of one page of a walk, which must be there in one answer."""
        if page.number > MOST_PAGES:
            return Unavailable(f"{MOST_PAGES} pages do not hold {page.path}; is 'page' ignored?")
        rows = yield from self.page(page)
        if isinstance(rows, TooMuch):
            return Unavailable(f"a page of {page.path} is too long; lower page_size in topics.yaml")
        return rows

    def pages(self, first: Page, *, lines_of_one: bool = False) -> Flow[Rows | PollFault]:
        """The rows of all pages, to an empty one; ``lines_of_one``: a short page ends the lines of one record."""
        found: list[dict[str, Any]] = []
        page = first
        while True:
            rows = yield from self.next_page(page)
            if not isinstance(rows, Sequence):
                return rows
            found += rows
            if not rows or (lines_of_one and len(rows) < CERTAINLY_ALLOWED_ROWS):
                return found
            page = replace(page, number=page.number + 1)


def _answer(request: httpx.Request, key: str) -> Flow[Rows | TooMuch | PollFault]:
    """A request without an answer in time is still in E2CC's queue: a smaller one would only make the queue longer."""
    try:
        rows = rows_of((yield request), key)
    except TooLong:
        return TooMuch()
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))
    return [clean_row(row) for row in rows] if isinstance(rows, Sequence) else rows
