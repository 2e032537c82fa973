"""DCL's news: windows of one page, whatever order it sorts them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
from pydantic import ValidationError

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.core.poll.change import Seen
from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.vendors._shared.local_time import moment
from workers.vendors._shared.requests import SetUpError
from workers.vendors._shared.size_limits import shallow
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent, PollFault, Reading, TooLong
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.mapping import seen
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.outcome import Rows, rows_of
from workers.vendors.dcl.walk import MOST_PAGES, MOST_WALKS, Walks
from workers.vendors.dcl.wire import Wire, wire

NAMED_AT_ONCE: Final = 50  # order numbers in one request: a URL of less than 2,000 characters

# Notes, counted in /status.
OUTSIDE: Final = "outside_window"  # rows that DCL should not have shown: it does not keep to the bounds
UNSTAMPED: Final = "unreadable_modified_at"
SHOWN_TWICE: Final = "orders_shown_twice"
UNSURE: Final = "full_seconds_unsure"  # orders were shown twice in every walk: others may be hidden
FULL_SECOND: Final = "full_seconds"  # more orders changed in one second than a page holds


@dataclass(frozen=True, slots=True)
class DclPoller:
    """`workers.vendors.Poller` for DCL."""

    options: DclOptions
    credentials: Credentials = field(repr=False)

    @property
    def fields(self) -> Sequence[str]:
        return FIELDS

    @property
    def batch(self) -> int:
        return max(1, min(NAMED_AT_ONCE, self.options.page_size - 1))  # a full page is taken for a cut one

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int) -> Flow[Reading | PollFault]:
        """Halve the span until one page holds it: only a single answer shows all orders as they are at one moment."""
        try:
            dcl = wire(self.credentials, self.options.page_size)
        except SetUpError as error:
            return Denied(str(error))
        while True:
            rows = yield from _first_page(dcl.window(asked, 1, self._account(shard)))
            if not isinstance(rows, Sequence | None):
                return rows
            if rows is not None and len(rows) < self.options.page_size:
                return self._reading(dcl, self._ours(shard, rows), asked)
            smaller = asked.half()
            if smaller is None:
                return (yield from self._full_second(dcl, shard, asked, passing=asked.start_ms >= sure_until_ms))
            asked = smaller

    def named(self, shard: int, keys: Sequence[str]) -> Flow[Reading | PollFault]:
        """Look orders up by their numbers; another account's order of the same number is left out."""
        del shard  # order numbers need no filter
        try:
            dcl = wire(self.credentials, self.options.page_size)
        except SetUpError as error:
            return Denied(str(error))
        rows = yield from self._named(dcl, list(dict.fromkeys(key.partition("/")[2] for key in keys)))
        if not isinstance(rows, Sequence):
            return rows
        reading = self._reading(dcl, rows, None)
        if isinstance(reading, Reading):
            wanted = frozenset(keys)
            return Reading(tuple(one for one in reading.orders if one.key in wanted), None, reading.notes)
        return reading

    def check(self) -> Flow[Outcome]:
        """Ask for what changed in the first second of 2000: nothing, where address and login are right."""
        found = yield from self.window(0, TimeRange(946_684_800_000, 946_684_801_000), 0)
        return Delivered(status=200) if isinstance(found, Reading) else found

    def _named(self, dcl: Wire, numbers: Sequence[str]) -> Flow[Rows | PollFault]:
        """Ask for half as many where one page cannot hold them: a login may see one number in several accounts."""
        rows = yield from _first_page(dcl.named(numbers))
        if rows is None and len(numbers) == 1:
            return Unavailable("the orders of one number are too long to be read")
        if rows is not None and not isinstance(rows, Sequence):
            return rows
        if rows is not None and (len(rows) < self.options.page_size or len(numbers) == 1):
            return rows
        found: list[dict[str, Any]] = []
        for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
            some = yield from self._named(dcl, half)
            if not isinstance(some, Sequence):
                return some
            found += some
        return found

    def _full_second(self, dcl: Wire, shard: int, asked: TimeRange, *, passing: bool) -> Flow[Reading | PollFault]:
        """Walk the pages of one second again and again, until no order can have been hidden.

        One that is still ``passing`` is walked once: it may go on to fill, and is read again by the next poll.
        """
        walks = Walks()
        while not (walks.agree or (passing and walks.count)):
            if walks.count == MOST_WALKS:
                return Unavailable(f"{MOST_WALKS} walks over the pages of one second do not agree")
            rows = yield from self._walk(replace(dcl, page_size=walks.page_size(dcl.page_size)), shard, asked)
            if not isinstance(rows, Sequence):
                return rows
            walks.add(rows)
        reading = self._reading(dcl, self._ours(shard, walks.looks), asked)
        if isinstance(reading, Reading):
            reading.notes[FULL_SECOND] += 1
            reading.notes.update([UNSURE] if not (passing or walks.is_sure) else [])
        return reading

    def _walk(self, dcl: Wire, shard: int, asked: TimeRange) -> Flow[Rows | PollFault]:
        found: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            rows = yield from _ask(dcl.window(asked, page, self._account(shard)))
            if not isinstance(rows, Sequence):
                return rows
            found += rows
            if len(rows) < dcl.page_size:
                return found
        return Unavailable(f"{MOST_PAGES} pages do not hold the changes of one second; is 'page' ignored?")

    def _reading(self, dcl: Wire, rows: Rows, asked: TimeRange | None) -> Reading | PollFault:
        notes: Counter[str] = Counter()
        try:
            return Reading(_one_each(self._within(dcl.zone, rows, asked, notes), notes), asked, +notes)
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
            return Unavailable(f"HTTP 200 with an order that is none: {place}")

    def _within(self, zone: ZoneInfo, rows: Rows, asked: TimeRange | None, notes: Counter[str]) -> Iterator[Seen]:
        """The rows that lie in the span by either reading of their stamp; what has no readable stamp is taken as it is.

        DCL's word on the bounds is not trusted, nor is its stamp: its content is.
        """
        for row in (shallow(row, notes) for row in rows):
            stamp = row.get("modified_at")
            found = moment(stamp, zone) if isinstance(stamp, str) else None
            if found is None:
                notes[UNSTAMPED] += 1
            elif asked and (
                found.later_ms < asked.start_ms - SECOND_MS or found.earlier_ms >= asked.end_ms + SECOND_MS
            ):
                notes[OUTSIDE] += 1
                continue
            yield seen(row, None if found is None else found.earlier_ms, self.options, notes)

    def _ours(self, shard: int, rows: Iterable[dict[str, Any]]) -> Rows:
        """Another account's orders are another shard's, should DCL not keep to the filter: told once, not twice."""
        account = self._account(shard)
        return [row for row in rows if account is None or str(row.get("account_number")) == account]

    def _account(self, shard: int) -> str | None:
        return self.options.accounts[shard] if self.options.accounts else None


def _one_each(orders: Iterable[Seen], notes: Counter[str]) -> tuple[Seen, ...]:
    """Of an order that one answer shows twice the newer state; if both were told, they would be so by each poll.

    Nor may the one that is told depend on the sequence in which they come.
    """
    found: dict[str, Seen] = {}
    for one in orders:
        before = found.setdefault(one.key, one)
        notes[SHOWN_TWICE] += before is not one
        found[one.key] = max(before, one, key=lambda state: (state.modified_ms or 0, state.digest))
    return tuple(found.values())


def _first_page(request: httpx.Request) -> Flow[Rows | PollFault | None]:
    """The rows; None where they are more than is read of an answer, as good as a full page."""
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
