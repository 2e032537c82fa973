"""The watchdog of partitions that silently stop delivering."""

from workers.core.consume.stall_watchdog import StallAction, Watchdog
from workers.core.record import Partition

AT = Partition("order-created", 3)


def look(watchdog: Watchdog, now: float, *, position: int = 5, end: int = 9, paused: bool = False) -> StallAction:
    return watchdog.look(AT, position=position, end=end, paused=paused, now=now)


def test_a_partition_that_moves_needs_nothing() -> None:
    watchdog = Watchdog(stalled_after_s=10.0)
    assert [look(watchdog, now=float(10 * n), position=n) for n in range(5)] == [StallAction.NONE] * 5


def test_a_stalled_partition_is_sought_once_and_then_needs_a_restart() -> None:
    watchdog = Watchdog(stalled_after_s=10.0)
    verdicts = [look(watchdog, now=now) for now in (0.0, 9.0, 10.0, 19.0, 20.0)]
    assert verdicts == [StallAction.NONE, StallAction.NONE, StallAction.RESEEK, StallAction.NONE, StallAction.RESTART]


def test_progress_after_a_seek_needs_nothing_more() -> None:
    watchdog = Watchdog(stalled_after_s=10.0)
    assert look(watchdog, now=0.0) is StallAction.NONE
    assert look(watchdog, now=10.0) is StallAction.RESEEK
    assert look(watchdog, now=30.0, position=6) is StallAction.NONE
    assert look(watchdog, now=40.0, position=6) is StallAction.RESEEK


def test_a_partition_that_is_paused_or_at_its_end_may_stand_still() -> None:
    watchdog = Watchdog(stalled_after_s=10.0)
    assert {look(watchdog, now=now, paused=True) for now in (0.0, 15.0, 30.0)} == {StallAction.NONE}
    assert {look(watchdog, now=now, position=9) for now in (40.0, 55.0, 70.0)} == {StallAction.NONE}


def test_a_time_without_a_look_does_not_count() -> None:
    """While no broker answers, no end is known, and no partition is judged."""
    watchdog = Watchdog(stalled_after_s=10.0)
    verdicts = [look(watchdog, now=now) for now in (0.0, 9.0, 600.0, 609.0, 610.0)]
    assert verdicts == [StallAction.NONE] * 4 + [StallAction.RESEEK]
