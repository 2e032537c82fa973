"""Vendors' times without an offset: what instant may be meant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Moment(NamedTuple):
    """Milliseconds since 1970. The two differ only where a local time comes twice, or never (daylight saving)."""

    earlier_ms: int
    later_ms: int


def moment(text: str, zone: ZoneInfo) -> Moment | None:
    """Read an ISO-8601 time; one without an offset is of ``zone``. None when it is none.

    The hour that comes twice may be either; `Moment.earlier_ms` is the safe one to continue from. The hour
    that the clocks skip is nobody's: it too is read with both offsets, so the earlier lies before the gap.
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
    """What instants the clocks of ``zone`` may mean by a time."""
    readings = [_millis(given.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
    return Moment(min(readings), max(readings))


def utc_text(ms: int) -> str:
    """A time with whole seconds and an explicit offset: ``2026-11-22T17:00:00Z``."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _millis(given: datetime) -> int:
    return int(given.timestamp() * 1000)
