"""Times without an offset, on the days of 2026 on which Pacific clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from workers.vendors._shared.local_time import PossibleInstants, parse_local_time, utc_text

PACIFIC = ZoneInfo("America/Los_Angeles")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "earlier", "later"),
    [
        ("2026-07-01T12:00:00", "2026-07-01T19:00:00+00:00", "2026-07-01T20:00:00+00:00"),
        ("2026-01-15T12:00:00", "2026-01-15T20:00:00+00:00", None),
        ("2026-07-01T12:00:00-08:00", "2026-07-01T20:00:00+00:00", None),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00+00:00", None),
        ("2026-03-08T01:59:59", "2026-03-08T09:59:59+00:00", None),
        ("2026-03-08T03:00:00", "2026-03-08T10:00:00+00:00", "2026-03-08T11:00:00+00:00"),
        ("2026-11-01T00:59:59", "2026-11-01T07:59:59+00:00", "2026-11-01T08:59:59+00:00"),
        ("2026-11-01T01:30:00", "2026-11-01T08:30:00+00:00", "2026-11-01T09:30:00+00:00"),
        ("2026-11-01T02:00:00", "2026-11-01T10:00:00+00:00", None),
    ],
)
def test_a_local_time_is_read_with_the_zones_rules_of_that_day(text: str, earlier: str, later: str | None) -> None:
    """The repeated hour may be either one. In summer the vendor may mean standard time."""
    assert parse_local_time(text, PACIFIC) == PossibleInstants(ms(earlier), ms(later or earlier))


def test_a_time_in_a_skipped_hour_may_lie_before_the_gap() -> None:
    """2026-03-08, 02:30 does not exist: continuing from 01:30 PST misses no change."""
    found = parse_local_time("2026-03-08T02:30:00", PACIFIC)
    assert found == PossibleInstants(ms("2026-03-08T01:30:00-08:00"), ms("2026-03-08T03:30:00-07:00"))


def test_an_unreadable_time_is_none() -> None:
    assert parse_local_time("yesterday", PACIFIC) is None


def test_a_sent_time_carries_its_offset() -> None:
    assert utc_text(ms("2026-11-01T01:59:59-07:00")) == "2026-11-01T08:59:59Z"


@pytest.mark.parametrize(
    ("ms", "text"), [(-62_135_596_801_000, "1970-01-01T00:00:00Z"), (1 << 60, "9999-12-31T23:59:59Z")]
)
def test_a_time_out_of_range_is_sent_as_the_nearest_valid_one(ms: int, text: str) -> None:
    assert utc_text(ms) == text
