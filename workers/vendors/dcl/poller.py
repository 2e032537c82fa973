"""DCL's poller: reads time windows that one page holds, so that DCL's sort order does not matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent, PollFault, Reading, TooLong
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.outcome import Rows, rows_of
from workers.vendors.dcl.page_walks import MOST_PAGES, MOST_WALKS, PageWalks
from workers.vendors.dcl.reading import reading_of
from workers.vendors.dcl.requests import DclRequests, dcl_requests

MAX_ORDER_NUMBERS: Final = 50  # in one request: the URL stays below 2,000 characters

# Notes, counted in /status.
UNSURE: Final = "full_seconds_unsure"  # every walk showed an order twice: another order may be hidden
FULL_SECOND: Final = "full_seconds"  # more orders changed in one second than a page holds


@dataclass(frozen=True, slots=True)
class DclPoller:
    """`workers.vendors.contract.Poller` for DCL."""

    options: DclOptions
    credentials: Credentials = field(repr=False)

    @property
    def fields(self) -> Sequence[str]:
        return FIELDS

    @property
    def max_keys(self) -> int:
        return max(1, min(MAX_ORDER_NUMBERS, self.options.page_size - 1))  # a full page may have been cut off

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int) -> Flow[Reading | PollFault]:
        """Halve the window until one page holds it: only a single answer shows all orders at one instant."""
        try:
            dcl = dcl_requests(self.credentials, self.options.page_size)
        except SetUpError as error:
            return Denied(str(error))
        while True:
            rows = yield from _first_page(dcl.window(asked, 1, self._account(shard)))
            if not isinstance(rows, Sequence | None):
                return rows
            if rows is not None and len(rows) < self.options.page_size:
                return reading_of(self._ours(shard, rows), dcl.zone, self.options, asked)
            smaller = asked.half()
            if smaller is None:
                return (yield from self._full_second(dcl, shard, asked, passing=asked.start_ms >= sure_until_ms))
            asked = smaller

    def by_key(self, shard: int, keys: Sequence[str]) -> Flow[Reading | PollFault]:
        """Look orders up by their numbers; orders of other accounts with the same number are left out."""
        del shard  # a request by order numbers needs no account filter
        try:
            dcl = dcl_requests(self.credentials, self.options.page_size)
        except SetUpError as error:
            return Denied(str(error))
        rows = yield from self._by_number(dcl, list(dict.fromkeys(key.partition("/")[2] for key in keys)))
        if not isinstance(rows, Sequence):
            return rows
        reading = reading_of(rows, dcl.zone, self.options, None)
        if isinstance(reading, Reading):
            wanted = frozenset(keys)
            return Reading(tuple(one for one in reading.orders if one.key in wanted), None, reading.notes)
        return reading

    def check(self) -> Flow[Outcome]:
        """Ask for the changes of the first second of 2000: an empty list when address and login are right."""
        found = yield from self.window(0, TimeRange(946_684_800_000, 946_684_801_000), 0)
        return Delivered(status=200) if isinstance(found, Reading) else found

    def _by_number(self, dcl: DclRequests, numbers: Sequence[str]) -> Flow[Rows | PollFault]:
        """Halve the numbers when one page cannot hold the orders: several accounts may have an order of one number."""
        rows = yield from _first_page(dcl.by_number(numbers))
        if rows is None and len(numbers) == 1:
            return Unavailable("the orders of one number do not fit in one answer")
        if rows is not None and not isinstance(rows, Sequence):
            return rows
        if rows is not None and (len(rows) < self.options.page_size or len(numbers) == 1):
            return rows
        found: list[dict[str, Any]] = []
        for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
            some = yield from self._by_number(dcl, half)
            if not isinstance(some, Sequence):
                return some
            found += some
        return found

    def _full_second(
        self, dcl: DclRequests, shard: int, asked: TimeRange, *, passing: bool
    ) -> Flow[Reading | PollFault]:
        """Walk the pages of one second until no order can be hidden.

        A second that is not over (``passing``) is walked once: orders may still enter it, and the next poll reads it.
        """
        walks = PageWalks()
        while not (walks.agree or (passing and walks.count)):
            if walks.count == MOST_WALKS:
                return Unavailable(f"{MOST_WALKS} walks over the pages of one second do not agree")
            rows = yield from self._walk(replace(dcl, page_size=walks.page_size(dcl.page_size)), shard, asked)
            if not isinstance(rows, Sequence):
                return rows
            walks.add(rows)
        reading = reading_of(self._ours(shard, walks.rows), dcl.zone, self.options, asked)
        if isinstance(reading, Reading):
            reading.notes[FULL_SECOND] += 1
            reading.notes.update([UNSURE] if not (passing or walks.is_sure) else [])
        return reading

    def _walk(self, dcl: DclRequests, shard: int, asked: TimeRange) -> Flow[Rows | PollFault]:
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            rows = yield from _ask(dcl.window(asked, page, self._account(shard)))
            if not isinstance(rows, Sequence):
                return rows
            found += rows
            if len(rows) < dcl.page_size:
                return found
        return Unavailable(f"{MOST_PAGES} pages do not hold the changes of one second; is 'page' ignored?")

    def _ours(self, shard: int, rows: Iterable[dict[str, Any]]) -> Rows:
        """Drop other accounts' orders, in case DCL does not apply the filter: their own shards publish them."""
        account = self._account(shard)
        return [row for row in rows if account is None or str(row.get("account_number")) == account]

    def _account(self, shard: int) -> str | None:
        return self.options.accounts[shard] if self.options.accounts else None


def _first_page(request: httpx.Request) -> Flow[Rows | PollFault | None]:
    """The rows; None when the answer is too long to be read, which means the same as a full page."""
    try:
        return rows_of((yield request))
    except TooLong:
        return None
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))


def _ask(request: httpx.Request) -> Flow[Rows | PollFault]:
    try:
        return rows_of((yield request))
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))
