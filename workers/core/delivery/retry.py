"""When to try again, and when to stop trying."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full jitter (Brooker, "Exponential Backoff And Jitter"); seconds."""

    first: float
    max: float
    give_up_after: float = inf

    def delay(self, attempt: int, jitter: float) -> float:
        """Seconds before the attempt after ``attempt`` (1, 2, ...); ``jitter`` in [0, 1)."""
        ceiling = min(self.max, self.first * 2.0 ** min(attempt - 1, 60))
        return ceiling * jitter

    def gives_up(self, *, age: float, others_succeed: bool) -> bool:
        """Whether a record that has failed for ``age`` seconds is parked.

        Only while other orders succeed: else the fault is the vendor's, and Kafka is the buffer.
        """
        return others_succeed and age >= self.give_up_after
