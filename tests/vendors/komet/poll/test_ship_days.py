"""The days that a request to Komet bounds."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.time_range import TimeRange
from workers.vendors.komet.poll.ship_days import MOST_DETAILED_DAYS, Days, first_days, groups

DAY_MS = 86_400_000
times = st.integers(1_500_000_000, 1_900_000_000).map(lambda second: second * 1000)


def six_months_after(day: date) -> date:
    """The same day of the month half a year later, or the month's last day."""
    year, month = day.year + (day.month + 5) // 12, (day.month + 5) % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


@given(start=times, days=st.integers(1, 900))
def test_requests_one_after_the_other_cover_the_range_and_none_is_longer_than_six_months(start: int, days: int) -> None:
    asked = TimeRange(start, start + days * DAY_MS)
    covered: list[date] = []
    while not asked.is_empty:
        bounds = first_days(asked)
        assert bounds.last < six_months_after(bounds.first)
        covered += [bounds.first + timedelta(days=n) for n in range((bounds.last - bounds.first).days + 1)]
        asked = asked.after(bounds.as_range(asked))
    first, last = (datetime.fromtimestamp(ms / 1000, UTC).date() for ms in (start, start + days * DAY_MS - 1))
    assert covered == [first + timedelta(days=n) for n in range((last - first).days + 1)]


@given(first=st.dates(date(2020, 1, 1), date(2030, 1, 1)), width=st.integers(0, 180))
def test_halves_end_at_a_single_day(first: date, width: int) -> None:
    days: Days | None = Days(first, first + timedelta(days=width))
    while days is not None:
        smaller = days.half()
        assert smaller is None or (smaller.first == first and smaller.last < days.last)
        assert (smaller is None) == (days.first == days.last)
        days = smaller


@given(days=st.lists(st.dates(date(2026, 1, 1), date(2026, 3, 1)), max_size=30))
def test_stretches_of_four_days_hold_every_day_once(days: list[date]) -> None:
    found = groups(days)
    assert all((one.last - one.first).days < MOST_DETAILED_DAYS for one in found)
    assert all(sum(one.first <= day <= one.last for one in found) == 1 for day in days)
