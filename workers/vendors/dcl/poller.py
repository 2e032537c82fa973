"""DCL's poller: reads time windows that one page holds, so that DCL's sort order does not matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent, PollFault, Reading, TooLong, TooSlow
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.outcome import Rows, is_too_slow, rows_of
from workers.vendors.dcl.page_walks import MOST_PAGES, MOST_WALKS, PageWalks
from workers.vendors.dcl.reading import reading_of
from workers.vendors.dcl.requests import DclRequests, dcl_requests

MAX_ORDER_NUMBERS: Final = 50  # in one request: the URL stays below 2,000 characters

# Notes, counted in /status.
UNSURE: Final = "full_seconds_unsure"  # every walk showed an order twice: another order may be hidden
FULL_SECOND: Final = "full_seconds"  # more orders changed in one second than a page holds
TOO_LARGE: Final = "too_large_orders"  # the answer with one order alone is too long to be read

MOST_TOO_LARGE: Final = 3  # of one second; a vendor that has more answers every request with too much

_LEFT_OUT: Final[dict[str, Any]] = {}  # stands for an order that is too large, so that its page counts as full


@dataclass(frozen=True, slots=True)
class _TooMuch:
    """One answer cannot hold what was asked for; a request for less may succeed."""

    slow: Unavailable | None = None  # no answer came in time; None: the answer is too long


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
            rows = yield from _one_page(dcl.window(asked, 1, self._account(shard)))
            if isinstance(rows, Sequence) and len(rows) < self.options.page_size:
                return reading_of(self._ours(shard, rows), dcl.zone, self.options, asked)
            if not isinstance(rows, Sequence | _TooMuch):
                return rows
            smaller = asked.half()
            if smaller is not None:
                asked = smaller
            elif isinstance(rows, _TooMuch) and rows.slow is not None:
                return rows.slow
            else:
                return (yield from self._full_second(dcl, shard, asked, passing=asked.start_ms >= sure_until_ms))

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
        reading = self._reading(rows, dcl, None)
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
        rows = yield from _one_page(dcl.by_number(numbers))
        if isinstance(rows, _TooMuch) and len(numbers) == 1:
            return [_LEFT_OUT] if rows.slow is None else rows.slow
        if not isinstance(rows, Sequence | _TooMuch):
            return rows
        if isinstance(rows, Sequence) and (len(rows) < self.options.page_size or len(numbers) == 1):
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
        reading = self._reading(self._ours(shard, walks.rows), dcl, asked)
        if isinstance(reading, Reading):
            reading.notes[FULL_SECOND] += 1
            reading.notes.update([UNSURE] if not (passing or walks.is_sure) else [])
        return reading

    def _walk(self, dcl: DclRequests, shard: int, asked: TimeRange) -> Flow[Rows | PollFault]:
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            rows = yield from self._page(dcl, shard, asked, page)
            if not isinstance(rows, Sequence):
                return rows
            found += rows
            if len(rows) < dcl.page_size:
                return found
        return Unavailable(f"{MOST_PAGES} pages do not hold the changes of one second; is 'page' ignored?")

    def _page(self, dcl: DclRequests, shard: int, asked: TimeRange, page: int) -> Flow[Rows | PollFault]:
        """The rows of one page; of a page whose answer is too long, by smaller pages, without the order that is it."""
        rows = yield from _one_page(dcl.window(asked, page, self._account(shard)))
        if not isinstance(rows, _TooMuch):
            return rows
        if rows.slow is not None:
            return rows.slow
        if dcl.page_size == 1:
            return [_LEFT_OUT]
        parts = next(parts for parts in range(2, dcl.page_size + 1) if dcl.page_size % parts == 0)
        smaller, found = replace(dcl, page_size=dcl.page_size // parts), list[dict[str, Any]]()
        for part in range((page - 1) * parts + 1, page * parts + 1):
            some = yield from self._page(smaller, shard, asked, part)
            if not isinstance(some, Sequence):
                return some
            found += some
            if found.count(_LEFT_OUT) > MOST_TOO_LARGE:
                return Unavailable(f"more than {MOST_TOO_LARGE} orders of one second are too large to be read")
            if len(some) < smaller.page_size:
                break
        return found

    def _reading(
        self, rows: Iterable[dict[str, Any]], dcl: DclRequests, asked: TimeRange | None
    ) -> Reading | PollFault:
        """The orders of these rows, and a note of each that is too large."""
        rows = list(rows)
        reading = reading_of([row for row in rows if row is not _LEFT_OUT], dcl.zone, self.options, asked)
        if isinstance(reading, Reading) and any(row is _LEFT_OUT for row in rows):
            reading.notes[TOO_LARGE] += sum(row is _LEFT_OUT for row in rows)
        return reading

    def _ours(self, shard: int, rows: Iterable[dict[str, Any]]) -> Rows:
        """Drop other accounts' orders, in case DCL does not apply the filter: their own shards publish them."""
        account = self._account(shard)
        return [row for row in rows if account is None or row is _LEFT_OUT or str(row.get("account_number")) == account]

    def _account(self, shard: int) -> str | None:
        return self.options.accounts[shard] if self.options.accounts else None


def _one_page(request: httpx.Request) -> Flow[Rows | PollFault | _TooMuch]:
    """The rows of one answer; an answer that is too long to be read means the same as a full page."""
    try:
        rows = rows_of((yield request))
    except TooLong:
        return _TooMuch()
    except TooSlow as slow:
        return _TooMuch(Unavailable(str(slow)))
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))
    return _TooMuch(rows) if isinstance(rows, Unavailable) and is_too_slow(rows) else rows
