"""The commit's metadata says exactly what has finished, or a first part of it, never more; and only for its commit."""

import base64
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workers.core.consume.commit_metadata import (
    ALWAYS_FITS,
    METADATA_LIMIT,
    MOST_OFFSETS,
    FinishedOffsets,
    MetadataLimit,
    encode,
    fits,
    is_ours,
)
from workers.core.record import CommitPoint, Partition

AT = Partition("order-status", 3)
NOTHING = FinishedOffsets(0, 0, b"")
BASES = st.integers(0, 2**50)
RUNS = st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3_000)), max_size=12)


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
def test_what_was_encoded_is_read_exactly(base: int, runs: list[tuple[int, int]], tail: int) -> None:
    unfinished, end = unfinished_of(base, runs)
    unfinished += range(end, end + tail)
    finished = FinishedOffsets.parse(AT, base, encode(AT, base, end + tail, unfinished)) or NOTHING
    assert fits(base, end + tail, unfinished)
    waiting = set(unfinished)
    for offset in edges(unfinished, base, end + tail):
        assert (offset in finished) == (offset not in waiting)
    assert base - 1 not in finished
    assert end + tail not in finished
    assert finished.end == end + tail or not runs, "what was fetched and is unfinished may have been sent"


@given(runs=RUNS, more=RUNS, cut=st.integers(0, 3_000))
def test_what_a_former_owner_had_finished_further_on_is_kept(
    runs: list[tuple[int, int]], more: list[tuple[int, int]], cut: int
) -> None:
    """Below the position the present owner knows; beyond it what was carried still holds."""
    theirs, end = unfinished_of(0, more)
    carried = FinishedOffsets.all_but(0, end, theirs)
    ours, position = unfinished_of(0, runs)
    position = min(position, cut)
    ours = [offset for offset in ours if offset < position]
    waiting = set(ours)
    finished = FinishedOffsets.parse(AT, 0, encode(AT, 0, position, ours, carried)) or NOTHING
    for offset in edges(ours + theirs, 0, max(position, end) + 2) | {position - 1, position}:
        expected = offset >= 0 and offset not in waiting if offset < position else offset in carried
        assert (offset in finished) == expected


