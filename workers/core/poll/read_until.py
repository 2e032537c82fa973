"""The time until which a partition has been read: every record written before it is known."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class ReadUntil:
    """Updated once per hand-over from the consumer thread; at most two hand-overs are queued."""

    began_ms: int  # when the assignment began: no end offset was requested before
    at_ms: int | None = None  # None: the partition's first known end has not been reached yet
    _end: int | None = None  # the end offset to be reached
    _asked_ms: int = 0  # that end was requested then, or later
    _taken_ms: deque[int] = field(default_factory=lambda: deque(maxlen=2))  # times of the last hand-overs

    @property
    def until_ms(self) -> int:
        """The time; before the first end is reached, the start of the assignment."""
        return self.began_ms if self.at_ms is None else self.at_ms

    def took(self, position: int, end: int | None, now_ms: int) -> None:
        """Record a hand-over; the consumer thread requested ``end`` after its fetch (None: it did not).

        When it requested the end is not known exactly; but the hand-over before the last one was taken by then.
        """
        if self._end is not None and position >= self._end:
            self.at_ms, self._end = self._asked_ms, None
        if self._end is None and end is not None:
            self._end, self._asked_ms = end, self._taken_ms[0] if len(self._taken_ms) > 1 else self.began_ms
            if position >= end:
                self.at_ms, self._end = self._asked_ms, None
        self._taken_ms.append(now_ms)
