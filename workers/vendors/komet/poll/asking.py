"""Komet's lists as flows: one request for one answer, and what to do when one answer cannot hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import httpx

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.time_range import TimeRange
from workers.vendors.contract import Flow, MaybeSent, NotSent, PollFault, TooLong, TooSlow
from workers.vendors.komet.answers.outcome import Refused, Rows, as_fault, rows_of
from workers.vendors.komet.poll.ship_days import Days, first_days

MOST_BOXES: Final = 10_000  # of an answer with lines: what happens above is not documented

ByDays: TypeAlias = Callable[[Days], httpx.Request]


@dataclass(frozen=True, slots=True)
class TooMuch:
    """One answer cannot hold what was asked for; a request for less may succeed."""

    why: str


class DayRows(NamedTuple):
    """All rows of some days."""

    rows: Rows
    done: TimeRange


def listed(request: httpx.Request, name: str, token: str) -> Flow[Rows | Refused | PollFault | TooMuch]:
    """The rows of one answer."""
    try:
        return rows_of((yield request), name, token)
    except (TooLong, TooSlow) as error:
        return TooMuch(str(error))
    except (NotSent, MaybeSent) as lost:
        return Unavailable(str(lost))


def by_days(build: ByDays, name: str, token: str, asked: TimeRange) -> Flow[DayRows | PollFault]:
    """The rows of as much of the range's beginning as one answer holds: halved until one does."""
    days = first_days(asked)
    while True:
        rows = yield from listed(build(days), name, token)
        if isinstance(rows, Sequence):
            return DayRows(rows, days.as_range(asked))
        if not isinstance(rows, TooMuch):
            return fault_of(rows)
        smaller = days.half()
        if smaller is None:
            return Unavailable(f"{rows.why}, and it was asked for one day")
        days = smaller


def fault_of(found: TooMuch | Refused | PollFault) -> PollFault:
    """Why an answer shows no rows, as a fault."""
    if isinstance(found, TooMuch):
        return Unavailable(found.why)
    return as_fault(found) if isinstance(found, Refused) else found


def boxes_in(rows: Iterable[Mapping[str, object]]) -> int:
    """The boxes of an answer with lines."""
    found = 0
    for row in rows:
        details = row.get("details")
        for line in details if isinstance(details, list) else ():
            boxes = line.get("boxes") if isinstance(line, dict) else None
            found += len(boxes) if isinstance(boxes, list) else 0
    return found
