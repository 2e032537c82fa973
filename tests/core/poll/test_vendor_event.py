"""An order's events: each is unpublished once, by its id alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.core.poll.change import digest
from workers.core.poll.vendor_event import (
    ObservedEvent,
    PublishedEventIds,
    VendorEvent,
    courier_order_event,
    unpack_event_ids,
)


def event_of(name: str, at_ms: int | None = 0) -> VendorEvent:
    return VendorEvent(name, digest(name), at_ms, {"note": name})


@given(st.lists(st.lists(st.text(max_size=3), max_size=6), max_size=5))
def test_each_id_is_unpublished_once_in_any_sequence_of_looks(looks: list[list[str]]) -> None:
    known, published = PublishedEventIds(0), list[str]()
    for look in looks:
        new = known.unpublished([event_of(name) for name in look])
        published += [one.id for one in new]
        known = unpack_event_ids(PublishedEventIds(1, known.ids_with(new)).pack())
    assert sorted(published) == sorted({name for look in looks for name in look})


def test_events_of_one_look_are_published_by_time_then_id_and_those_without_a_time_last() -> None:
    found = [event_of("x", None), event_of("10", 5), event_of("9", 5), event_of("b", 1)]
    assert [one.id for one in PublishedEventIds(0).unpublished(found)] == ["b", "9", "10", "x"]


@given(
    st.builds(
        PublishedEventIds,
        st.integers(0, 2**60),
        st.binary(max_size=5).map(lambda b: b * 8),
        st.booleans(),
        st.integers(0, 9),
    )
)
def test_a_row_is_read_back_as_it_was_written(known: PublishedEventIds) -> None:
    assert unpack_event_ids(known.pack()) == known


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x01",
        PublishedEventIds(1).pack()[:-1],
        PublishedEventIds(1).pack() + b"123",
        b"\x02" + PublishedEventIds(1).pack()[1:],
    ],
)
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="published events"):
        unpack_event_ids(body)


def test_an_events_id_holds_the_orders_number_its_own_and_its_content() -> None:
    one = event_of("7", 1_000)
    event = courier_order_event("ecourier", ObservedEvent(one, "OR-1", "1", "A", 2_000))
    assert event["event_id"] == f"ecourier:OR-1:7:{digest('7').hex()}"
    assert (event["courier_event_id"], event["occurred_at"], event["observed_at"]) == ("7", 1_000, 2_000)
    assert (event["order_id"], event["order_status"], event["note"]) == ("1", "A", "7")
