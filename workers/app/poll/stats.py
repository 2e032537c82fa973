"""What a poller has counted since its start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class PollStats:
    """Plain numbers, read by ``/status`` and ``/metrics``."""

    polls: int = 0  # complete ones; where orders are looked at one by one: looks
    events: int = 0  # published
    late_found: int = 0  # events that the windows had missed, and a slower look found
    failures: int = 0  # requests that read nothing
    taken_over: int = 0  # times that a shard was begun anew: another owner, or Kafka's refusal
    rebalances: int = 0
    notes: Counter[str] = field(default_factory=Counter)  # what was peculiar about the vendor's answers
    skew_ms: int | None = None  # how far the vendor's clock is ahead of ours, by its last answer
    last_error: str | None = None
