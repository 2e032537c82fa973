"""What is sent when, alone or in a batch; what a shut gate, a drain and a broken flow do to it."""

import asyncio

import pytest

from tests.support.sink_rig import CREATED, TRACKED, Rig, settled
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Throttled, Unavailable, UnknownOrder
from workers.core.delivery.tracked_order import Mark
from workers.core.parked.fence import Fence, ParkReason
from workers.vendors.contract import LoginFailed, MaybeSent, NotSent

BATCH = {"max_orders": 3, "max_bytes": "1KiB", "linger": "1h"}


@pytest.fixture
def rig() -> Rig:
    return Rig()


def batching() -> Rig:
    rig = Rig(batch=BATCH)
    rig.vendor.group = "post"
    return rig


async def pumped(rig: Rig) -> None:
    rig.sender.pump()
    await settled()


async def test_each_order_has_one_record_in_flight_and_keeps_its_sequence(rig: Rig) -> None:
    rig.add("A:1", "A:2", "B:1")
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["B"]]
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.attempts[0].call.payload for flight in rig.vendor.flights] == ["1", "1", "2"]


async def test_no_more_are_in_flight_than_the_bound_allows() -> None:
    rig = Rig(max_in_flight=2)
    rig.add("A", "B", "C")
    await pumped(rig)
    assert rig.sender.in_flight == 2
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["B"], ["C"]]


async def test_batch_is_sent_when_full() -> None:
    rig = batching()
    rig.add("A", "B", topic=CREATED)
    await pumped(rig)
    assert rig.vendor.flights == []
    rig.add("C", "D", topic=CREATED)
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A", "B", "C"]]


async def test_linger_ends_without_another_record() -> None:
    rig = Rig(monotonic=asyncio.get_running_loop().time, batch=BATCH | {"linger": "5ms"})
    rig.vendor.group = "post"
    rig.add("A", topic=CREATED)
    rig.sender.pump()
    async with asyncio.timeout(5):
        await rig.vendor.asked.wait()


async def test_batch_is_sent_before_it_grows_too_large() -> None:
    rig = Rig(batch=BATCH)
    rig.vendor.group, rig.vendor.size = "post", 500
    rig.add("A", "B", "C", topic=CREATED)
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A", "B"]]


async def test_other_groups_do_not_share_a_request() -> None:
    rig = Rig(batch=BATCH)
    rig.vendor.group = "one"
    rig.add("A", topic=CREATED)
    await pumped(rig)
    rig.vendor.group = "other"
    rig.add("B", topic=CREATED)
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_batch_waits_for_a_free_place_in_flight() -> None:
    rig = Rig(max_in_flight=1, batch=BATCH | {"linger": "0s"})
    rig.add("S")
    await pumped(rig)
    rig.vendor.group = "post"
    rig.add("A", topic=CREATED)
    await pumped(rig)
    assert rig.sender.in_flight == 1
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.orders for flight in rig.vendor.flights] == [["S"], ["A"]]


async def test_shut_gate_sends_nothing_and_puts_the_lanes_of_a_batch_back_to_ready() -> None:
    rig = Rig(batch=BATCH)
    rig.add("S")
    await pumped(rig)
    rig.vendor.group = "post"
    rig.add("A", topic=CREATED)
    await pumped(rig)
    await rig.vendor.land(rig.vendor.flights[0], Denied("401"))
    await pumped(rig)
    assert len(rig.vendor.flights) == 1
    assert rig.lanes.ready == 2


async def test_a_probe_is_exactly_one_record_and_success_lets_the_others_go() -> None:
    rig = batching()
    rig.gate.report(Denied("401"), rig.now[0], 0.5)
    rig.add("A", "B", "C", "D", topic=CREATED)
    await pumped(rig)
    assert rig.vendor.flights == []
    rig.now[0] = rig.gate.until
    await pumped(rig)
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["B", "C", "D"]]


