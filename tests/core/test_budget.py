"""A budget of requests: never more in any period, writes first, and polls as often as the rest allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.budget import Budget, BudgetPolicy, Spent, Use, unpack_spent

HOUR = 3_600_000
POLICY = BudgetPolicy(requests=1000, per_ms=24 * HOUR, reserve=300)


def test_polls_leave_the_reserve_to_writes() -> None:
    budget = Budget(POLICY, {"a": Spent().plus(650, 0, POLICY), "b": Spent().plus(50, 0, POLICY)})
    assert (budget.left(Use.READ, HOUR), budget.left(Use.WRITE, HOUR)) == (0, 300)


def test_a_spent_budget_comes_back_when_the_period_has_passed() -> None:
    budget = Budget(POLICY, {"a": Spent().plus(1000, 0, POLICY)})
    wait_ms = budget.wait_ms(Use.WRITE, 5 * HOUR)
    assert budget.left(Use.WRITE, 5 * HOUR + wait_ms - 1) == 0
    assert budget.left(Use.WRITE, 5 * HOUR + wait_ms) == 1000
    assert budget.wait_ms(Use.READ, 5 * HOUR + wait_ms) == 0


@given(st.lists(st.tuples(st.integers(0, 5 * HOUR), st.sampled_from("ab"), st.sampled_from(list(Use))), max_size=400))
def test_no_period_has_more_requests_than_the_budget(asked: list[tuple[int, str, Use]]) -> None:
    """Wherever the period begins: when the vendor's day begins is not known."""
    policy = BudgetPolicy(requests=10, per_ms=6 * HOUR, reserve=3)
    budget, now_ms, sent = Budget(policy), 0, list[tuple[int, Use]]()
    for gap_ms, spender, use in asked:
        now_ms += gap_ms // 10
        if budget.left(use, now_ms):
            budget.spenders[spender] = budget.spenders.get(spender, Spent()).plus(1, now_ms, policy)
            sent.append((now_ms, use))
    for first_ms, _ in sent:
        period = [use for at_ms, use in sent if first_ms <= at_ms < first_ms + policy.per_ms]
        assert len(period) <= policy.requests


def test_polls_become_less_frequent_before_the_budget_is_spent() -> None:
    """A poll of one request each minute would be 1,440 a day: it settles below what polls may use, and goes on."""
    budget, now_ms, due_ms = Budget(POLICY), 0, 0.0
    last_day = 0
    for now_ms in range(0, 10 * 24 * HOUR, 60_000):
        if now_ms >= due_ms and budget.left(Use.READ, now_ms):
            budget.spenders["a"] = budget.spenders.get("a", Spent()).plus(1, now_ms, POLICY)
            due_ms = now_ms + 60_000 * budget.stretch(1 / 60_000, now_ms, own="a")
            last_day += now_ms >= 9 * 24 * HOUR
            assert budget.left(Use.READ, now_ms) > 0
    assert 400 < last_day < 700


def test_a_row_is_read_as_it_was_written_and_ends_when_nothing_of_it_counts() -> None:
    row = Spent().plus(3, 5 * HOUR, POLICY).plus(2, 6 * HOUR, POLICY)
    assert unpack_spent(row.pack()) == row
    assert not row.is_over(29 * HOUR, POLICY)
    assert row.is_over(31 * HOUR, POLICY)
    with pytest.raises(ValueError, match="not a row"):
        unpack_spent(b"[1]")


def test_what_was_reserved_and_not_sent_is_given_back() -> None:
    assert Spent().plus(10, 0, POLICY).plus(-4, 1, POLICY).slots == {0: 6}
