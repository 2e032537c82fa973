"""Events of one producer go by the time at which they occurred, and the records of a topic keep their sequence."""

from collections import deque
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from workers.core.consume.lanes import Entry
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
