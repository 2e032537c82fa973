"""Events of one producer go by the time at which they occurred, and the records of a topic keep their sequence."""

from collections import deque
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.consume.lanes import Entry, Lane, Lanes
from workers.core.consume.ledger import Ledger
from workers.core.consume.publish_skew import DeliveredOrders, place
from workers.core.record import Record

SKEW_MS = 1000
EVENTS = st.lists(
    st.tuples(st.sampled_from(["created", "status"]), st.sampled_from("pq"), st.integers(0, 9), st.integers(0, 700)),
    max_size=8,
)


def event(offset: int, topic: str, producer: str | None, occurred_at: int, appended_ms: int) -> Entry:
    record = Record(topic, 0, offset, appended_ms, None, None)
    return Entry(record, "a", topic == "created", Ledger(0), 1, producer, occurred_at)


def placed(entries: list[Entry], first: int = 0) -> list[Entry]:
    queue: deque[Entry] = deque()
    for entry in entries:
        place(queue, entry, min(first, len(queue)), SKEW_MS)
    return list(queue)


def events(drawn: list[tuple[str, str, int, int]]) -> list[Entry]:
    appended, found = 0, []
    for offset, (topic, producer, occurred_at, later_ms) in enumerate(drawn):
        appended += later_ms
        found.append(event(offset, topic, producer, occurred_at, appended))
    return found


@given(EVENTS)
def test_records_of_a_topic_keep_their_sequence_and_none_is_lost(drawn: list[tuple[str, str, int, int]]) -> None:
    queue = placed(events(drawn))
    assert len(queue) == len(drawn)
    for topic in ("created", "status"):
        offsets = [one.record.offset for one in queue if one.record.topic == topic]
        assert offsets == sorted(offsets)


@given(EVENTS)
def test_a_producer_whose_clock_goes_forward_is_delivered_by_it(drawn: list[tuple[str, str, int, int]]) -> None:
    """Within `publish_skew`; each of its topics got its events in their sequence, one producer alone."""
    drawn = [(topic, "p", occurred_at, later) for topic, _, occurred_at, later in drawn]
    times = {topic: iter(sorted(one[2] for one in drawn if one[0] == topic)) for topic in ("created", "status")}
    entries = events([(topic, "p", next(times[topic]), later) for topic, _, _, later in drawn])
    for first, second in combinations(placed(entries), 2):
        apart = abs(first.record.timestamp_ms - second.record.timestamp_ms)
        if first.record.topic != second.record.topic and apart <= SKEW_MS:
            same = first.occurred_at == second.occurred_at
            assert first.occurred_at < second.occurred_at or (same and first.record.offset < second.record.offset)


def test_what_the_brokers_said_counts_for_other_producers_equal_times_unknown_times_and_later_records() -> None:
    status = event(0, "status", "p", 10, 0)
    for late in (
        event(1, "created", "q", 5, 1),
        event(1, "created", "p", 10, 1),
        event(1, "created", None, 5, 1),
        event(1, "created", "p", 5, SKEW_MS + 1),
    ):
        assert placed([status, late]) == [status, late]


def test_a_create_goes_before_its_status_with_what_precedes_it_in_its_topic() -> None:
    status, other, create = (
        event(0, "status", "p", 9, 0),
        event(1, "created", "q", 3, 1),
        event(2, "created", "p", 5, 2),
    )
    assert placed([status, other, create]) == [other, create, status]


def test_what_is_in_flight_is_not_passed() -> None:
    status, create = event(0, "status", "p", 9, 0), event(1, "created", "p", 5, 1)
    assert placed([status, create], first=1) == [status, create]


def test_at_least_so_many_orders_are_remembered_and_at_most_twice_as_many() -> None:
    orders = DeliveredOrders(10)
    for number in range(1000):
        orders.add(str(number))
        known = [other for other in range(number + 1) if str(other) in orders]
        assert known == list(range(number + 1 - len(known), number + 1)), "the last ones"
        assert min(10, number + 1) <= len(known) <= 20


