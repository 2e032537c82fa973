"""A parked record keeps its bytes and says where it came from; a fence survives its row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, parked_headers, source_record
from workers.core.parked.rows import RestartAt, command_row, fence_row, read_row
from workers.core.record import Record

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OFFSETS = st.integers(0, 2**62)
HEADERS = st.lists(st.tuples(TEXT.map(lambda name: f"x{name}"), st.none() | st.binary())).map(tuple)
BYTES = st.none() | st.binary()
RECORDS = st.builds(Record, TEXT, st.integers(0, 1_000), OFFSETS, OFFSETS, BYTES, BYTES, HEADERS)
FENCES = st.builds(
    Fence,
    st.sampled_from(ParkReason),
    TEXT,
    OFFSETS,
    st.integers(1, 2**62),
    st.none() | OFFSETS,
    non_blocking=st.booleans(),
    superseded=st.integers(0, 9),
)
PARKINGS = st.builds(Parking, st.sampled_from(ParkReason), TEXT, st.none() | st.integers(100, 599), st.integers(0))


@given(fence=FENCES, last=st.none() | OFFSETS, creates_order=st.booleans())
def test_a_fence_is_read_back_as_it_was_written(fence: Fence, last: int | None, creates_order: bool) -> None:
    whole = fence.with_one_more(creates_order=creates_order, blocks_following=False)
    whole = whole if last is None else whole.with_record_at(last)
    assert read_row(fence_row(whole)) == whole


@given(topic=TEXT, offset=OFFSETS, expires=OFFSETS)
def test_a_command_is_read_back_as_it_was_written(topic: str, offset: int, expires: int) -> None:
    command = RestartAt(topic, offset, expires)
    assert read_row(command_row(command)) == command


@given(record=RECORDS, parking=PARKINGS, now=st.integers(0, 4 * 10**12))
def test_a_record_parked_and_parked_again_after_a_replay_keeps_its_first_source(
    record: Record, parking: Parking, now: int
) -> None:
    parked = Record("ecdp-parked", 0, 7, 9, record.key, record.value, parked_headers(record, "ecdp", parking, now))
    assert source_record(parked) == record
    again = parked_headers(source_record(parked), "ecdp", parking, now)
    assert again == parked.headers
    assert parked.header("relay-reason") == parking.reason.value.encode()


@given(value=st.binary() | TEXT.map(str.encode))
def test_a_row_that_is_not_ours_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever kind; a caller logs it
        read_row(value)