@settings(max_examples=settings().max_examples // 3)
@given(seed=st.integers(), count=st.integers(0, 60_000), share=st.sampled_from([0.0, 0.001, 0.1, 0.5, 0.9, 1.0]))
def test_what_does_not_fit_is_cut_at_the_end(seed: int, count: int, share: float) -> None:
    choose = Random(seed).random
    unfinished = [offset for offset in range(count) if choose() < share]
    text = encode(AT, 0, count, unfinished)
    finished = FinishedOffsets.parse(AT, 0, text) or NOTHING
    assert len(text) <= METADATA_LIMIT
    assert fits(0, count, unfinished) == (finished.end == count)
    assert finished.end >= min(count, ALWAYS_FITS)
    waiting = set(unfinished)
    assert all((offset in finished) == (offset not in waiting) for offset in range(0, finished.end, 97))
    assert finished.end not in finished


def test_so_many_offsets_always_fit() -> None:
    """Bits without any order do not compress."""
    choose = Random(1).random
    assert fits(0, ALWAYS_FITS, [])
    text = encode(AT, 0, ALWAYS_FITS, [offset for offset in range(ALWAYS_FITS) if choose() < 0.5])
    finished = FinishedOffsets.parse(AT, 0, text)
    assert finished is not None
    assert finished.end == ALWAYS_FITS


def test_one_stuck_record_before_millions_of_finished_ones_fits() -> None:
    """At 4,000 records a second for as long as a record is tried again."""
    assert fits(0, MOST_OFFSETS, [0])
    assert not fits(0, MOST_OFFSETS + 1, [0])


@settings(max_examples=settings().max_examples // 3)
@given(seed=st.integers(), limit=st.integers(0, 300), count=st.integers(1, 3_000))
@example(seed=1, limit=0, count=3_000)
def test_a_broker_that_keeps_less_gets_less(seed: int, limit: int, count: int) -> None:
    choose = Random(seed).random
    unfinished = [0, *(offset for offset in range(1, count) if choose() < 0.5)]
    text = encode(AT, 0, count, unfinished, limit=limit)
    finished = FinishedOffsets.parse(AT, 0, text) or NOTHING
    assert len(text) <= limit
    assert not any(offset in finished for offset in unfinished)


def test_a_refused_text_is_halved_until_the_broker_takes_it() -> None:
    limit, refused = MetadataLimit(), 0
    while limit.characters > 0:
        assert limit.refused([CommitPoint(7, ""), CommitPoint(7, "x" * min(300, limit.characters))])
        refused += 1
    assert refused == 9
    assert not limit.refused([CommitPoint(7, "")])


@given(base=st.integers(1, 2**50), runs=RUNS.filter(bool), step=st.integers(-1_000, 1_000).filter(bool))
def test_metadata_copied_to_another_offset_is_ignored(base: int, runs: list[tuple[int, int]], step: int) -> None:
    """A mirroring tool copies the text to another offset: read there, unsent records would count as finished."""
    unfinished, end = unfinished_of(base, runs)
    text = encode(AT, base, end, unfinished)
    assert FinishedOffsets.parse(AT, base, text) is not None
    assert FinishedOffsets.parse(AT, max(0, base + step), text) is None
    assert is_ours(text)


@pytest.mark.parametrize("other", [Partition("order-status", 4), Partition("order-created", 3)])
def test_metadata_of_another_partition_is_ignored(other: Partition) -> None:
    assert FinishedOffsets.parse(other, 5, encode(AT, 5, 20, [5])) is None


@given(place=st.integers(0, 200), flipped=st.integers(1, 255))
def test_damaged_metadata_is_ignored(place: int, flipped: int) -> None:
    text = encode(AT, 5, 500, range(5, 300, 7))
    payload = bytearray(base64.b64decode(text.removeprefix("or2:")))
    payload[place % len(payload)] ^= flipped
    assert FinishedOffsets.parse(AT, 5, "or2:" + base64.b64encode(payload).decode()) is None


@given(text=st.none() | st.text(max_size=5_000) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
@example("or2:")
@example("or2:=")
@example("or1r:=")
@example("or1r:é")
@example("or1b:A===")
@example("or1r:gA==")
@example('{"checksum": "or1r:AAA="}')
@example("or2:" + "AAAA" * 1_100)
def test_any_other_text_is_ignored(text: str | None) -> None:
    """Nothing finished is read out of what another program left there."""
    finished = FinishedOffsets.parse(AT, 7, text)
    assert finished is None or not any(offset in finished for offset in range(finished.base, finished.end))


@pytest.mark.parametrize("text", ["or1r:AgIBAw==", "or1b:7A=="])
def test_both_forms_of_the_last_release_are_read(text: str) -> None:
    """Unfinished, finished, unfinished, finished: 2, 2, 1, 3; the bitmap has the same bits."""
    finished = FinishedOffsets.parse(AT, 100, text)
    assert finished is not None
    assert [offset for offset in range(98, 110) if offset in finished] == [102, 103, 105, 106, 107]
    assert finished.end == 108


@given(prefix=st.sampled_from(["or1r:", "or1b:", "or2:"]), payload=st.binary(max_size=3_066), base=BASES)
@example("or1r:", b"\x01" + b"\xff" * 9 + b"\x01", 0)
def test_any_bytes_under_our_prefix_neither_crash_nor_run_away(prefix: str, payload: bytes, base: int) -> None:
    text = prefix + base64.b64encode(payload).decode()
    finished = FinishedOffsets.parse(AT, base, text)
    if finished is not None:
        assert base <= finished.end < 2**63
        assert len(finished.bitmap) <= MOST_OFFSETS // 8
        assert len(encode(AT, base, base, [], finished)) <= METADATA_LIMIT


def test_nothing_fetched_beyond_the_commit_needs_no_text() -> None:
    assert encode(AT, 5, 5, []) == ""
    assert FinishedOffsets.parse(AT, 5, "") is None
