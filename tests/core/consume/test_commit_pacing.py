"""When a worker commits: plain commits at a steady pace, a pause after each transaction, and no pause for nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.consume.commit_pacing import CommitPacing, Pacing, PlainCommit, Transaction, Wait

PACING = Pacing()


@pytest.fixture
def pacing() -> CommitPacing:
    """Of a worker that started at 100 and has just committed."""
    return CommitPacing(PACING, 100.0)


@pytest.mark.parametrize(("writes_wait", "every"), [(False, 0.2), (True, 1.0)])
def test_plain_commits_are_frequent_and_seldomer_beside_transactions(
    pacing: CommitPacing, writes_wait: bool, every: float
) -> None:
    pacing.transaction_ended(0.0, 200.0, more_waits=False)
    assert pacing.next_action(100.0, writes_wait=writes_wait) == Wait(100.0 + every)
    assert pacing.next_action(100.0 + every, writes_wait=writes_wait) == PlainCommit()
    pacing.commit_began(101.5)
    assert pacing.next_action(101.5, writes_wait=writes_wait) == Wait(101.5 + every)


@pytest.mark.parametrize(("took", "every"), [(0.0, 0.2), (0.015625, 0.2), (0.0625, 0.625), (0.25, 1.0), (30.0, 1.0)])
def test_a_plain_commit_takes_a_tenth_of_the_time_at_most(pacing: CommitPacing, took: float, every: float) -> None:
    """In a busy process a commit takes long; deliveries need the time more. A second is the longest pause."""
    pacing.commit_began(200.0)
    pacing.commit_ended(200.0, 200.0 + took)
    assert pacing.next_action(200.0, writes_wait=False) == Wait(200.0 + every)


def test_while_nothing_finishes_only_the_next_proof_is_due(pacing: CommitPacing) -> None:
    assert pacing.next_action(100.0, writes_wait=False, idle=True) == Wait(100.0 + PACING.prove_every_s)
    assert pacing.next_action(103.0, writes_wait=False, idle=True) == PlainCommit()


def test_queued_writes_go_at_once(pacing: CommitPacing) -> None:
    assert pacing.next_action(100.1, writes_wait=True) == Transaction()


def test_a_transaction_is_followed_by_a_pause_of_four_times_its_length(pacing: CommitPacing) -> None:
    """A broker makes one wait for the end of the former: what is queued meanwhile goes with the next, all of it."""
    pacing.transaction_ended(100.0, 100.125, more_waits=False)
    assert pacing.next_action(100.125, writes_wait=True) == Wait(100.625)
    assert pacing.next_action(100.625, writes_wait=True) == Transaction()


def test_no_pause_is_longer_than_a_second(pacing: CommitPacing) -> None:
    pacing.transaction_ended(100.0, 110.0, more_waits=False)
    pacing.commit_began(110.0)
    assert pacing.next_action(110.99, writes_wait=True) == Wait(111.0)


def test_plain_commits_go_on_in_a_pause(pacing: CommitPacing) -> None:
    """A SIGKILL would repeat what finishes in the pause."""
    pacing.transaction_ended(100.0, 100.8, more_waits=False)
    assert pacing.next_action(100.9, writes_wait=True) == Wait(101.0)
    assert pacing.next_action(101.0, writes_wait=True) == PlainCommit()


def test_a_plain_commit_that_is_due_comes_before_the_next_transaction(pacing: CommitPacing) -> None:
    """A stream that is parked without end must not keep the other partitions' progress from the broker."""
    assert pacing.next_action(101.0, writes_wait=True) == PlainCommit()
    pacing.commit_began(101.0)
    assert pacing.next_action(101.0, writes_wait=True) == Transaction()


@given(took=st.floats(0, 30), hurry=st.booleans())
def test_no_pause_where_more_waits_than_one_transaction_takes_nor_in_a_hurry(took: float, hurry: bool) -> None:
    """Nothing new comes in a drain or a release."""
    pacing = CommitPacing(PACING, 0.0)
    pacing.transaction_ended(0.0, took, more_waits=not hurry)
    pacing.commit_began(took)
    assert pacing.next_action(took, writes_wait=True, hurry=hurry) == Transaction()


def test_a_first_record_is_committed_at_once(pacing: CommitPacing) -> None:
    pacing.commit_now()
    assert pacing.next_action(100.1, writes_wait=False) == PlainCommit()


def test_an_idle_member_proves_its_membership_every_three_seconds(pacing: CommitPacing) -> None:
    pacing.committed(100.0)
    assert not pacing.proof_is_due(102.9)
    assert pacing.proof_is_due(103.0)
