"""A tombstone ends the row that it settles and older ones; what was saved meanwhile stands, and is put back."""

from __future__ import annotations

from workers.core.poll.compacted_rows import REPEATS, SETTLES, CompactedRows, take
from workers.core.record import Headers, Record


def record(offset: int, value: bytes | None, **headers: int) -> Record:
    names: Headers = tuple((f"relay-{name}", str(value).encode()) for name, value in headers.items())
    return Record("t", 0, offset, offset, b"A", value, names)


def read(*records: Record) -> CompactedRows[bytes]:
    rows = CompactedRows[bytes]()
    for one in records:
        take(rows, one)
    return rows


def test_the_headers_are_the_ones_that_are_written() -> None:
    assert (SETTLES, REPEATS) == ("relay-settles", "relay-repeats")


def test_a_tombstone_ends_the_row_that_it_settles() -> None:
    assert read(record(40, b"one"), record(50, None, settles=40)).rows == {}


def test_a_row_saved_just_before_a_tombstone_stands_and_is_to_be_put_back() -> None:
    rows = read(record(40, b"one"), record(48, b"two"), record(50, None, settles=40))
    assert (rows.rows["A"].content, rows.covered) == (b"two", {"A"})
    assert take(rows, record(55, b"two", repeats=48)) is None
    assert rows.covered == set()


def test_a_row_put_back_never_stands_for_a_newer_one() -> None:
    """The sink saved it once more before the repetition came: that newer row lies below, and is put back in turn."""
    rows = read(record(48, b"two"), record(50, None, settles=40), record(52, b"three"), record(55, b"two", repeats=48))
    assert (rows.rows["A"].content, rows.covered) == (b"three", {"A"})


def test_a_row_that_was_put_back_counts_from_where_it_was_first_written() -> None:
    assert read(record(55, b"two", repeats=48), record(58, None, settles=48)).rows == {}
    assert read(record(55, b"two", repeats=48), record(58, None, settles=47)).covered == {"A"}


def test_a_tombstone_that_settles_nothing_by_name_ends_all_before_it() -> None:
    """A person's, for one."""
    assert read(record(40, b"one"), record(50, None)).rows == {}


def test_what_has_been_settled_or_put_back_is_known_before_it_is_read() -> None:
    rows = read(record(40, b"one"))
    assert not rows.settled("A", 39)
    assert rows.settled("A", 40)
    rows = read(record(40, b"one"), record(41, None, settles=30))
    rows.put_back("A", 40)
    assert rows.covered == set()
