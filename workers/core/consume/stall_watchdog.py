"""Notices a partition that stops delivering while its end moves on.

kafka-python 3 has had silent stalls (its issues 3106 and 3131): the lag grows and poll() returns nothing. The first
time the fetch position is set again; when that does not help, the process must be restarted.
"""

from dataclasses import dataclass, field
from enum import Enum

from workers.core.record import Partition

STALLED_AFTER_S = 120.0  # without progress though there is something to fetch
UNSEEN_AFTER_S = 30.0  # without a look, as when no broker answers or a transaction is open: its time does not count


class StallAction(Enum):
    NONE = "well"
    RESEEK = "seek"  # set its fetch position again
    RESTART = "stuck"  # that did not help


@dataclass(slots=True)
class _Progress:
    position: int
    since: float
    looked: float
    seeks: int = 0


@dataclass(slots=True)
class Watchdog:
    """The progress of each fetched partition, as last seen; times are monotonic seconds."""

    stalled_after_s: float = STALLED_AFTER_S
    _seen: dict[Partition, _Progress] = field(default_factory=dict)

    def look(self, at: Partition, *, position: int, end: int, paused: bool, now: float) -> StallAction:
        """Judge a partition at ``position`` whose log ends at ``end``."""
        seen = self._seen.get(at)
        moves = seen is None or seen.position != position or position >= end or paused
        if seen is None or moves or now - seen.looked > UNSEEN_AFTER_S:
            self._seen[at] = _Progress(position, now, now)
            return StallAction.NONE
        seen.looked = now
        if now - seen.since < self.stalled_after_s:
            return StallAction.NONE
        if seen.seeks:
            return StallAction.RESTART
        seen.seeks, seen.since = 1, now
        return StallAction.RESEEK
