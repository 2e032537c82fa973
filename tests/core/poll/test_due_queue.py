"""When orders are looked at: by the table, the most urgent first, none starving; and up to when all have been."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.due_queue import DueQueue, OldestLook
from workers.core.poll.schedule import LookSchedule, ScheduleRule

MINUTE, DAY = 60_000, 86_400_000
PACE = LookSchedule(
    30_000,
    (
        ScheduleRule(10 * MINUTE, MINUTE),
        ScheduleRule(10 * MINUTE, 2 * MINUTE, "A"),
        ScheduleRule(2 * DAY, 15 * MINUTE),
    ),
    grace_ms=DAY,
    give_up_ms=60 * DAY,
)


def test_the_last_line_that_fits_says_how_often() -> None:
    assert PACE.interval_ms(0, "A") == 30_000
    assert PACE.interval_ms(10 * MINUTE - 1, "N") == 30_000
    assert PACE.interval_ms(10 * MINUTE, "N") == MINUTE
    assert PACE.interval_ms(10 * MINUTE, "a") == 2 * MINUTE
    assert PACE.interval_ms(2 * DAY, "A") == 15 * MINUTE


def test_an_order_at_its_end_is_over_after_the_grace_and_any_other_when_it_is_given_up() -> None:
    assert not PACE.is_over(DAY - 1, ended=True)
    assert PACE.is_over(DAY, ended=True)
    assert not PACE.is_over(60 * DAY - 1, ended=False)
    assert PACE.is_over(60 * DAY, ended=False)


def test_fresh_orders_pass_quiet_ones_and_a_quiet_one_is_not_passed_for_ever() -> None:
    agenda = DueQueue()
    agenda.plan("quiet", 0, 15 * MINUTE)
    for at in range(0, 16 * MINUTE, 10_000):
        agenda.plan("fresh", at, 30_000)
        if agenda.take(at) == "quiet":
            break
    assert 14 * MINUTE <= at <= 15 * MINUTE


def test_nothing_is_due_before_its_time_and_a_plan_replaces_the_earlier_one() -> None:
    agenda = DueQueue()
    agenda.plan("a", 100, 10)
    agenda.plan("a", 200, 10)
    assert (agenda.take(199), agenda.take(200), agenda.take(10_000)) == (None, "a", None)
    agenda.plan("b", 100, 10)
    agenda.drop("b")
    assert agenda.take(10_000) is None


def test_what_is_past_its_deadline_is_counted_as_late() -> None:
    agenda = DueQueue()
    agenda.plan("a", 100, 50)
    agenda.plan("b", 100, 500)
    assert (agenda.due_count(151), agenda.late_count(151), agenda.next_ms()) == (2, 1, 100)


PLANS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 50), st.integers(1, 20)), max_size=30)


@given(PLANS, st.lists(st.integers(0, 70), max_size=10))
def test_every_planned_order_comes_once_when_it_is_due_by_its_deadline(
    plans: list[tuple[str, int, int]], times: list[int]
) -> None:
    agenda, planned = DueQueue(), dict[str, tuple[int, int]]()
    for number, due, interval in plans:
        agenda.plan(number, due, interval)
        planned[number] = (due, due + interval)
    for now in [*sorted(times), 100]:
        while (taken := agenda.take(now)) is not None:
            due, deadline = planned.pop(taken)
            assert due <= now
            assert all(other[0] > now or other[1] >= deadline for other in planned.values())
        assert all(due > now for due, _ in planned.values())
    assert planned == {}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 9))), max_size=40))
def test_the_oldest_look_is_the_oldest(acts: list[tuple[str, int | None]]) -> None:
    """None drops the order; a number is how much later than before it is looked at."""
    oldest, last = OldestLook(), dict[str, int]()
    for number, later in acts:
        if later is None:
            oldest.drop(number)
            last.pop(number, None)
        else:
            last[number] = last.get(number, max(last.values(), default=0)) + later
            oldest.looked(number, last[number])
        assert oldest.at_ms() == min(last.values(), default=None)
