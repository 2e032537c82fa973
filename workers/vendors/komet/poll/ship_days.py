"""Days that a request bounds: at most six months of ship dates in a list, and four days in a list with lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from workers.core.poll.time_range import TimeRange

MOST_DAYS: Final = 181  # the shortest six months are 181 days from the first to the last
MOST_DETAILED_DAYS: Final = 4
_DAY: Final = timedelta(days=1)


class Days(NamedTuple):
    """From the first to the last, both included."""

    first: date
    last: date

    def half(self) -> Days | None:
        """Its first half; None when it is one day, which cannot be halved."""
        width = self.last - self.first
        return Days(self.first, self.first + timedelta(days=(width.days - 1) // 2)) if width else None

    def as_range(self, asked: TimeRange) -> TimeRange:
        """As much of what was asked as these days hold; a day ends where the next one begins."""
        end_ms = round(datetime.combine(self.last + _DAY, time(), UTC).timestamp() * 1000)
        return TimeRange(asked.start_ms, min(asked.end_ms, end_ms))


def first_days(asked: TimeRange) -> Days:
    """The days of the range's beginning that one request may bound."""
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (asked.start_ms, asked.end_ms - 1))
    return Days(first, min(max(first, last), first + (MOST_DAYS - 1) * _DAY))


def groups(days: Iterable[date]) -> Sequence[Days]:
    """As few stretches of four days as hold all of these days."""
    found: list[Days] = []
    for day in sorted(set(days)):
        if not found or day >= found[-1].first + MOST_DETAILED_DAYS * _DAY:
            found.append(Days(day, day))
        found[-1] = Days(found[-1].first, day)
    return found
