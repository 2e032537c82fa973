"""Reads single pages: what one answer holds, and what to do when one answer cannot hold it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors._shared.page_walks import MOST_PAGES
from workers.vendors.contract import Flow, MaybeSent, NotSent, PollFault, TooLong, TooSlow
from workers.vendors.dcl.outcome import Rows, is_too_slow, rows_of
from workers.vendors.dcl.requests import DclRequests

MOST_TOO_LARGE: Final = 3  # of one second; a vendor that has more answers every request with too much

LEFT_OUT: Final[dict[str, Any]] = {}  # stands for an order that is too large, so that its page counts as full


@dataclass(frozen=True, slots=True)
class TooMuch:
    """One answer cannot hold what was asked for; a request for less may succeed."""

    slow: Unavailable | None = None  # no answer came in time; None: the answer is too long


def one_page(request: httpx.Request) -> Flow[Rows | PollFault | TooMuch]:
    """The rows of one answer; an answer that is too long to be read means the same as a full page."""
    try:
        rows = rows_of((yield request))
    except TooLong:
        return TooMuch()
    except TooSlow as slow:
        return TooMuch(Unavailable(str(slow)))
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))
    return TooMuch(rows) if isinstance(rows, Unavailable) and is_too_slow(rows) else rows


def walk(dcl: DclRequests, asked: TimeRange) -> Flow[Rows | PollFault]:
    """The rows of all pages of one second."""
    found: list[dict[str, Any]] = []
    for number in range(1, MOST_PAGES + 1):
        rows = yield from _page(dcl, asked, number)
        if not isinstance(rows, Sequence):
            return rows
        found += rows
        if len(rows) < dcl.page_size:
            return found
    return Unavailable(f"{MOST_PAGES} pages do not hold the changes of one second; is 'page' ignored?")


def _page(dcl: DclRequests, asked: TimeRange, number: int) -> Flow[Rows | PollFault]:
    """The rows of one page; of a page whose answer is too long, by smaller pages, without the order that is it."""
    rows = yield from one_page(dcl.window(asked, number))
    if not isinstance(rows, TooMuch):
        return rows
    if rows.slow is not None:
        return rows.slow
    if dcl.page_size == 1:
        return [LEFT_OUT]
    parts = next(parts for parts in range(2, dcl.page_size + 1) if dcl.page_size % parts == 0)
    smaller, found = replace(dcl, page_size=dcl.page_size // parts), list[dict[str, Any]]()
    for part in range((number - 1) * parts + 1, number * parts + 1):
        some = yield from _page(smaller, asked, part)
        if not isinstance(some, Sequence):
            return some
        found += some
        if found.count(LEFT_OUT) > MOST_TOO_LARGE:
            return Unavailable(f"more than {MOST_TOO_LARGE} orders of one second are too large to be read")
        if len(some) < smaller.page_size:
            break
    return found


def by_number(dcl: DclRequests, numbers: Sequence[str]) -> Flow[Rows | PollFault]:
    """Halve the numbers when one page cannot hold the orders: several accounts may have an order of one number."""
    rows = yield from one_page(dcl.by_number(numbers))
    if isinstance(rows, TooMuch) and len(numbers) == 1:
        return [LEFT_OUT] if rows.slow is None else rows.slow
    if not isinstance(rows, Sequence | TooMuch):
        return rows
    if isinstance(rows, Sequence) and (len(rows) < dcl.page_size or len(numbers) == 1):
        return rows
    found: list[dict[str, Any]] = []
    for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
        some = yield from by_number(dcl, half)
        if not isinstance(some, Sequence):
            return some
        found += some
    return found
