"""Looks web orders up: by Komet's number, or by the reference that each of ours has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import httpx

from workers.core.delivery.outcome import Unavailable
from workers.vendors._shared.read_back import folded
from workers.vendors.contract import Flow, MaybeSent, NotSent, PollFault
from workers.vendors.komet.answers.outcome import Refused, Rows, as_fault, rows_of
from workers.vendors.komet.orders.api import CHECKED_OUT, PENDING, WebOrderRow, row_of
from workers.vendors.komet.orders.web_shop import WebShop

ROWS: Final = "webOrders"
_NEEDS_NUMBER: Final = re.compile(r"web ?order ?id", re.IGNORECASE)


class State(Enum):
    """What has become of a web order."""

    OPEN = "open"
    CHECKED_OUT = "checked out"
    GONE = "gone"  # in neither list: deleted, or not checked out within 3 days


@dataclass(frozen=True, slots=True)
class Found:
    """A web order at Komet."""

    state: State
    row: WebOrderRow


Looked: TypeAlias = Found | PollFault
GONE: Final = Found(State.GONE, WebOrderRow())
_STATES: Final = {PENDING: State.OPEN, CHECKED_OUT: State.CHECKED_OUT}


def look(shop: WebShop, number: str, locations: Sequence[str], first: int = PENDING) -> Flow[Looked]:
    """Find a web order by its number; ``first``: the list in which it more likely is.

    Invariant: it is `GONE` only when both lists answer, at each location that it may have, that they hold nothing of
    that number. Otherwise a web order that was checked out would be made a second time.
    """
    for location in locations:
        for status_id in (first, PENDING + CHECKED_OUT - first):
            rows = yield from _rows(shop.details(status_id, number, location), shop.token)
            if isinstance(rows, Refused):
                return as_fault(rows)
            if isinstance(rows, PollFault):
                return rows
            if rows:
                return _of_number(rows, number)
    return GONE


def _of_number(rows: Rows, number: str) -> Looked:
    read = next((row for row in map(row_of, rows) if row.id == number), None)
    if read is None:
        return Unavailable(f"look-up: the answer does not name web order {number}")
    if read.status is None:
        return Unavailable(f"look-up: web order {number} has no statusId")
    return Found(_STATES.get(read.status, State.GONE), read)


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """The open web orders that may be ours."""

    ours: tuple[WebOrderRow, ...] = ()  # they have our reference
    nameless: int = 0  # empty ones without any reference: perhaps Komet does not keep references


def find_open(shop: WebShop, reference: str, locations: Sequence[str]) -> Flow[OpenOrders | PollFault]:
    """The open web orders of this reference. None: also when Komet lists no web orders without a number."""
    found: dict[str, WebOrderRow] = {}
    nameless = 0
    for location in locations:
        at_one = yield from _open_at(shop, reference, location)
        if not isinstance(at_one, OpenOrders):
            return at_one
        found |= {row.id: row for row in at_one.ours}
        nameless += at_one.nameless
    return OpenOrders(tuple(found.values()), nameless)


def _open_at(shop: WebShop, reference: str, location: str) -> Flow[OpenOrders | PollFault]:
    rows = yield from _rows(shop.details(PENDING, location=location), shop.token)
    if isinstance(rows, Refused):
        # What cannot be found is a header without items: it costs nothing, and Komet cancels it within 3 days.
        return OpenOrders() if _NEEDS_NUMBER.search(rows.message) else as_fault(rows)
    if isinstance(rows, PollFault):
        return rows
    read = [row for row in map(row_of, rows) if row.id and row.status in {PENDING, None}]
    ours = tuple(row for row in read if row.reference and folded(row.reference) == folded(reference))
    return OpenOrders(ours, sum(not row.reference and row.items == [] for row in read))


def _rows(request: httpx.Request, token: str) -> Flow[Rows | Refused | PollFault]:
    try:
        return rows_of((yield request), ROWS, token)
    except (NotSent, MaybeSent) as error:
        return Unavailable(f"look-up: {error}")
