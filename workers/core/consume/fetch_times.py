"""When the records of one partition were fetched: one time a batch, for the beginnings of their spans."""

from collections import deque
from typing import NamedTuple


class _Batch(NamedTuple):
    position: int  # behind its last record
    fetched_ns: int


class FetchTimes:
    """Records are asked for in the sequence of their offsets."""

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()

    def fetched(self, position: int, now_ns: int) -> None:
        """A batch came; ``position`` is the next offset to fetch."""
        self._batches.append(_Batch(position, now_ns))

    def of(self, offset: int) -> int:
        """Nanoseconds since 1970; 0: not noted."""
        while self._batches and self._batches[0].position <= offset:
            self._batches.popleft()
        return self._batches[0].fetched_ns if self._batches else 0
