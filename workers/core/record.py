"""A Kafka record as fetched, its partition, and a committed position."""

from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

TRACEPARENT: Final = "traceparent"  # headers of W3C Trace Context
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"  # of W3C Baggage

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


_partition: Final = lru_cache(maxsize=4_096)(Partition)  # asked for several times a record, of few partitions


class CommitPoint(NamedTuple):
    """What a consumer group has committed, or is to commit, for one partition."""

    offset: int  # the next offset to read: everything below it needs no more work
    metadata: str  # which offsets at or above ``offset`` are finished too (`commit_metadata`); "" for none


class Record(NamedTuple):
    """One Kafka record, its bytes untouched. A NamedTuple, because one is made for each record, three times as fast."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int  # the broker's (LogAppendTime), else the publisher's
    key: bytes | None
    value: bytes | None  # None: a tombstone
    headers: Headers = ()

    @property
    def at(self) -> Partition:
        return _partition(self.topic, self.partition)

    def header(self, name: str) -> bytes | None:
        """The last header of that name, or None."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None
