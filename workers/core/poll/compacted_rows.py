"""The valid rows of a compacted topic in which one process writes rows and another one tombstones, concurrently.

A tombstone names the offset of the row that it settles, and ends that row and older ones only: an order that the sink
saved again just before the tombstone stays. Compaction would still delete a row below a tombstone, so the writer of
tombstones puts such a row back, and a row that was put back names the offset of the row that it repeats. Invariant:
rows compare by the offset at which they were first written. Otherwise an old row that was put back would replace a
newer one.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from workers.core.record import BAGGAGE, TRACESTATE, Headers, Record

T = TypeVar("T")

SETTLES: Final = "relay-settles"  # header of a tombstone: the offset of the row that it ends; missing: all before it
REPEATS: Final = "relay-repeats"  # header of a row that was put back: the offset of the row that it repeats


@dataclass(slots=True, eq=False)
class Row(Generic[T]):
    key: str
    offset: int  # where it was first written
    saved_ms: int
    content: T
    carried: Headers = ()  # of its trace context; ``traceparent`` is in the content
    covered: bool = False  # a tombstone or an older row lies above it: it must be put back


class CompactedRows(Generic[T]):
    """The rows of one partition; its records are applied in the order of their offsets."""

    def __init__(self) -> None:
        self.rows: dict[str, Row[T]] = {}
        self.covered: set[str] = set()  # keys of the rows that must be put back

    def put(self, record: Record, key: str, content: T) -> bool:
        """Apply a row; False: it is the present row or an older one."""
        repeated = offset_in(record, REPEATS)
        first = record.offset if repeated is None else repeated
        row = self.rows.get(key)
        if row is not None and row.offset >= first:
            self._cover(row, covered=row.offset > first)
            return False
        carried = tuple(header for header in record.headers if header[0] in (TRACESTATE, BAGGAGE))
        self.rows[key] = Row(key, first, record.timestamp_ms, content, carried)
        self.covered.discard(key)
        return True

    def end(self, record: Record, key: str) -> bool:
        """Apply a tombstone; True: the order has no row any more."""
        row, settled = self.rows.get(key), offset_in(record, SETTLES)
        if row is not None and settled is not None and row.offset > settled:
            self._cover(row, covered=True)
            return False
        return self._drop(key)

    def settled(self, key: str, offset: int) -> bool:
        """We wrote a tombstone for the row at that offset; True: the order has no row any more."""
        row = self.rows.get(key)
        return (row is None or row.offset <= offset) and self._drop(key)

    def put_back(self, key: str, offset: int) -> None:
        """We wrote the row of that offset again."""
        row = self.rows.get(key)
        if row is not None and row.offset == offset:
            self._cover(row, covered=False)

    def _cover(self, row: Row[T], *, covered: bool) -> None:
        row.covered = covered
        (self.covered.add if covered else self.covered.discard)(row.key)

    def _drop(self, key: str) -> bool:
        self.covered.discard(key)
        return self.rows.pop(key, None) is not None


def apply_row(rows: CompactedRows[bytes], record: Record) -> str | None:
    """Apply a record, row or tombstone; returns its key if the order's row changed."""
    key = (record.key or b"").decode("utf-8", "replace")
    changed = rows.end(record, key) if record.value is None else rows.put(record, key, record.value)
    return key if changed else None


def offset_in(record: Record, header: str) -> int | None:
    """The offset that a header holds; None when it is missing or not a number."""
    text = (record.header(header) or b"").decode("ascii", "replace")
    return int(text) if text.isdecimal() else None
