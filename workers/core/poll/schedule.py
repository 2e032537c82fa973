"""How often one order is looked at: often while there is news of it, ever less while there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScheduleRule:
    """A line of the table: what holds for an order that has been quiet for so long, and stands so."""

    quiet_ms: int
    every_ms: int
    status: str | None = None  # None: whatever it is


@dataclass(frozen=True, slots=True)
class LookSchedule:
    """The table of intervals, and how long an order is looked at; all in milliseconds without news of it."""

    every_ms: int
    slower: Sequence[ScheduleRule] = ()
    grace_ms: int = 86_400_000  # at its end an order is quiet for so long, then it is done
    give_up_ms: int = 60 * 86_400_000  # anywhere else for so long: done too

    def interval_ms(self, quiet_ms: int, status: str) -> int:
        """How long to wait before the next look: the last line that fits counts, ``every`` before all of them."""
        fitting = [line.every_ms for line in self.slower if quiet_ms >= line.quiet_ms and _is(line.status, status)]
        return fitting[-1] if fitting else self.every_ms

    def is_over(self, quiet_ms: int, *, ended: bool) -> bool:
        """Whether an order has been quiet for so long that it is looked at no more."""
        return quiet_ms >= (min(self.grace_ms, self.give_up_ms) if ended else self.give_up_ms)


def _is(wanted: str | None, status: str) -> bool:
    return wanted is None or wanted.casefold() == status.casefold()
