"""The cursor stays behind everything that may still change, and time ranges leave no gap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.cursor import Cursor, PollStart, advanced, first_cursor, reset, unpack_cursor, window
from workers.core.poll.time_range import AdaptiveWidth, TimeRange, whole_seconds

NOW = 1_790_000_000_000
SETTLE = 300_000
times = st.integers(0, 2 * NOW)


@given(done=times, ours=times, vendors=times)
def test_the_cursor_never_passes_the_polls_start_minus_the_settle_lag(done: int, ours: int, vendors: int) -> None:
    """By the earlier of the two clocks."""
    cursor = advanced(Cursor(0, 0, 0, 0), TimeRange(0, done), PollStart(ours, vendors), SETTLE, NOW)
    assert cursor.at_ms <= min(ours, vendors) - SETTLE
    assert cursor.at_ms <= done


@given(at=times, now=times, skew=st.integers(-(10**7), 10**7))
def test_a_window_begins_at_the_cursor_or_before_and_ends_after_now(at: int, now: int, skew: int) -> None:
    asked = window(Cursor(at, 0, 0, 0), now, skew, SETTLE)
    assert asked.start_ms <= min(at, now + min(0, skew) - SETTLE)
    assert asked.end_ms >= now + max(0, skew)


def test_a_cursor_is_read_back_as_it_was_written() -> None:
    for cursor in (Cursor(1, 2, 3, 4, 5), Cursor(1, 2, 3, 4, 5, open_from_ms=0)):
        assert unpack_cursor(cursor.pack()) == cursor
    assert b"open_from_ms" not in Cursor(1, 2, 3, 4, 5).pack(), "a former release reads the row"
    with pytest.raises(ValueError, match="later release"):
        unpack_cursor(b'{"somewhere": 1}')


def test_the_first_start_looks_back_and_treats_older_orders_as_snapshots() -> None:
    cursor = first_cursor(NOW, 1000)
    assert (cursor.at_ms, cursor.snapshot_until_ms, cursor.open_from_ms) == (NOW - 1000, NOW, None)
    assert first_cursor(NOW, 1000, open_orders=True).open_from_ms == 0


def test_after_a_reset_orders_older_than_the_old_cursor_are_snapshots() -> None:
    cursor = reset(Cursor(NOW, 5, 0, 0), 7)
    assert (cursor.at_ms, cursor.snapshot_until_ms) == (7, NOW)


@given(start=times, width=st.integers(1, 10**9), widths=st.lists(st.integers(1, 10**9), max_size=8))
def test_time_ranges_follow_each_other_without_a_gap(start: int, width: int, widths: list[int]) -> None:
    """Each begins where the one before ended, and none is empty."""
    left = whole_seconds(start, start + width)
    for one in widths:
        if left.is_empty:
            break
        done = left.first(one)
        half = done.half()
        assert not done.is_empty
        assert half is None or (half.start_ms == done.start_ms and half.width_ms < done.width_ms)
        assert left.after(done).start_ms == done.end_ms <= left.end_ms
        left = left.after(done)


def test_the_width_doubles_after_each_page_that_holds_its_range() -> None:
    width, whole = AdaptiveWidth(), TimeRange(0, 1_000_000)
    assert width.next_range(whole) == whole
    width.one_page_held(TimeRange(0, 4_000))
    assert width.next_range(whole) == TimeRange(0, 8_000)
