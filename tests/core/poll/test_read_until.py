"""The time until which a partition has been read is never later than what the hand-overs prove."""

from workers.core.poll.read_until import ReadUntil


def test_before_the_first_end_is_reached_the_time_is_unknown() -> None:
    read = ReadUntil(began_ms=100)
    read.took(5, 10, 200)
    assert (read.at_ms, read.until_ms) == (None, 100)
    read.took(10, None, 300)
    assert read.at_ms == 100


def test_an_end_counts_from_the_hand_over_before_the_last_one() -> None:
    """The consumer thread requested the end after that hand-over; the exact time is not known."""
    read = ReadUntil(began_ms=100)
    for now in (200, 300, 400):
        read.took(10, 10, now)
    assert (read.at_ms, read.until_ms) == (200, 200)


def test_the_time_advances_in_a_partition_that_is_written_to_all_the_time() -> None:
    read = ReadUntil(began_ms=0)
    for now in range(1, 20):
        read.took(now * 10, now * 10 + 5, now)
    assert read.at_ms is not None
    assert read.at_ms >= 14
