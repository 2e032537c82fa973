"""Up to when a partition has been read: never later than what is known of it."""

from __future__ import annotations

from workers.core.poll.read_until import ReadUntil


def test_until_the_first_end_is_reached_nothing_is_known() -> None:
    read = ReadUntil(began_ms=100)
    read.took(5, 10, 200)
    assert read.at_ms is None
    read.took(10, None, 300)
    assert read.at_ms == 100


def test_an_end_counts_from_the_hand_over_before_the_last_one() -> None:
    """It was asked for after that one had been taken; exactly when nobody knows."""
    read = ReadUntil(began_ms=100)
    for now in (200, 300, 400):
        read.took(10, 10, now)
    assert read.at_ms == 200


def test_a_partition_that_is_written_to_all_the_time_gets_on_too() -> None:
    read = ReadUntil(began_ms=0)
    for now in range(1, 20):
        read.took(now * 10, now * 10 + 5, now)
    assert read.at_ms is not None
    assert read.at_ms >= 14
