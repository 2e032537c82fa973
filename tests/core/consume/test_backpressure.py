"""What is fetched and unfinished stays bounded, and nothing that is waited for is ever paused."""

from hypothesis import given
from hypothesis import strategies as st

from workers.core.consume.backpressure import AWAITED_MOST, FetchBudget, MemoryUse
from workers.core.record import Partition

PLACES = [Partition(topic, number) for topic in ("created", "status") for number in range(4)]
HELD = st.dictionaries(st.sampled_from(PLACES), st.builds(MemoryUse, st.integers(0, 500), st.integers(0, 5_000)))
SOME = st.frozensets(st.sampled_from(PLACES))
WINDOWS = st.builds(FetchBudget, st.integers(1, 1_000), st.integers(1, 10_000))


def load(window: FetchBudget, held: list[MemoryUse]) -> float:
    records, size = sum(one.records for one in held), sum(one.bytes for one in held)
    return max(records / window.max_records, size / window.max_bytes)


@given(window=WINDOWS, held=HELD, paused=SOME, awaited=SOME)
def test_what_a_merge_waits_for_is_paused_only_for_its_own_bytes(
    window: FetchBudget, held: dict[Partition, MemoryUse], paused: frozenset[Partition], awaited: frozenset[Partition]
) -> None:
    huge = {at for at, one in held.items() if one.bytes >= AWAITED_MOST * window.max_bytes}
    assert window.to_pause(held, paused, awaited) & awaited == huge & awaited


@given(window=WINDOWS, held=HELD, paused=SOME, awaited=SOME)
def test_over_the_bound_something_pauses_the_fullest_first_and_nothing_resumes(
    window: FetchBudget, held: dict[Partition, MemoryUse], paused: frozenset[Partition], awaited: frozenset[Partition]
) -> None:
    wanted = window.to_pause(held, paused, awaited)
    free = set(held) - awaited
    wanted -= awaited
    if load(window, list(held.values())) < 1 or not free:
        return
    assert wanted & free
    assert paused - awaited <= wanted
    going_on = [load(window, [held[at]]) for at in free - wanted]
    newly = [load(window, [held[at]]) for at in free & wanted - paused]
    assert max(going_on, default=-1.0) < min(newly, default=float("inf"))


@given(window=WINDOWS, held=HELD, paused=SOME, awaited=SOME)
def test_below_the_low_mark_all_is_fetched_and_between_nothing_changes(
    window: FetchBudget, held: dict[Partition, MemoryUse], paused: frozenset[Partition], awaited: frozenset[Partition]
) -> None:
    """Two marks: with one, every record would pause or resume something."""
    wanted = window.to_pause(held, paused, awaited) - awaited
    present = load(window, list(held.values()))
    if present <= 0.7:
        assert wanted == set()
    elif present < 1:
        assert wanted == paused - awaited


@given(
    window=WINDOWS,
    fetches=st.lists(st.tuples(st.sampled_from(PLACES), st.integers(1, 20)), max_size=400),
    first=st.integers(0, 3_000),
)
def test_with_nothing_finishing_memory_stays_bounded(
    window: FetchBudget, fetches: list[tuple[Partition, int]], first: int
) -> None:
    """A vendor is down and one partition fills the window: the others take their even share of it, and no more."""
    held = dict.fromkeys(PLACES, MemoryUse()) | {PLACES[0]: MemoryUse(min(first, window.max_records), 0)}
    paused: set[Partition] = set()
    for at, records in fetches:
        paused = window.to_pause(held, paused, ())
        if at not in paused:
            held[at] = MemoryUse(held[at].records + records, 0)
    assert sum(one.records for one in held.values()) <= 2 * window.max_records + 20 * len(PLACES)


def test_bytes_bound_as_records_do() -> None:
    window = FetchBudget(max_records=1_000, max_bytes=100)
    held = {PLACES[0]: MemoryUse(1, 99), PLACES[1]: MemoryUse(900, 1)}
    assert window.to_pause(held, (), ()) == {PLACES[0], PLACES[1]}


def test_a_full_partition_that_is_awaited_makes_the_next_fullest_pause() -> None:
    window = FetchBudget(max_records=100, max_bytes=1_000)
    held = {PLACES[0]: MemoryUse(99, 0), PLACES[1]: MemoryUse(4, 0), PLACES[2]: MemoryUse(1, 0)}
    assert window.to_pause(held, (), {PLACES[0]}) == {PLACES[1]}


def test_nothing_in_memory_pauses_nothing() -> None:
    assert FetchBudget(10, 10).to_pause({}, {PLACES[0]}, ()) == set()
