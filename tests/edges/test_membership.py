"""How long a confirmed membership counts, and what waits for the next confirmation. The clocks are the test's."""

import asyncio
from dataclasses import dataclass

import pytest

from workers.edges.kafka.client import KafkaConnection, consumer_options
from workers.edges.membership import MARGIN, Clocks, Instant, Membership

SESSION_S = 8.0
LIMIT_S = SESSION_S * (1 - MARGIN)


@dataclass
class SetClocks:
    running_s: float = 1_000.0
    wall_s: float = 1_700_000_000.0

    def now(self) -> Instant:
        return Instant(self.running_s, self.wall_s)


@pytest.fixture
def clocks() -> SetClocks:
    return SetClocks()


@pytest.fixture
def membership(clocks: SetClocks) -> Membership:
    return Membership(SESSION_S, "ecdp-sink", Clocks(lambda: clocks.running_s, lambda: clocks.wall_s))


def test_membership_without_a_group_is_always_proved() -> None:
    assert Membership().is_proved


def test_membership_is_not_proved_before_the_coordinator_has_confirmed_it(membership: Membership) -> None:
    assert not membership.is_proved


@pytest.mark.parametrize("clock", ["running_s", "wall_s"])
def test_proof_ends_with_three_quarters_of_the_session_by_the_clock_that_moved_further(
    membership: Membership, clocks: SetClocks, clock: str
) -> None:
    """A suspended laptop's running clock shows the gap; a paused virtual machine's may stand still."""
    membership.answered(clocks.now())
    setattr(clocks, clock, getattr(clocks, clock) + LIMIT_S)
    assert membership.is_proved
    setattr(clocks, clock, getattr(clocks, clock) + 0.1)
    assert not membership.is_proved


def test_wall_clock_that_is_set_back_does_not_make_a_proof_last_longer(
    membership: Membership, clocks: SetClocks
) -> None:
    membership.answered(clocks.now())
    clocks.wall_s -= 3_600
    clocks.running_s += LIMIT_S + 0.1
    assert not membership.is_proved


def test_heartbeat_that_was_sent_before_a_gap_proves_nothing_after_it(
    membership: Membership, clocks: SetClocks
) -> None:
    sent = clocks.now()
    clocks.running_s += LIMIT_S + 0.1
    membership.answered(sent)
    assert not membership.is_proved


def test_coordinator_that_has_another_member_in_our_place_ends_the_proof_at_once(
    membership: Membership, clocks: SetClocks
) -> None:
    membership.answered(clocks.now())
    membership.answered(None)
    assert not membership.is_proved


@pytest.mark.parametrize("session_s", [1.0, 8.0, 10.0, 45.0, 1800.0])
def test_two_heartbeats_may_be_lost_within_the_limit(session_s: float) -> None:
    options = consumer_options(KafkaConnection(), group="g", instance="one", session_timeout_s=session_s)
    assert 3 * options["heartbeat_interval_ms"] / 1000 < session_s * (1 - MARGIN)


async def test_requests_wait_for_the_next_proof_and_the_log_says_how_long(
    membership: Membership, clocks: SetClocks, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    waiting = [asyncio.create_task(membership.proved()) for _ in range(3)]
    await asyncio.sleep(0)
    sent = clocks.now()
    clocks.running_s += 2.5
    membership.answered(None)
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    membership.answered(sent)
    await asyncio.gather(*waiting)
    membership.answered(clocks.now())
    assert [record.__dict__["values"].get("held_s") for record in caplog.records] == [None, 2.5]
    assert membership.held == 3


async def test_waiting_request_can_be_cancelled(membership: Membership, clocks: SetClocks) -> None:
    waiting = asyncio.create_task(membership.proved())
    await asyncio.sleep(0)
    waiting.cancel()
    membership.answered(clocks.now())
    with pytest.raises(asyncio.CancelledError):
        await waiting
