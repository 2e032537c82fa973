"""A tombstone ends the row that it settles and older ones; a row saved since stays, and must be put back."""

from workers.core.poll.compacted_rows import REPEATS, SETTLES, CompactedRows, apply_row
from workers.core.record import Headers, Record


def record(offset: int, value: bytes | None, **headers: int) -> Record:
    names: Headers = tuple((f"relay-{name}", str(value).encode()) for name, value in headers.items())
    return Record("t", 0, offset, offset, b"A", value, names)


def read(*records: Record) -> CompactedRows[bytes]:
    rows = CompactedRows[bytes]()
    for one in records:
        apply_row(rows, one)
    return rows


def test_the_header_names_are_those_in_kafka() -> None:
    assert (SETTLES, REPEATS) == ("relay-settles", "relay-repeats")


def test_a_tombstone_ends_the_row_that_it_settles() -> None:
    assert read(record(40, b"one"), record(50, None, settles=40)).rows == {}


def test_a_row_saved_just_before_a_tombstone_stays_and_must_be_put_back() -> None:
    rows = read(record(40, b"one"), record(48, b"two"), record(50, None, settles=40))
    assert (rows.rows["A"].content, rows.covered) == (b"two", {"A"})
    assert apply_row(rows, record(55, b"two", repeats=48)) is None
    assert rows.covered == set()


def test_a_row_that_was_put_back_never_replaces_a_newer_one() -> None:
    """The sink saved the order again before the old row was put back: the newer row must be put back in turn."""
    rows = read(record(48, b"two"), record(50, None, settles=40), record(52, b"three"), record(55, b"two", repeats=48))
    assert (rows.rows["A"].content, rows.covered) == (b"three", {"A"})


def test_a_row_that_was_put_back_counts_by_its_first_offset() -> None:
    assert read(record(55, b"two", repeats=48), record(58, None, settles=48)).rows == {}
    assert read(record(55, b"two", repeats=48), record(58, None, settles=47)).covered == {"A"}


def test_a_tombstone_without_the_header_ends_all_rows_before_it() -> None:
    """An operator may have written it."""
    assert read(record(40, b"one"), record(50, None)).rows == {}


def test_our_own_tombstones_and_rows_count_before_we_read_them() -> None:
    rows = read(record(40, b"one"))
    assert not rows.settled("A", 39)
    assert rows.settled("A", 40)
    rows = read(record(40, b"one"), record(41, None, settles=30))
    rows.put_back("A", 40)
    assert rows.covered == set()