async def test_a_probe_takes_a_record_that_waits_when_there_is_no_other() -> None:
    rig = Rig(retry={"first": "1h", "max": "1h"})
    rig.add("A")
    await pumped(rig)
    await rig.vendor.land(rig.vendor.flights[0], Unavailable("500"))
    rig.gate.report(Throttled(1.0), rig.now[0], 0.5)
    rig.now[0] = rig.gate.until
    assert (rig.lanes.next_due() or 0.0) > rig.now[0]
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"], ["A"]]


async def test_replay_does_not_deliver_a_superseded_record(rig: Rig) -> None:
    """The newer one may be a cancellation: a courier would be sent for an order that is off."""
    fence = Fence(ParkReason.REJECTED, "too late", 0, 2, 5, 6, non_blocking=True, superseded=1)
    rig.fence("A", fence)
    (old,) = rig.add("A:1")
    old.replay, old.ledger = True, rig.shard.replay_ledger
    await pumped(rig)
    assert rig.vendor.flights == []
    ((entry, parking),) = rig.parked
    assert entry is old
    assert parking.reason is ParkReason.REJECTED
    assert "--first-only" in parking.detail
    rig.fence("A", fence.without_first(6))
    (next_one,) = rig.add("A:2")
    next_one.replay, next_one.ledger = True, rig.shard.replay_ledger
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_what_is_behind_a_fence_is_parked_without_being_sent(rig: Rig) -> None:
    rig.fence("A", Fence(ParkReason.REJECTED, "no", 0, 1))
    rig.add("A", "B")
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["B"]]
    ((entry, parking),) = rig.parked
    assert (entry.order_id, parking.reason) == ("A", ParkReason.BEHIND)


async def test_the_create_of_an_unknown_order_passes_its_fence(rig: Rig) -> None:
    rig.fence("A", Fence(ParkReason.UNKNOWN_ORDER, "404", 0, 1))
    rig.add("A", topic=CREATED)
    await pumped(rig)
    assert [flight.orders for flight in rig.vendor.flights] == [["A"]]


async def test_what_cannot_be_sent_ends_without_a_request(rig: Rig) -> None:
    rig.add("A:skip", "B:invalid", "C:broken", "!D")
    await pumped(rig)
    assert rig.vendor.flights == []
    assert rig.stats.skipped == {"nothing to send": 1}
    assert {entry.order_id: parking.reason for entry, parking in rig.parked} == {
        "B": ParkReason.INVALID,
        "C": ParkReason.INVALID,
        "!D": ParkReason.UNDECODABLE,
    }
    assert "canary" not in rig.parked[1][1].detail


async def test_a_schema_that_is_forgotten_between_fetch_and_flight_parks_its_record_and_stops_nothing(rig: Rig) -> None:
    """The registry's "not found" is kept for a minute; a lane may wait longer than that behind a shut gate."""
    rig.add("?A", "B")
    await pumped(rig)
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
async def test_an_error_of_a_flow_counts_for_all_its_records(error: Exception, unknown: bool, gate_open: bool) -> None:
    rig = batching()
    entries = rig.add("A", "B", "C", topic=CREATED)
    await pumped(rig)
    rig.vendor.flights[0].answer.set_exception(error)
    await settled()
    assert [entry.unknown for entry in entries] == [unknown] * 3
    assert rig.gate.is_open is gate_open
    assert (rig.parked, rig.failures) == ([], [])


@pytest.mark.parametrize("outcomes", [[], [Delivered()] * 4])
async def test_a_flow_that_answers_for_another_number_of_records_delivers_none(outcomes: list[Outcome]) -> None:
    """Whose outcomes they are is unknown; the worker goes on."""
    rig = batching()
    entries = rig.add("A", "B", "C", topic=CREATED)
    await pumped(rig)
    rig.vendor.flights[0].answer.set_result(outcomes)
    await settled()
    assert all(entry.unknown for entry in entries)
    assert (rig.stats.delivered, rig.failures) == (0, [])


async def test_a_closing_assignment_sends_nothing_new_and_waits_for_what_is_in_flight(rig: Rig) -> None:
    rig.add("A")
    await pumped(rig)
    rig.close()
    rig.add("B")
    idle = asyncio.create_task(rig.sender.wait_idle())
    await pumped(rig)
    assert not idle.done()
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    await idle
    assert len(rig.vendor.flights) == 1


