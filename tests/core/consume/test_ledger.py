"""A commit never passes an unfinished record, never moves back, and a restart repeats no more than it must."""

import sys
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workers.core.consume.commit_metadata import ALWAYS_FITS, METADATA_LIMIT, MOST_OFFSETS, FinishedOffsets
from workers.core.consume.ledger import Ledger
from workers.core.record import Partition

AT = Partition("order-status", 0)


class LedgerMachine(RuleBasedStateMachine):
    """A log with gaps, read by one owner after another, each dying at any moment; against plain sets of offsets."""

    @initialize(start=st.integers(0, 300))
    def begin(self, start: int) -> None:
        self.records: list[int] = []  # every record ever fetched
        self.done: set[int] = set()  # really finished, under any owner
        self.committed, self.text, self.end = start, "", start
        self.own()

    def own(self) -> None:
        """An owner starts from what was committed, and from nothing else."""
        finished = FinishedOffsets.parse(AT, self.committed, self.text)
        self.ledger = Ledger(self.committed, finished)
        self.finished_before = {one for one in self.records if finished is not None and one in finished}
        self.known = set(self.finished_before)  # finished, as far as this owner can know
        self.open: set[int] = set()
        self.next = self.committed

    @rule(gaps=st.lists(st.integers(0, 3), min_size=1, max_size=40))
    def fetch(self, gaps: list[int]) -> None:
        """Records met before come again just as they lay; new ones lie behind gaps."""
        for gap in gaps:
            old = next((offset for offset in self.records if offset >= self.next), None)
            offset = max(self.next, self.end) + gap if old is None else old
            if old is None:
                self.records.append(offset)
                self.end = offset + 1
            to_send = self.ledger.open(offset)
            assert to_send == (offset not in self.finished_before), "a restart repeats only what it must"
            if to_send:
                self.open.add(offset)
            self.next = offset + 1

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        for offset in data.draw(st.lists(st.sampled_from(sorted(self.open)), max_size=30)):
            self.ledger.finish(offset)
            self.ledger.finish(offset)  # twice is as good as once
            self.finished({offset})

    def finished(self, offsets: set[int]) -> None:
        self.open -= offsets
        self.done |= offsets
        self.known |= offsets

    @precondition(lambda self: not self.records or self.next > self.records[-1])
    @rule(markers=st.integers(0, 5))
    def pass_what_is_no_record(self, markers: int) -> None:
        self.next = self.end = max(self.next, self.end) + markers
        self.ledger.reached(self.next)

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        """With some records that finish by this very commit, as parked ones do in a transaction."""
        also = set(data.draw(st.lists(st.sampled_from(sorted(self.open)), max_size=5))) if self.open else set()
        offset, text = self.ledger.commit_point(AT, frozenset(also))
        for one in also:
            self.ledger.finish(one)
        self.finished(also)
        assert (offset, text) == self.ledger.commit_point(AT)
        assert offset == self.ledger.committable
        assert offset >= self.committed, "a commit never moves back"
        self.committed, self.text = offset, text
        assert self.ledger.fits
        found = FinishedOffsets.parse(AT, offset, text)
        assert {one for one in self.records if found and one in found} == {one for one in self.known if one >= offset}

    @rule()
    def crash(self) -> None:
        self.own()

    @invariant()
    def no_commit_passes_an_unfinished_record(self) -> None:
        assert all(one in self.done for one in self.records if one < self.ledger.committable)
        assert self.ledger.committable == min(self.open, default=self.ledger.position)
        assert self.ledger.position == self.next
        assert self.ledger.unfinished == len(self.open)


LedgerMachine.TestCase.settings = settings(stateful_step_count=30)
TestLedger = LedgerMachine.TestCase


def ledger_of(offsets: range, unfinished: set[int]) -> Ledger:
    ledger = Ledger(offsets.start)
    for offset in offsets:
        ledger.open(offset)
        if offset not in unfinished:
            ledger.finish(offset)
    return ledger


def finished_in(ledger: Ledger) -> FinishedOffsets:
    offset, text = ledger.commit_point(AT)
    assert len(text) <= METADATA_LIMIT
    return FinishedOffsets.parse(AT, offset, text) or FinishedOffsets(offset, offset, b"")


@pytest.mark.parametrize("newest", [1, 600, 5_000])
def test_what_is_fetched_and_not_yet_finished_leaves_no_doubt_that_the_rest_fits(newest: int) -> None:
    """However many are under way: only *finished* offsets beyond an unfinished one take room."""
    offsets = range(newest + 50)
    assert ledger_of(offsets, set(offsets)).fits
    assert ledger_of(offsets, {0} | set(offsets[50:])).fits


