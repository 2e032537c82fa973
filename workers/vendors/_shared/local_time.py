"""Vendors' times without an offset: what instant may be meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_LAST: Final = 253_402_300_799  # the last second of the year 9999


class Moment(NamedTuple):
    """Milliseconds since 1970. The two differ while a zone's clocks are put forward: the vendor's may not be."""

    earlier_ms: int
    later_ms: int


def moment(text: str, zone: ZoneInfo) -> Moment | None:
    """Read an ISO-8601 time; one without an offset is of ``zone``. None when it is none.

    The hour that comes twice may be either; `Moment.earlier_ms` is the safe one to continue from. The hour
    that the clocks skip is nobody's: it too is read with both offsets, so the earlier lies before the gap. A vendor
    whose "local" time is winter's all year means `Moment.later_ms` in summer.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        return None
    if given.tzinfo is not None:
        only = _millis(given)
        return Moment(only, only)
    return on_the_wall(given, zone)


def on_the_wall(given: datetime, zone: ZoneInfo) -> Moment:
    """What instants the clocks of ``zone`` may mean by a time, and such as are never put forward."""
    both = [given.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    readings = [_millis(one) for one in both]
    unmoved = [_millis(one) + (one.dst() or timedelta()) // timedelta(milliseconds=1) for one in both]
    return Moment(min(readings), max(*readings, *unmoved))


def utc_text(ms: int) -> str:
    """A time with whole seconds and an explicit offset: ``2026-11-22T17:00:00Z``; none before 1970 or after 9999."""
    return datetime.fromtimestamp(min(max(ms // 1000, 0), _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _millis(given: datetime) -> int:
    return int(given.timestamp() * 1000)
