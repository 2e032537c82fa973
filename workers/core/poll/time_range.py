"""A stretch of the vendor's time: what a poller asks for in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

SECOND_MS: Final = 1000
_ENDLESS: Final = 1 << 50


class TimeRange(NamedTuple):
    """From ``start_ms`` to ``end_ms``, both ends included; milliseconds since 1970, whole seconds."""

    start_ms: int
    end_ms: int

    @property
    def width_ms(self) -> int:
        return self.end_ms - self.start_ms

    @property
    def is_empty(self) -> bool:
        return self.end_ms <= self.start_ms

    def first(self, width_ms: int) -> TimeRange:
        """The beginning of it, of at most that width and at least a second."""
        return TimeRange(self.start_ms, min(self.end_ms, self.start_ms + _ceiling(max(width_ms, SECOND_MS))))

    def half(self) -> TimeRange | None:
        """Its first half; None when it is one second, and cannot be made smaller."""
        return None if self.width_ms <= SECOND_MS else self.first(self.width_ms // 2)

    def rest(self, done: TimeRange) -> TimeRange:
        """What is left when its beginning is done; the second between them belongs to both."""
        return TimeRange(done.end_ms, self.end_ms)


def span(start_ms: int, end_ms: int) -> TimeRange:
    """The whole seconds that hold all between the two."""
    return TimeRange(start_ms // SECOND_MS * SECOND_MS, _ceiling(end_ms))


def _ceiling(ms: int) -> int:
    return -(-ms // SECOND_MS) * SECOND_MS


@dataclass(slots=True)
class AdaptiveWidth:
    """How much to ask for next: what was too much for one page a moment ago would be so again."""

    width_ms: int = _ENDLESS

    def ask(self, left: TimeRange) -> TimeRange:
        """The beginning of what is left."""
        return left.first(self.width_ms)

    def read(self, done: TimeRange) -> None:
        """So much came in one page: try twice as much next."""
        self.width_ms = min(_ENDLESS, done.width_ms * 2)
