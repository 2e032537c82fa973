"""DCL's poller: reads time windows that one page holds, so that DCL's sort order does not matter."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from workers.core.counted import counted
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors._shared.page_walks import MOST_WALKS, PageWalks
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import ALL, Credentials, Flow, Only, PollFault, Reading
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.outcome import NO_ORDERS, Rows
from workers.vendors.dcl.page_reads import LEFT_OUT, TooMuch, by_number, one_page, walk
from workers.vendors.dcl.progress import STAGES, UNMAPPED_DELIVERY
from workers.vendors.dcl.reading import only_asked, reading_of
from workers.vendors.dcl.requests import MAX_QUERY_CHARS, DclRequests, dcl_requests

MAX_ORDER_NUMBERS: Final = 50  # in one request
ASKED_NUMBER_CHARS: Final = 28  # of an order number in a request: at most 25 with a `#` in it, and a comma

# Notes, counted in /status.
UNSURE: Final = "full_seconds_unsure"  # every walk showed an order twice: another order may be hidden
FULL_SECOND: Final = "full_seconds"  # more orders changed in one second than a page holds
TOO_LARGE: Final = "too_large_orders"  # the answer with one order alone is too long to be read
WITHOUT_LIST: Final = "answers_without_list"  # "no orders" as null, or as 404


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
        """So few that the query stays short and that their page is not full: a full one may have been cut off."""
        room = MAX_QUERY_CHARS - len("order_numbers=&page=1&page_size=100&extended_date=true&fields=")
        fitting = (room - len(",".join(self.options.asked_fields))) // ASKED_NUMBER_CHARS
        return max(1, min(MAX_ORDER_NUMBERS, fitting, self.options.page_size - 1))

    @property
    def reads_only(self) -> bool:
        return True

    def window(self, shard: int, asked: TimeRange, sure_until_ms: int, only: Only = ALL) -> Flow[Reading | PollFault]:
        """Halve the window until one page holds it: only a single answer shows all orders at one instant."""
        try:
            dcl = self._requests(self._account(shard), only)
        except SetUpError as error:
            return Denied(str(error))
        while True:
            rows = yield from one_page(dcl.window(asked, 1))
            if isinstance(rows, Sequence) and len(rows) < dcl.page_size:
                return self._reading(rows, dcl, asked)
            if not isinstance(rows, Sequence | TooMuch):
                return rows
            smaller = asked.half()
            if smaller is not None:
                asked = smaller
            elif isinstance(rows, TooMuch) and rows.slow is not None:
                return rows.slow
            else:
                return (yield from self._full_second(dcl, asked, passing=asked.start_ms >= sure_until_ms))

    def by_key(self, shard: int, keys: Sequence[str]) -> Flow[Reading | PollFault]:
        """Look orders up by their numbers; orders of other accounts with the same number are left out."""
        del shard  # a request by order numbers needs no account filter
        reading = yield from self.named(list(dict.fromkeys(key.partition("/")[2] for key in keys)))
        if not isinstance(reading, Reading):
            return reading
        wanted = frozenset(keys)
        return replace(reading, orders=tuple(one for one in reading.orders if one.key in wanted))

    def named(self, order_numbers: Sequence[str]) -> Flow[Reading | PollFault]:
        """Look orders up by their numbers, in whatever account."""
        try:
            dcl = self._requests()
        except SetUpError as error:
            return Denied(str(error))
        rows = yield from by_number(dcl, order_numbers)
        return self._reading(rows, dcl, None) if isinstance(rows, Sequence) else rows

    def check(self) -> Flow[Outcome]:
        """Read a page of open orders: that proves address, login and filter, and shows the stages that are in use."""
        try:
            dcl = self._requests(only=Only(open=True))
        except SetUpError as error:
            return Denied(str(error))
        rows = yield from one_page(dcl.first_page())
        if isinstance(rows, TooMuch):
            return rows.slow or Delivered(status=200)
        if not isinstance(rows, Sequence):
            return rows
        reading = reading_of(rows, dcl.zone, self.options, None)
        if not isinstance(reading, Reading):
            return reading
        return Delivered(status=200, remarks=tuple(_unmapped(reading)))

    def _full_second(self, dcl: DclRequests, asked: TimeRange, *, passing: bool) -> Flow[Reading | PollFault]:
        """Walk the pages of one second until no order can be hidden.

        A second that is not over (``passing``) is walked once: orders may still enter it, and the next poll reads it.
        """
        walks = PageWalks(_identity)
        while not (walks.agree or (passing and walks.count)):
            if walks.count == MOST_WALKS:
                return Unavailable(f"{MOST_WALKS} walks over the pages of one second do not agree")
            rows = yield from walk(replace(dcl, page_size=walks.page_size(dcl.page_size)), asked)
            if not isinstance(rows, Sequence):
                return rows
            walks.add(rows)
        reading = self._reading(list(walks.rows), dcl, asked)
        if isinstance(reading, Reading):
            reading.notes[FULL_SECOND] += 1
            reading.notes.update([UNSURE] if not (passing or walks.is_sure) else [])
        return reading

    def _reading(self, rows: Rows, dcl: DclRequests, asked: TimeRange | None) -> Reading | PollFault:
        """The orders of these rows that were asked for, and a note of each that is too large."""
        ours = [row for row in _of_account(rows, dcl.account) if row is not LEFT_OUT]
        reading = reading_of(ours, dcl.zone, self.options, asked)
        if not isinstance(reading, Reading):
            return reading
        reading.notes.update([TOO_LARGE] * sum(row is LEFT_OUT for row in rows))
        reading.notes.update([WITHOUT_LIST] if rows is NO_ORDERS else [])
        return only_asked(reading, dcl)

    def _requests(self, account: str | None = None, only: Only = ALL) -> DclRequests:
        """Raises `SetUpError`."""
        return replace(dcl_requests(self.credentials, self.options), account=account, only=only)

    def _account(self, shard: int) -> str | None:
        return self.options.accounts[shard] if self.options.accounts else None


def _identity(row: dict[str, Any]) -> tuple[str, str]:
    return str(row.get("account_number")), str(row.get("order_number"))


def _of_account(rows: Iterable[dict[str, Any]], account: str | None) -> Rows:
    """Drop other accounts' orders, in case DCL does not apply the filter: their own shards publish them."""
    return [row for row in rows if account is None or row is LEFT_OUT or str(row.get("account_number")) == account]


def _unmapped(reading: Reading) -> Iterator[str]:
    """What of these orders has no meaning for the relay. Texts of carriers are not named: they may hold a name."""
    codes = {one.stage.code for one in reading.orders if one.stage.code is not None} - STAGES.keys()
    for code in sorted(codes):
        yield f"open orders have the stage {code}, which is not on DCL's page: their progress is 'unknown'"
    if packages := reading.notes[UNMAPPED_DELIVERY]:
        unknown = f"{counted(packages, 'package')} of open orders: the delivery_status has no meaning"
        yield f"{unknown}; map the text, which events show, in delivery_statuses of topics.yaml"
