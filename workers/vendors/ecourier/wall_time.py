"""Times as e-Courier writes them: ``11/13/2019 6:00:00 AM``, wall time in a zone, and the zone's abbreviation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from workers.core.events import Millis
from workers.vendors._shared.limits import LimitError
from workers.vendors._shared.local_time import time_zone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The page's forms: those of an order, and of QuoteOrder's answer. Sites write them with and without seconds.
_FORMATS: Final = (
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M",
    "%m/%d/%y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%y %I:%M:%S %p",
)
_MAX_CHARS: Final = 40
_NOON: Final = 12


class WallTime(NamedTuple):
    """The time that a clock shows."""

    text: str  # 11/13/2019 6:00:00 AM
    zone: str  # EST


@dataclass(frozen=True, slots=True)
class Clock:
    """Converts instants to wall times in a stop's zone, or in the account's when the stop has no known zone."""

    time_zone: tzinfo

    def wall_time(self, at: Millis, zone: str | None, field: str) -> WallTime:
        """Return the wall time of an instant, to the second; raises `LimitError`, which names ``field``."""
        own = time_zone(zone) if zone else None
        try:
            moment = (_EPOCH + timedelta(milliseconds=at)).astimezone(own or self.time_zone)
        except (OverflowError, ValueError) as error:
            raise LimitError(field, "must lie in the years 1 to 9999") from error
        return WallTime(format_wall_time(moment), moment.tzname() or "")


def format_wall_time(moment: datetime) -> str:
    """Return the wall time as text: ``M/D/YYYY h:mm:ss AM``."""
    hour, half = moment.hour % _NOON or _NOON, "AM" if moment.hour < _NOON else "PM"
    return f"{moment.month}/{moment.day}/{moment.year:04} {hour}:{moment.minute:02}:{moment.second:02} {half}"


def parse_wall_time(text: str) -> datetime | None:
    """Read the wall time of a text that e-Courier wrote; None when it is unreadable."""
    text = text.strip()
    return _parsed(text) if 0 < len(text) <= _MAX_CHARS else None


@lru_cache(maxsize=4096)  # each look at an order reads the same times again
def _parsed(text: str) -> datetime | None:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - another field holds the zone
        except ValueError:
            continue
    return None
