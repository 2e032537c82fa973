"""The one queue of a simulated E2CC: requests are answered one after the other, whoever sent them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class RequestQueue:
    """When each request's answer is ready. A request whose client has gone away keeps its place."""

    clock: Callable[[], float]  # seconds
    ready: deque[float] = field(default_factory=deque)  # of each request that is in the queue, the first one first
    deepest: int = 0

    def enter(self, takes_s: float) -> float:
        """Put a request into the queue; returns how many seconds its answer takes."""
        now = self.clock()
        while self.ready and self.ready[0] <= now:
            self.ready.popleft()
        done = max(now, self.ready[-1] if self.ready else now) + takes_s
        if takes_s:
            self.ready.append(done)
        self.deepest = max(self.deepest, len(self.ready))
        return done - now
