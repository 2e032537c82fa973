"""What speaks against one order whose requests fail: the vendor takes other orders meanwhile, and not this one."""

from __future__ import annotations

from dataclasses import dataclass

OWN_FAULT_AFTER = 4  # denials of it alone: a key that the vendor's servers learn one by one is refused less often
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The vendor's faults that an order has met, seconds on the monotonic clock."""

    since: float  # the first
    at: float  # the last
    times: int = 1
    alone: int = 0  # that met it in a request of its own, after another order's delivery since the one before

    def again(self, now: float, *, delivered_at: float, alone: bool) -> Suspicion:
        """One fault more; ``delivered_at``: of any other order, last; ``alone``: in a request of its own."""
        others_pass = alone and delivered_at > self.at
        return Suspicion(self.since, now, self.times + 1, self.alone + others_pass)

    @property
    def is_own_fault(self) -> bool:
        """Whether the faults are about this order, whatever their code says."""
        return self.alone >= OWN_FAULT_AFTER

    def pause(self, jitter: float) -> float:
        """Seconds before it is sent again; ``jitter`` in [0, 1)."""
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.times - 1, 30)) * (0.5 + jitter / 2)