@settings(max_examples=settings().max_examples // 3)
@given(
    seed=st.integers(),
    count=st.integers(0, 2_000) | st.integers(23_000, 30_000),
    share=st.floats(0, 1),
    tail=st.integers(0, 1_000),
)
def test_fits_says_the_truth(seed: int, count: int, share: float, tail: int) -> None:
    """`fits` only when a restart repeats nothing that has finished; its no is early by the fetched tail at most."""
    choose = Random(seed).random
    unfinished = {offset for offset in range(count) if choose() < share} | set(range(count, count + tail))
    ledger = ledger_of(range(count + tail), unfinished)
    finished = finished_in(ledger)
    first = min(unfinished, default=count + tail)
    missing = [offset for offset in range(first, count) if offset not in unfinished and offset not in finished]
    assert not (ledger.fits and missing)
    assert ledger.fits or missing or count + tail - first > ALWAYS_FITS
    assert not any(offset in finished for offset in unfinished)
    assert finished.end >= first
    assert all(offset >= finished.end for offset in missing), "what is cut off is the end"


def test_far_apart_offsets_do_not_fit_and_say_so() -> None:
    """A bitmap has its bound: what lies beyond is repeated after a crash, and the partition pauses until it fits."""
    ledger = Ledger(0)
    for offset in (0, 1, MOST_OFFSETS + 1):
        ledger.open(offset)
    ledger.finish(1)
    ledger.finish(MOST_OFFSETS + 1)
    assert 1 in finished_in(ledger)
    assert MOST_OFFSETS + 1 not in finished_in(ledger)
    assert not ledger.fits
    ledger.finish(0)
    assert ledger.fits


def test_twenty_thousand_alternating_offsets_fit() -> None:
    ledger = ledger_of(range(20_000), set(range(0, 20_000, 2)))
    finished = finished_in(ledger)
    assert ledger.fits
    assert all((offset in finished) == bool(offset % 2) for offset in range(20_000))


def test_what_no_longer_fits_fits_again_when_the_first_ones_finish() -> None:
    """The partition is paused meanwhile, so it must come to an end."""
    choose = Random(1).random
    unfinished = {offset for offset in range(60_000) if choose() < 0.5} | {0}
    ledger = ledger_of(range(60_000), unfinished)
    assert not ledger.fits
    for offset in sorted(unfinished):
        if offset < 40_000:
            ledger.finish(offset)
    assert ledger.committable >= 40_000
    assert ledger.fits


def test_carried_offsets_count_too_while_they_are_not_fetched() -> None:
    """Else a second crash would repeat what the first owner had finished."""
    choose = Random(2).random
    theirs = [*range(5_000), *(offset for offset in range(5_000, 28_000) if choose() < 0.5)]
    carried = FinishedOffsets.all_but(0, 28_000, theirs)
    ledger = Ledger(0, carried)
    assert ledger.open(0)
    for offset in range(1, 5_000):
        if ledger.open(offset) and choose() < 0.5:
            ledger.finish(offset)
    assert not ledger.fits
    for offset in range(5_000):
        ledger.finish(offset)
    assert ledger.fits
    finished = finished_in(ledger)
    assert all((offset in finished) == (offset in carried) for offset in range(5_000, 28_000))


def test_an_offset_already_passed_is_refused_loudly() -> None:
    """A commit may have passed it: to open it would move the commit back, to ignore it might lose it."""
    ledger = ledger_of(range(10), set())
    with pytest.raises(AssertionError, match="offset 9 opened after position 10"):
        ledger.open(9)
    ledger.reached(20)
    with pytest.raises(AssertionError, match="offset 15"):
        ledger.open(15)


def test_a_million_records_behind_one_that_is_stuck_stay_cheap() -> None:
    """No memory for what has finished, and no walk over it at each commit."""
    ledger = Ledger(0)
    ledger.open(0)
    for offset in range(1, 1_000_001):
        ledger.open(offset)
        ledger.finish(offset)
        if not offset % 10_000:
            assert len(ledger.commit_point(AT).metadata) < 300
            assert ledger.fits
    assert sys.getsizeof(ledger._unfinished) < 10_000
    assert ledger.committable == 0
    ledger.finish(0)
    assert ledger.commit_point(AT) == (1_000_001, "")


def test_its_repr_names_where_it_stands() -> None:
    assert repr(ledger_of(range(5, 9), {6, 7})) == "<Ledger committable=6 position=9 unfinished=2 first=[6]>"
