"""Instants as e-Courier writes them: ``11/13/2019 6:00:00 AM`` on the wall of a zone, and the zone's abbreviation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from workers.core.events import Millis
from workers.vendors._shared.limits import LimitError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN: Final = "%m/%d/%Y %I:%M:%S %p"
_NOON: Final = 12


class WallTime(NamedTuple):
    """What a clock shows."""

    text: str  # 11/13/2019 6:00:00 AM
    zone: str  # EST


@dataclass(frozen=True, slots=True)
class Clock:
    """Reads instants in a stop's zone, or in the account's where that has none that is known."""

    time_zone: tzinfo

    def reading(self, at: Millis, zone: str | None, field: str) -> WallTime:
        """Return what the clock shows at an instant, to the second; raises `LimitError`."""
        own = time_zone(zone) if zone else None
        try:
            moment = (_EPOCH + timedelta(milliseconds=at)).astimezone(own or self.time_zone)
        except (OverflowError, ValueError) as error:
            raise LimitError(field, "must lie in the years 1 to 9999") from error
        return WallTime(written(moment), moment.tzname() or "")


def written(moment: datetime) -> str:
    """Return the moment's wall time: ``M/D/YYYY h:mm:ss AM``."""
    hour, half = moment.hour % _NOON or _NOON, "AM" if moment.hour < _NOON else "PM"
    return f"{moment.month}/{moment.day}/{moment.year:04} {hour}:{moment.minute:02}:{moment.second:02} {half}"


def read(text: str) -> datetime | None:
    """Return the wall time of a text that e-Courier wrote; None when it is none."""
    try:
        return datetime.strptime(text.strip(), _WRITTEN)  # noqa: DTZ007 - its zone stands in another field
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def time_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name; None when there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return None
