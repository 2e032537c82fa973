"""Which rows of a compacted topic stand, when one side writes them and another ends them with tombstones.

The two write at the same time. So a tombstone says which row it settles, and ends that one and older ones alone: an
order that was saved anew just before stays. Compaction would still take a row that lies below a tombstone; whoever
writes tombstones puts such a row back, and a row that was put back says which one it repeats. Invariant: what counts
is where a row was first written, never where its repetition lies. Broken, an old row would stand for a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from workers.core.record import Record

T = TypeVar("T")

SETTLES: Final = "relay-settles"  # header of a tombstone: the offset of the row that it ends; none: any before it
REPEATS: Final = "relay-repeats"  # header of a row that was put back: the offset of the row that it repeats


@dataclass(slots=True, eq=False)
class Row(Generic[T]):
    """One order's newest row."""

    key: str
    offset: int  # where it was first written
    saved_ms: int
    content: T
    covered: bool = False  # a tombstone or an older row lies above it: put it back


class CompactedRows(Generic[T]):
    """The rows of one partition, taken in the order of their offsets."""

    def __init__(self) -> None:
        self.rows: dict[str, Row[T]] = {}
        self.covered: set[str] = set()  # keys of rows to be put back

    def put(self, record: Record, key: str, content: T) -> bool:
        """Take a row in; False: it is the one that stands, or an older one."""
        offset = offset_in(record, REPEATS)
        first = record.offset if offset is None else offset
        row = self.rows.get(key)
        if row is not None and row.offset >= first:
            self._cover(row, covered=row.offset > first)
            return False
        self.rows[key] = Row(key, first, record.timestamp_ms, content)
        self.covered.discard(key)
        return True

    def end(self, record: Record, key: str) -> bool:
        """Take a tombstone in; True: the order has no row any more."""
        row, settled = self.rows.get(key), offset_in(record, SETTLES)
        if row is not None and settled is not None and row.offset > settled:
            self._cover(row, covered=True)
            return False
        return self._drop(key)

    def settled(self, key: str, offset: int) -> bool:
        """A tombstone for the row of that offset has been written; True: the order has no row any more."""
        row = self.rows.get(key)
        return (row is None or row.offset <= offset) and self._drop(key)

    def put_back(self, key: str, offset: int) -> None:
        """The row of that offset has been written again."""
        row = self.rows.get(key)
        if row is not None and row.offset == offset:
            self._cover(row, covered=False)

    def _cover(self, row: Row[T], *, covered: bool) -> None:
        row.covered = covered
        (self.covered.add if covered else self.covered.discard)(row.key)

    def _drop(self, key: str) -> bool:
        self.covered.discard(key)
        return self.rows.pop(key, None) is not None


def take(rows: CompactedRows[bytes], record: Record) -> str | None:
    """Take in a row as it came, or a tombstone; returns its key if that says something new."""
    key = (record.key or b"").decode("utf-8", "replace")
    news = rows.end(record, key) if record.value is None else rows.put(record, key, record.value)
    return key if news else None


def offset_in(record: Record, header: str) -> int | None:
    """The offset that a header names; None when there is no such header, or no number in it."""
    text = (record.header(header) or b"").decode("ascii", "replace")
    return int(text) if text.isdecimal() else None
