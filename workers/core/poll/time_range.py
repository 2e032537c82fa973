"""A range of the vendor's time: what a poller requests at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

SECOND_MS: Final = 1000
_UNBOUNDED_MS: Final = 1 << 50


class TimeRange(NamedTuple):
    """From ``start_ms`` to ``end_ms``, both included; milliseconds since 1970, whole seconds."""

    start_ms: int
    end_ms: int

    @property
    def width_ms(self) -> int:
        return self.end_ms - self.start_ms

    @property
    def is_empty(self) -> bool:
        return self.end_ms <= self.start_ms

    def first(self, width_ms: int) -> TimeRange:
        """Its beginning, of at most that width and at least a second."""
        return TimeRange(self.start_ms, min(self.end_ms, self.start_ms + _ceiling(max(width_ms, SECOND_MS))))

    def half(self) -> TimeRange | None:
        """Its first half; None when it is one second, which cannot be halved."""
        return None if self.width_ms <= SECOND_MS else self.first(self.width_ms // 2)

    def after(self, done: TimeRange) -> TimeRange:
        """The rest, when its beginning is done; both include the second between them."""
        return TimeRange(done.end_ms, self.end_ms)


def whole_seconds(start_ms: int, end_ms: int) -> TimeRange:
    """The whole seconds that hold everything between the two."""
    return TimeRange(start_ms // SECOND_MS * SECOND_MS, _ceiling(end_ms))


def _ceiling(ms: int) -> int:
    return -(-ms // SECOND_MS) * SECOND_MS


@dataclass(slots=True)
class AdaptiveWidth:
    """The width of the next request: a range that was too full for one page a moment ago still is."""

    width_ms: int = _UNBOUNDED_MS

    def next_range(self, remaining: TimeRange) -> TimeRange:
        """The beginning of the remaining range, to be requested."""
        return remaining.first(self.width_ms)

    def one_page_held(self, done: TimeRange) -> None:
        """One page held this range: request twice as much next."""
        self.width_ms = min(_UNBOUNDED_MS, done.width_ms * 2)