async def test_cancelled_flights_free_their_lanes_and_finish_nothing(rig: Rig) -> None:
    """A lane that stayed closed would hold its order for ever when the partition comes back."""
    rig.add("A")
    await pumped(rig)
    rig.close()
    rig.sender.cancel_flights()
    await rig.sender.wait_idle()
    assert rig.lane_is_free("A")
    assert rig.committable() == 0
    assert rig.stats.unknown == 1


async def test_flight_cancelled_before_it_began_frees_its_lane_too(rig: Rig) -> None:
    rig.add("A")
    rig.sender.pump()
    rig.close()
    rig.sender.cancel_flights()
    await rig.sender.wait_idle()
    assert rig.vendor.flights == []
    assert rig.lane_is_free("A")


async def test_a_late_result_finishes_nothing_of_the_next_assignment(rig: Rig) -> None:
    rig.add("A")
    await pumped(rig)
    rig.assign(0, epoch=2)
    rig.next_offset.clear()
    rig.add("A")
    await pumped(rig)
    assert len(rig.vendor.flights) == 1, "the order's lane stays closed until its flight has ended"
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    assert rig.committable() == 0
    assert len(rig.vendor.flights) == 2


async def test_a_retry_is_sent_when_its_wait_is_over(rig: Rig) -> None:
    rig.add("A")
    await pumped(rig)
    await rig.vendor.land(rig.vendor.flights[0], UnknownOrder("404"))
    await pumped(rig)
    assert len(rig.vendor.flights) == 1
    rig.now[0] += 60
    await pumped(rig)
    assert rig.vendor.flights[1].attempts[0].number == 2


async def test_the_rest_of_a_delivery_leaves_only_when_its_mark_is_durable() -> None:
    """If the process died between the two, its successor would not know of the request, and would send it again."""
    rig = Rig(tracks=TRACKED)
    rig.add("A", topic=CREATED)
    await pumped(rig)
    await rig.vendor.reach(rig.vendor.flights[0], Mark("7", stage="open"))
    assert rig.shard.tracked["A"].stage == "open"
    assert (len(rig.vendor.flights), rig.committable(CREATED)) == (1, 0)
    rig.shard.writes.acknowledge(rig.shard.writes.next_writes())
    await settled()
    assert (len(rig.vendor.flights), rig.committable(CREATED)) == (2, 0), "the row finishes no record"
    await rig.vendor.land(rig.vendor.flights[1], Delivered())
    assert rig.committable(CREATED) == 1


@pytest.mark.parametrize("written", [True, False])
async def test_a_delivery_stops_at_its_checkpoint_when_the_partition_is_given_away(*, written: bool) -> None:
    rig = Rig(tracks=TRACKED)
    rig.add("A", topic=CREATED)
    await pumped(rig)
    shard = rig.shard
    if written:
        await rig.vendor.reach(rig.vendor.flights[0], Mark("7", stage="open"))
    rig.assign(0, epoch=2)
    if written:
        shard.writes.acknowledge(shard.writes.next_writes())
        await settled()
    else:
        await rig.vendor.reach(rig.vendor.flights[0], Mark("7", stage="open"))
    rig.now[0] += 60.0
    await pumped(rig)
    assert len(rig.vendor.flights) == 1
    assert rig.lane_is_free("A")


async def test_a_checkpoint_whose_row_is_never_written_ends_its_delivery_with_the_assignment() -> None:
    """Otherwise the delivery would keep its place among the requests in flight for ever."""
    rig = Rig(tracks=TRACKED)
    rig.add("A", topic=CREATED)
    await pumped(rig)
    await rig.vendor.reach(rig.vendor.flights[0], Mark("7", stage="open"))
    rig.assign(0, epoch=2)
    await settled()
    assert rig.sender.in_flight == 0
    assert len(rig.vendor.flights) == 1, "the rest of the delivery is the next owner's"
