"""What keeps a worker from working, by the part that it keeps: the newest is the worker's last error."""

from collections.abc import Collection, Hashable
from enum import Enum
from typing import NamedTuple

from workers.core.record import Partition
from workers.core.redaction import without_secrets


class Part(Enum):
    """A part of a worker that fails and works again by itself."""

    VENDOR = "vendor"
    PARKING = "parking"
    RECEIPTS = "receipts"
    TOPICS = "topics"
    REGISTRY = "registry"
    PAGES = "pages"  # of a set, whose rows moved while they were read
    ORDER = "order"  # one order alone, which a poller reads again


class LastError(NamedTuple):
    text: str
    at_ms: int  # since 1970


class LastErrors:
    """Each part's error stands until that part works again. A part may be one of a partition or a shard."""

    def __init__(self) -> None:
        self._by_part: dict[Hashable, LastError] = {}

    def put(self, part: Hashable, text: str, at_ms: int) -> None:
        self._by_part[part] = LastError(without_secrets(text), at_ms)

    def clear(self, part: Hashable) -> None:
        """The part works."""
        if self._by_part:
            self._by_part.pop(part, None)

    def of(self, part: Hashable) -> str | None:
        found = self._by_part.get(part)
        return None if found is None else found.text

    def keep(self, stopped: Collection[Partition], shards: Collection[int]) -> None:
        """Forget what was said of partitions that are read again, and of shards that are another process's by now."""
        for part in list(self._by_part):
            match part:
                case Partition() if part not in stopped:
                    del self._by_part[part]
                case (Part(), int(number)) if number not in shards:
                    del self._by_part[part]

    @property
    def last(self) -> LastError | None:
        return max(self._by_part.values(), key=lambda error: error.at_ms, default=None)
