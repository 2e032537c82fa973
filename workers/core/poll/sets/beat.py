"""When a set is read next. The vendor's answers take longer the more it has to do: then it is asked more seldom."""

from typing import Final

REST_SHARE: Final = 1.0  # a set rests at least so many times as long as its last reading took


def next_due_s(began_s: float, ended_s: float, every_s: float, stretch: float = 1.0) -> float:
    """When the next reading begins, by the clock of the others; ``stretch``: what a budget makes of the beat.

    Invariant: a set that is read slower than its beat does not fall due while it is read. Otherwise requests would
    queue up at a slow vendor, and make it slower.
    """
    return max(began_s + every_s * max(1.0, stretch), ended_s + REST_SHARE * (ended_s - began_s))