def queued(offset: int, *, creates_order: bool, occurred_at: int) -> Entry:
    return event(offset, "created" if creates_order else "status", "shop", occurred_at, 0)


def taken(lanes: Lanes) -> Lane:
    lane = lanes.take()
    assert lane is not None
    return lane


def test_a_held_status_goes_when_its_create_may_no_longer_come() -> None:
    lanes = Lanes(publish_skew_s=1.0)
    lanes.add(queued(0, creates_order=False, occurred_at=9), 100.0, hold=True)
    lanes.add(queued(1, creates_order=False, occurred_at=9), 100.5, hold=True)
    due = lanes.next_due()
    assert due is not None
    assert 101.0 < due < 101.5
    lanes.wake(due - 0.001)
    assert lanes.take() is None
    lanes.wake_one()
    assert lanes.take() is None, "a probe takes another order"
    lanes.wake(due)
    assert taken(lanes).queue[0].record.offset == 0
    assert lanes.held_s == pytest.approx(due - 100)
    assert (lanes.held, lanes.next_due()) == (1, None)


@pytest.mark.parametrize("occurred_at", [5, 20])
def test_a_create_ends_the_hold_and_goes_first_if_it_occurred_first(occurred_at: int) -> None:
    lanes = Lanes(publish_skew_s=1.0)
    status, create = (
        queued(0, creates_order=False, occurred_at=9),
        queued(0, creates_order=True, occurred_at=occurred_at),
    )
    lanes.add(status, 100.0, hold=True)
    lanes.add(create, 100.2)
    first = taken(lanes)
    assert first.queue[0] is (create if occurred_at == 5 else status)
    assert lanes.held_s == pytest.approx(0.2)
    assert lanes.reordered == int(occurred_at == 5)
    lanes.finish(first)
    lanes.finish(taken(lanes))
    assert len(lanes) == 0


@pytest.mark.parametrize("landing", ["requeue", "wait"])
def test_a_create_that_came_during_a_failed_attempt_goes_before_the_next_attempt(landing: str) -> None:
    lanes = Lanes(publish_skew_s=1.0)
    status, create = queued(0, creates_order=False, occurred_at=9), queued(0, creates_order=True, occurred_at=5)
    lanes.add(status)
    lane = taken(lanes)
    lanes.add(create)
    assert lane.queue[0] is status, "it is in flight"
    if landing == "requeue":
        lanes.requeue(lane)
    else:
        lanes.wait(lane, 60.0)
    assert lanes.finish(taken(lanes)) is create
    assert lanes.finish(taken(lanes)) is status
    assert lanes.waiting_records == 0


def test_a_create_that_waits_for_its_retry_is_not_passed_for_ever_by_the_status_that_waits_for_it() -> None:
    lanes = Lanes(publish_skew_s=1.0)
    status, create = queued(0, creates_order=False, occurred_at=5), queued(0, creates_order=True, occurred_at=9)
    lanes.add(status)
    lane = taken(lanes)
    lanes.add(create)
    status.unknown_order_since = 0.0
    lanes.wait(lane, 60.0)
    lanes.wait(taken(lanes), 60.0)
    assert lanes.take() is None
    assert lanes.next_due() == 60.0


def test_a_revoked_hold_leaves_nothing_behind() -> None:
    lanes, old = Lanes(publish_skew_s=1.0), Ledger(0)
    for order in "ab":
        lanes.add(Entry(Record("status", 0, 0, 0, None, None), order, False, old, 1), 0.0, hold=True)
    lanes.add(Entry(Record("status", 0, 1, 0, None, None), "b", False, Ledger(0), 1), 0.0)
    lanes.drop(frozenset({old}))
    assert (lanes.next_due(), [lane.order_id for lane in lanes], lanes.ready) == (None, ["b"], 1)
    lanes.wake(1e12)
    assert lanes.ready == 1
