"""The commit's metadata tells exactly what has finished, or a first part of it, and never more."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workers.core.consume.commit_metadata import METADATA_LIMIT, FinishedOffsets, can_tell, encode

BASES = st.integers(0, 2**50)
RUNS = st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3_000)), max_size=12)
LONG = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2**40)), max_size=1_200)


def unfinished_of(base: int, runs: list[tuple[int, int]]) -> tuple[list[int], int]:
    """Runs of (unfinished, finished) from ``base``: the unfinished offsets, and the end."""
    unfinished: list[int] = []
    at = base
    for waiting, done in runs:
        unfinished += range(at, at + waiting)
        at += waiting + done
    return unfinished, at


def edges(unfinished: list[int], base: int, end: int) -> set[int]:
    """Offsets where the answer may change."""
    near = {offset + step for offset in unfinished for step in (-1, 0, 1)} | {base, end - 1}
    return {offset for offset in near if base <= offset < end}


@given(base=BASES, runs=RUNS, tail=st.integers(0, 100))
def test_what_was_encoded_is_told_exactly(base: int, runs: list[tuple[int, int]], tail: int) -> None:
    unfinished, end = unfinished_of(base, runs)
    unfinished += range(end, end + tail)
    text = encode(base, end + tail, unfinished)
    told = FinishedOffsets.parse(base, text) or FinishedOffsets(base, base, (), ())
    assert can_tell(base, end + tail, unfinished)
    waiting = set(unfinished)
    for offset in edges(unfinished, base, end + tail):
        assert (offset in told) == (offset not in waiting)
    assert base - 1 not in told
    assert end + tail not in told
    assert end <= told.end <= end + tail, "what was fetched and is unfinished may have been sent"


@given(base=BASES, runs=LONG)
def test_what_does_not_fit_is_cut_at_the_end(base: int, runs: list[tuple[int, int]]) -> None:
    unfinished, end = unfinished_of(base, runs)
    text = encode(base, end, unfinished)
    assert len(text) <= METADATA_LIMIT
    told = FinishedOffsets.parse(base, text) or FinishedOffsets(base, base, (), ())
    assert can_tell(base, end, unfinished) == (told.end == end)
    waiting = set(unfinished)
    for offset in edges(unfinished, base, end):
        assert (offset in told) == (offset not in waiting and offset < told.end)


@pytest.mark.parametrize("count", [20_000, 24_527, 24_528, 24_529, 40_000, 200_000])
def test_however_many_alternate_the_text_stays_within_the_brokers_limit(count: int) -> None:
    """Up to 24,528 offsets all is told; beyond, as much as the bitmap holds and not what a few runs hold."""
    text = encode(0, count, range(0, count, 2))
    told = FinishedOffsets.parse(0, text)
    assert len(text) <= METADATA_LIMIT
    assert told is not None
    assert told.end >= min(count, 24_528) - 1
    assert all((offset in told) == bool(offset % 2) for offset in range(told.end))


@pytest.mark.parametrize("size", range(1, 8))
@pytest.mark.parametrize("first", range(6))
def test_it_is_cut_within_the_limit_wherever_the_border_falls(size: int, first: int) -> None:
    """Run lengths of one to seven bytes each, moved byte by byte across the border."""
    done = 2 ** (7 * size - 1)
    starts = [0, *(first_run(first) + index * (done + 1) for index in range(3_100))]
    end = starts[-1] + 1 + done
    text = encode(0, end, starts)
    assert len(text) <= METADATA_LIMIT
    told = FinishedOffsets.parse(0, text)
    assert told is not None
    assert len(told.starts) > 2_900 // (size + 1) or told.end >= 24_500
    assert all(start not in told and start + done in told for start in told.starts[1:])


def first_run(size: int) -> int:
    """The end of a first finished run whose length takes ``size`` bytes; 0 and 1 alike."""
    return int(2 ** (7 * size - 1)) + 1 if size else 2


@given(runs=RUNS, more=RUNS, cut=st.integers(0, 3_000))
def test_what_a_former_owner_had_finished_further_on_is_kept(
    runs: list[tuple[int, int]], more: list[tuple[int, int]], cut: int
) -> None:
    """Below the position the present owner knows; beyond it what was carried still holds."""
    theirs, end = unfinished_of(0, more)
    carried = FinishedOffsets.parse(0, encode(0, end, theirs)) or FinishedOffsets(0, 0, (), ())
    ours, position = unfinished_of(0, runs)
    position = min(position, cut)
    ours = [offset for offset in ours if offset < position]
    waiting = set(ours)
    told = FinishedOffsets.parse(0, encode(0, position, ours, carried)) or FinishedOffsets(0, 0, (), ())
    for offset in edges(ours + theirs, 0, max(position, end) + 2) | {position - 1, position}:
        expected = offset >= 0 and offset not in waiting if offset < position else offset in carried
        assert (offset in told) == expected


@given(text=st.none() | st.text(max_size=5_000) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
@example("or1r:")
@example("or1r:=")
@example("or1r:é")
@example("or1b:A===")
@example("or1r:gA==")
@example('{"checksum": "or1r:AAA="}')
def test_any_other_text_is_ignored(text: str | None) -> None:
    """Nothing finished is read out of what another program left there."""
    told = FinishedOffsets.parse(7, text)
    assert told is None or told.starts == tuple(range(7, told.end)), "at most: nothing has finished"


@given(prefix=st.sampled_from(["or1r:", "or1b:"]), payload=st.binary(max_size=3_066), base=BASES)
def test_any_bytes_under_our_prefix_neither_crash_nor_run_away(prefix: str, payload: bytes, base: int) -> None:
    """A base beyond Kafka's offsets is not ours; what follows from the rest stays small and quick."""
    text = prefix + base64.b64encode(payload).decode()
    told = FinishedOffsets.parse(base, text)
    if told is None:
        return
    assert base <= told.end < 2**63
    again = encode(base, base, [], told)
    assert len(again) <= METADATA_LIMIT
    repeated = FinishedOffsets.parse(base, again) or FinishedOffsets(base, base, (), ())
    for offset in (*told.starts, *told.stops, *(stop - 1 for stop in told.stops)):
        assert offset not in repeated or offset in told


def test_a_number_beyond_every_offset_is_not_ours() -> None:
    text = "or1r:" + base64.b64encode(b"\x01" + b"\xff" * 9 + b"\x01").decode()
    assert FinishedOffsets.parse(0, text) is None


def test_a_text_longer_than_kafka_keeps_is_not_ours() -> None:
    assert FinishedOffsets.parse(0, "or1r:" + "AAAA" * 1_100) is None


def test_what_was_fetched_and_is_unfinished_is_told_as_such() -> None:
    told = FinishedOffsets.parse(5, encode(5, 9, [5, 6, 7, 8]))
    assert told is not None
    assert told.end == 9
    assert not any(offset in told for offset in range(4, 11))


def test_nothing_finished_beyond_the_commit_needs_no_text() -> None:
    assert encode(5, 5, []) == ""
    assert FinishedOffsets.parse(5, "") is None
