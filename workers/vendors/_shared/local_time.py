"""Reads vendors' times without an offset: which instants they may mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from workers.vendors._shared.requests import SetUpError

_LAST: Final = 253_402_300_799  # the last second of the year 9999


class PossibleInstants(NamedTuple):
    """Milliseconds since 1970. They differ during daylight saving time, which the vendor's clocks may not follow."""

    earlier_ms: int
    later_ms: int


@lru_cache(maxsize=1024)
def time_zone(name: str) -> ZoneInfo | None:
    """Return the zone of an IANA name; None for an unknown name."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return None


def checked_time_zone(name: str, example: str) -> ZoneInfo:
    """Return the zone of the variable TIME_ZONE; raises `SetUpError`, which shows ``example``."""
    zone = time_zone(name)
    if zone is None:
        raise SetUpError(f"{{TIME_ZONE}} must be an IANA name such as {example}")
    return zone


def parse_local_time(text: str, zone: ZoneInfo) -> PossibleInstants | None:
    """Read an ISO-8601 time, in ``zone`` when it has no offset; None when it is unreadable.

    The hour that occurs twice may be either one; the safe one to continue from is the earlier. The hour that the
    clocks skip is read with both offsets too, so that the earlier instant lies before the gap. A vendor whose "local"
    time ignores daylight saving means the later instant in summer.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    if given.tzinfo is not None:
        only = _millis(given)
        return PossibleInstants(only, only)
    return possible_instants(given, zone)


def possible_instants(given: datetime, zone: ZoneInfo) -> PossibleInstants:
    """The instants that a wall-clock time in ``zone`` may mean, with and without daylight saving."""
    both = [given.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    instants = [_millis(one) for one in both]
    without_dst = [_millis(one) + (one.dst() or timedelta()) // timedelta(milliseconds=1) for one in both]
    return PossibleInstants(min(instants), max(*instants, *without_dst))


def occurs_twice(at: PossibleInstants, zone: ZoneInfo) -> bool:
    """Whether the clocks of ``zone`` show the same time at both instants, as in the hour when they go back."""
    earlier, later = (datetime.fromtimestamp(ms / 1000, zone).replace(fold=0) for ms in at)
    return at.earlier_ms < at.later_ms and earlier.replace(tzinfo=None) == later.replace(tzinfo=None)


def utc_text(ms: int) -> str:
    """``2026-11-22T17:00:00Z``: whole seconds and an explicit offset, from 1970 to 9999."""
    return datetime.fromtimestamp(min(max(ms // 1000, 0), _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _millis(given: datetime) -> int:
    return int(given.timestamp() * 1000)
