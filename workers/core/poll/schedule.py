"""How often one order is looked at: often after a change, less and less while nothing changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Now(NamedTuple):
    """One instant on both clocks, in milliseconds."""

    wall_ms: int  # since 1970: compared with stored times
    tick_ms: int  # monotonic: a look that is due stays due when the wall clock is set back


@dataclass(frozen=True, slots=True)
class ScheduleRule:
    """The interval of an order that has not changed for ``quiet_ms`` and has this status."""

    quiet_ms: int
    every_ms: int
    status: str | None = None  # None: any


@dataclass(frozen=True, slots=True)
class LookSchedule:
    """The intervals of looks, and when an order is done; milliseconds since its last change."""

    every_ms: int
    rules: Sequence[ScheduleRule] = ()
    grace_ms: int = 86_400_000  # an order in a final stage is done after this time
    give_up_ms: int = 60 * 86_400_000  # any other order is done after this time

    def interval_ms(self, quiet_ms: int, status: str) -> int:
        """How long to wait before the next look: by the last rule that fits, else ``every_ms``."""
        fitting = [rule.every_ms for rule in self.rules if quiet_ms >= rule.quiet_ms and _is(rule.status, status)]
        return fitting[-1] if fitting else self.every_ms

    def is_over(self, quiet_ms: int, *, ended: bool) -> bool:
        """Whether an order is done, so that there are no more looks at it."""
        return quiet_ms >= (min(self.grace_ms, self.give_up_ms) if ended else self.give_up_ms)


def _is(wanted: str | None, status: str) -> bool:
    return wanted is None or wanted.casefold() == status.casefold()
