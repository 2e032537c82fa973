"""What is sent when, alone or in company; what a shut gate, a drain and a broken flow do to it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.sink_rig import CREATED, Rig, lane_is_free, make_rig, settled
from workers.app.sink.flights import Flights
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Unavailable, UnknownOrder
from workers.core.parked.fence import Fence, ParkReason
from workers.vendors.contract import LoginFailed, MaybeSent, NotSent

COMPANY = {"max_orders": 3, "max_bytes": "1KiB", "linger": "1h"}


@pytest.fixture
def rig() -> Rig:
    return make_rig()


@pytest.fixture
def flights(rig: Rig) -> Flights:
    return rig.flights()


async def pumped(flights: Flights) -> None:
    flights.pump()
    await settled()


async def test_each_order_has_one_record_in_flight_and_keeps_its_sequence(rig: Rig, flights: Flights) -> None:
    rig.add("A:1", "A:2", "B:1")
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["B"]]
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.attempts[0].call.payload for flight in rig.vendor.flights] == ["1", "1", "2"]


async def test_no_more_are_in_flight_than_the_bound_allows() -> None:
    rig = make_rig(max_in_flight=2)
    flights = rig.flights()
    rig.add("A", "B", "C")
    await pumped(flights)
    assert rig.state.in_flight == 2
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["B"], ["C"]]


async def test_company_leaves_when_it_is_complete() -> None:
    rig = make_rig(batch=COMPANY)
    rig.vendor.group = "post"
    flights = rig.flights()
    rig.add("A", "B", topic=CREATED)
    await pumped(flights)
    assert rig.vendor.flights == []
    rig.add("C", "D", topic=CREATED)
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A", "B", "C"]]


async def test_company_leaves_when_it_has_waited_long_enough() -> None:
    rig = make_rig(batch=COMPANY)
    rig.vendor.group = "post"
    flights = rig.flights()
    rig.add("A", topic=CREATED)
    await pumped(flights)
    rig.now[0] += 3600
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_the_linger_ends_by_itself() -> None:
    rig = make_rig(batch=COMPANY | {"linger": "5ms"})
    rig.state.monotonic = asyncio.get_running_loop().time
    rig.vendor.group = "post"
    flights = rig.flights()
    rig.add("A", topic=CREATED)
    flights.pump()
    async with asyncio.timeout(5):
        await rig.vendor.asked.wait()


async def test_company_that_would_grow_too_large_leaves_first() -> None:
    rig = make_rig(batch=COMPANY)
    rig.vendor.group, rig.vendor.size = "post", 500
    flights = rig.flights()
    rig.add("A", "B", "C", topic=CREATED)
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A", "B"]]


async def test_other_groups_do_not_share_a_request() -> None:
    rig = make_rig(batch=COMPANY)
    flights = rig.flights()
    rig.vendor.group = "one"
    rig.add("A", topic=CREATED)
    await pumped(flights)
    rig.vendor.group = "other"
    rig.add("B", topic=CREATED)
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_a_company_waits_for_a_free_place_like_anyone() -> None:
    rig = make_rig(max_in_flight=1, batch=COMPANY | {"linger": "0s"})
    flights = rig.flights()
    rig.add("S")
    await pumped(flights)
    rig.vendor.group = "post"
    rig.add("A", topic=CREATED)
    await pumped(flights)
    assert rig.state.in_flight == 1
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.orders for flight in rig.vendor.flights] == [["S"], ["A"]]


async def test_a_shut_gate_sends_nothing_and_company_goes_home() -> None:
    rig = make_rig(batch=COMPANY)
    flights = rig.flights()
    rig.add("S")
    await pumped(flights)
    rig.vendor.group = "post"
    rig.add("A", topic=CREATED)
    await pumped(flights)
    await rig.vendor.land(rig.vendor.flights[0], Denied("401"))
    await pumped(flights)
    assert len(rig.vendor.flights) == 1
    assert rig.state.lanes.ready == 2


async def test_a_probe_is_exactly_one_record_and_success_lets_the_others_go() -> None:
    rig = make_rig(batch=COMPANY)
    rig.vendor.group = "post"
    flights = rig.flights()
    rig.state.gate.report(Denied("401"), rig.now[0], 0.5)
    rig.add("A", "B", "C", "D", topic=CREATED)
    await pumped(flights)
    assert rig.vendor.flights == []
    rig.now[0] = rig.state.gate.until
    await pumped(flights)
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["B", "C", "D"]]


async def test_a_probe_takes_a_record_that_waits_when_there_is_no_other(rig: Rig, flights: Flights) -> None:
    rig.add("A")
    await pumped(flights)
    await rig.vendor.land(rig.vendor.flights[0], Unavailable("500"))
    rig.state.gate.report(Denied("401"), rig.now[0], 0.5)
    rig.state.lanes.oldest_waiting().due = rig.now[0] + 9999  # type: ignore[union-attr]
    rig.state.lanes._waiting[:] = [(rig.now[0] + 9999, order, lane) for _, order, lane in rig.state.lanes._waiting]
    rig.now[0] = rig.state.gate.until
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["A"]]


async def test_what_something_newer_has_overtaken_is_not_delivered_by_a_replay(rig: Rig, flights: Flights) -> None:
    """The newer one may be a cancellation: a courier would be sent for an order that is off."""
    rig.state.shards[0].fences["A"] = Fence(
        ParkReason.REJECTED, "too late", 0, 2, 5, 6, non_blocking=True, superseded=1
    )
    (old,) = rig.add("A:1")
    old.replay, old.ledger = True, rig.state.shards[0].replays
    await pumped(flights)
    assert rig.vendor.flights == []
    ((entry, parking),) = rig.parked
    assert entry is old
    assert parking.reason is ParkReason.REJECTED
    assert "--first-only" in parking.detail
    rig.state.shards[0].fences["A"] = rig.state.shards[0].fences["A"].without_first(6)
    (next_one,) = rig.add("A:2")
    next_one.replay, next_one.ledger = True, rig.state.shards[0].replays
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_what_is_behind_a_fence_is_parked_without_being_sent(rig: Rig, flights: Flights) -> None:
    rig.state.shards[0].fences["A"] = Fence(ParkReason.REJECTED, "no", 0, 1)
    rig.add("A", "B")
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["B"]]
    ((entry, parking),) = rig.parked
    assert (entry.order_id, parking.reason) == ("A", ParkReason.BEHIND)


async def test_the_create_of_an_unknown_order_passes_its_fence(rig: Rig, flights: Flights) -> None:
    rig.state.shards[0].fences["A"] = Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 1)
    rig.add("A", topic=CREATED)
    await pumped(flights)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_what_cannot_be_sent_ends_without_a_request(rig: Rig, flights: Flights) -> None:
    rig.add("A:skip", "B:invalid", "C:broken", "!D")
    await pumped(flights)
    assert rig.vendor.flights == []
    assert rig.state.stats.skipped == {"nothing to send": 1}
    assert {entry.order_id: parking.reason for entry, parking in rig.parked} == {
        "B": ParkReason.INVALID,
        "C": ParkReason.INVALID,
        "!D": ParkReason.UNDECODABLE,
    }
    assert "canary" not in rig.parked[1][1].detail


async def test_a_schema_that_is_forgotten_between_fetch_and_flight_parks_its_record_and_stops_nothing(
    rig: Rig, flights: Flights
) -> None:
    """The registry's "not found" is kept for a minute; a lane may wait longer than that behind a shut gate."""
    rig.add("?A", "B")
    await pumped(flights)
    assert [parking.reason for _, parking in rig.parked] == [ParkReason.UNDECODABLE]
    assert [flight.orders for flight in rig.vendor.flights] == [["B"]]


