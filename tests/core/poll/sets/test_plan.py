"""Which creation times are asked for: in few answers, all wanted rows; and no row expected that may lie elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.sets.plan import RowTime, full_plan, horizon_ms, merged, partial_plan
from workers.core.poll.time_range import TimeRange

MINUTE = 60_000
NEW = TimeRange(1_000 * MINUTE, 1_001 * MINUTE)
ROWS = st.lists(
    st.builds(
        lambda start, width, wanted: RowTime(start, start + width * 1000, str(start), wanted),
        st.integers(0, 1_000 * MINUTE),
        st.sampled_from([0, 0, 5, 600]),
        st.booleans(),
    ),
    max_size=30,
)


def at(minute: int, *, wanted: bool = True) -> RowTime:
    return RowTime(minute * MINUTE, minute * MINUTE, str(minute), wanted)


def test_only_windows_with_something_wanted_are_read_besides_the_new_rows() -> None:
    plan = partial_plan([at(1), at(2, wanted=False), at(500, wanted=False), at(900)], NEW, at_once=1)
    assert plan.ranges == [NEW, *(TimeRange(n * MINUTE, n * MINUTE + 1000) for n in (900, 1))]
    assert plan.expected(plan.ranges) == ["900", "1"]


def test_wanted_rows_that_fit_in_one_answer_are_read_together() -> None:
    plan = partial_plan([at(n, wanted=n % 3 == 0) for n in range(10)], NEW, at_once=100)
    assert plan.ranges == [NEW, TimeRange(0, 9 * MINUTE + 1000)]


@given(ROWS, st.integers(1, 10))
def test_each_wanted_row_is_expected_from_its_plan(rows: list[RowTime], at_once: int) -> None:
    plan = partial_plan(rows, NEW, at_once)
    assert {one.key for one in rows if one.is_wanted} <= set(plan.expected(plan.ranges))


@given(ROWS, st.integers(1, 10))
def test_a_full_plan_reads_every_time_once_and_expects_every_row_in_it(rows: list[RowTime], at_once: int) -> None:
    whole = TimeRange(100 * MINUTE, 1_001 * MINUTE)
    plan = full_plan(rows, whole, at_once)
    assert merged(plan.ranges) == [whole]
    assert plan.ranges == sorted(plan.ranges, reverse=True)
    assert set(plan.expected(plan.ranges)) == {
        one.key for one in rows if one.start_ms >= whole.start_ms and one.end_ms <= whole.end_ms
    }


def test_a_row_that_may_lie_beyond_what_was_read_is_not_expected() -> None:
    """The list does not show when it was created: only that it was between minute 1 and minute 5."""
    plan = full_plan([RowTime(MINUTE, 5 * MINUTE, "a", is_wanted=True)], TimeRange(0, 10 * MINUTE), 100)
    assert plan.expected([TimeRange(0, 3 * MINUTE)]) == []
    assert plan.expected([TimeRange(3 * MINUTE, 10 * MINUTE), TimeRange(0, 3 * MINUTE)]) == ["a"]


def test_rows_older_than_the_look_back_are_read_while_one_is_wanted() -> None:
    assert horizon_ms([at(5), at(7, wanted=False)], 6 * MINUTE) == 5 * MINUTE
    assert horizon_ms([at(5, wanted=False)], 6 * MINUTE) == 6 * MINUTE
