"""Delays are spread over the whole range below a growing ceiling; giving up needs others to succeed."""

from hypothesis import given
from hypothesis import strategies as st

from workers.core.delivery.retry import RetryPolicy

SECONDS = st.floats(0.001, 1e6)
POLICIES = st.builds(RetryPolicy, first=SECONDS, max=SECONDS, give_up_after=SECONDS)
CHANCE = st.floats(0, 1, exclude_max=True)


@given(policy=POLICIES, attempt=st.integers(1, 10**9), jitter=CHANCE)
def test_a_delay_lies_below_its_ceiling_and_never_below_zero(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    ceiling = min(policy.max, policy.first * 2.0 ** min(attempt - 1, 100))
    assert 0.0 <= policy.delay(attempt, jitter) < ceiling
    assert policy.delay(attempt, 0.0) == 0.0


@given(policy=POLICIES, attempt=st.integers(1, 200), jitter=CHANCE)
def test_later_attempts_never_wait_less_for_the_same_chance(policy: RetryPolicy, attempt: int, jitter: float) -> None:
    assert policy.delay(attempt + 1, jitter) >= policy.delay(attempt, jitter)


@given(policy=POLICIES, age=st.floats(0, 1e7), others=st.booleans())
def test_a_record_is_given_up_only_when_old_enough_and_while_others_succeed(
    policy: RetryPolicy, age: float, others: bool
) -> None:
    """With no other order succeeding the fault is the vendor's, and nothing is parked for it."""
    assert policy.gives_up(age=age, others_succeed=others) == (others and age >= policy.give_up_after)
