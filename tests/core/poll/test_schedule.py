"""Orders are looked at by the schedule, the most urgent first, without starvation; the oldest look is known."""

from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.schedule import DueQueue, LookSchedule, OldestLook, ScheduleRule

MINUTE, DAY = 60_000, 86_400_000
SCHEDULE = LookSchedule(
    30_000,
    (ScheduleRule(10 * MINUTE, MINUTE), ScheduleRule(10 * MINUTE, 2 * MINUTE, "A"), ScheduleRule(2 * DAY, 15 * MINUTE)),
    grace_ms=DAY,
    give_up_ms=60 * DAY,
)


def test_the_last_rule_that_fits_gives_the_interval() -> None:
    assert SCHEDULE.interval_ms(0, "A") == 30_000
    assert SCHEDULE.interval_ms(10 * MINUTE - 1, "N") == 30_000
    assert SCHEDULE.interval_ms(10 * MINUTE, "N") == MINUTE
    assert SCHEDULE.interval_ms(10 * MINUTE, "a") == 2 * MINUTE
    assert SCHEDULE.interval_ms(2 * DAY, "A") == 15 * MINUTE


def test_an_ended_order_is_done_after_the_grace_and_any_other_after_give_up() -> None:
    assert not SCHEDULE.is_over(DAY - 1, ended=True)
    assert SCHEDULE.is_over(DAY, ended=True)
    assert not SCHEDULE.is_over(60 * DAY - 1, ended=False)
    assert SCHEDULE.is_over(60 * DAY, ended=False)


def test_short_intervals_overtake_long_ones_but_do_not_starve_them() -> None:
    queue = DueQueue()
    queue.plan("quiet", 0, 15 * MINUTE)
    for at in range(0, 16 * MINUTE, 10_000):
        queue.plan("fresh", at, 30_000)
        if queue.take(at) == "quiet":
            break
    assert 14 * MINUTE <= at <= 15 * MINUTE


def test_no_order_is_due_before_its_time_and_a_plan_replaces_the_earlier_one() -> None:
    queue = DueQueue()
    queue.plan("a", 100, 10)
    queue.plan("a", 200, 10)
    assert (queue.take(199), queue.take(200), queue.take(10_000)) == (None, "a", None)
    queue.plan("b", 100, 10)
    queue.drop("b")
    assert queue.take(10_000) is None


def test_orders_past_their_deadline_count_as_late() -> None:
    queue = DueQueue()
    queue.plan("a", 100, 50)
    queue.plan("b", 100, 500)
    assert (queue.due_count(151), queue.late_count(151), queue.next_ms()) == (2, 1, 100)


PLANS = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 50), st.integers(1, 20)), max_size=30)


@given(PLANS, st.lists(st.integers(0, 70), max_size=10))
def test_each_planned_order_comes_once_when_due_and_earliest_deadline_first(
    plans: list[tuple[str, int, int]], times: list[int]
) -> None:
    queue, planned = DueQueue(), dict[str, tuple[int, int]]()
    for number, due, interval in plans:
        queue.plan(number, due, interval)
        planned[number] = (due, due + interval)
    for now in [*sorted(times), 100]:
        while (taken := queue.take(now)) is not None:
            due, deadline = planned.pop(taken)
            assert due <= now
            assert all(other[0] > now or other[1] >= deadline for other in planned.values())
        assert all(due > now for due, _ in planned.values())
    assert planned == {}


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.one_of(st.none(), st.integers(0, 9))), max_size=40))
def test_the_oldest_look_is_the_oldest(acts: list[tuple[str, int | None]]) -> None:
    """``None`` drops the order; a number is the time since its last look."""
    oldest, last = OldestLook(), dict[str, int]()
    for number, later in acts:
        if later is None:
            oldest.drop(number)
            last.pop(number, None)
        else:
            last[number] = last.get(number, max(last.values(), default=0)) + later
            oldest.looked(number, last[number])
        assert oldest.oldest_ms() == min(last.values(), default=None)