@pytest.mark.parametrize(
    ("error", "unknown", "gate_open"),
    [
        (NotSent("refused"), False, True),
        (MaybeSent("reset"), True, True),
        (LoginFailed(Denied("login refused")), False, False),
        (KeyError("canary"), True, True),
    ],
)
async def test_what_leaves_a_flow_means_the_same_for_all_its_records(
    error: Exception, unknown: bool, gate_open: bool
) -> None:
    rig = make_rig(batch=COMPANY)
    rig.vendor.group = "post"
    flights = rig.flights()
    entries = rig.add("A", "B", "C", topic=CREATED)
    await pumped(flights)
    rig.vendor.flights[0].answer.set_exception(error)
    await settled()
    assert [entry.unknown for entry in entries] == [unknown] * 3
    assert rig.state.gate.is_open is gate_open
    assert (rig.parked, rig.failures) == ([], [])


@pytest.mark.parametrize("outcomes", [[], [Delivered()] * 4])
async def test_a_flow_that_answers_for_another_number_of_records_delivers_none(outcomes: list[Outcome]) -> None:
    """Nobody can tell whose outcomes they are; and the worker goes on."""
    rig = make_rig(batch=COMPANY)
    rig.vendor.group = "post"
    flights = rig.flights()
    entries = rig.add("A", "B", "C", topic=CREATED)
    await pumped(flights)
    rig.vendor.flights[0].answer.set_result(outcomes)
    await settled()
    assert all(entry.unknown for entry in entries)
    assert (rig.delivered, rig.failures) == ([], [])


async def test_holding_sends_nothing_new_and_landing_waits_for_what_is_under_way(rig: Rig, flights: Flights) -> None:
    rig.add("A")
    await pumped(flights)
    rig.state.holding = True
    rig.add("B")
    landing = asyncio.create_task(flights.landed())
    await pumped(flights)
    assert not landing.done()
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    await landing
    assert len(rig.vendor.flights) == 1


async def test_flights_that_are_given_up_free_their_lanes_and_finish_nothing(rig: Rig, flights: Flights) -> None:
    """A lane that stayed closed would hold its order for ever when the partition comes back."""
    rig.add("A")
    await pumped(flights)
    rig.state.holding = True
    flights.give_up()
    await flights.landed()
    assert lane_is_free(rig, "A")
    assert rig.committable() == 0
    assert rig.state.stats.unknown == 1


async def test_a_flight_that_is_given_up_before_it_began_frees_its_lane_too(rig: Rig, flights: Flights) -> None:
    rig.add("A")
    flights.pump()
    rig.state.holding = True
    flights.give_up()
    await flights.landed()
    assert rig.vendor.flights == []
    assert lane_is_free(rig, "A")


async def test_a_late_result_finishes_nothing_of_the_next_assignment(rig: Rig, flights: Flights) -> None:
    rig.add("A")
    await pumped(flights)
    rig.assign(0, epoch=2)
    rig.next_offset.clear()
    rig.add("A")
    await pumped(flights)
    assert len(rig.vendor.flights) == 1, "the order's lane stays closed until its flight has ended"
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert rig.committable() == 0
    assert len(rig.vendor.flights) == 2


async def test_a_retry_is_sent_when_its_wait_is_over(rig: Rig, flights: Flights) -> None:
    rig.add("A")
    await pumped(flights)
    await rig.vendor.land(rig.vendor.flights[0], UnknownOrder("404"))
    await pumped(flights)
    assert len(rig.vendor.flights) == 1
    rig.now[0] += 60
    await pumped(flights)
    assert rig.vendor.flights[1].attempts[0].number == 2
