"""Up to when a partition has been read: everything written to it before that time is known."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class ReadUntil:
    """Told of positions and ends, by hand-overs of which two at most wait for us at a time."""

    began_ms: int  # nothing has been asked before
    at_ms: int | None = None  # None: the end that it had at first has not been reached yet
    _end: int | None = None  # to be reached
    _asked_ms: int = 0  # that end was asked for then, or later
    _taken_ms: deque[int] = field(default_factory=lambda: deque(maxlen=2))  # when the last hand-overs were taken

    def took(self, position: int, end: int | None, now_ms: int) -> None:
        """Take note of a hand-over; ``end`` was asked after what it holds had been fetched, None: it was not.

        When exactly is not known, but that the hand-over before the last one had been taken by then.
        """
        if self._end is not None and position >= self._end:
            self.at_ms, self._end = self._asked_ms, None
        if self._end is None and end is not None:
            self._end, self._asked_ms = end, self._taken_ms[0] if len(self._taken_ms) > 1 else self.began_ms
            if position >= end:
                self.at_ms, self._end = self._asked_ms, None
        self._taken_ms.append(now_ms)
