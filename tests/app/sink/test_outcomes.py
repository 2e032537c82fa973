"""What each outcome does to its record, its lane, the gate and the numbers (contract, outcomes and parking)."""

import pytest

from tests.support.sink_rig import CREATED, Rig
from workers.core.consume.lanes import LaneState
from workers.core.delivery.gate import GateState
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Throttled,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.core.parked.fence import Fence, ParkReason

OPEN, SHUT = GateState.OPEN, GateState.SHUT
# outcome -> the lane's state afterwards (None: gone), finished, parked as, gate, attempts spent
TABLE: dict[str, tuple[Outcome, LaneState | None, bool, ParkReason | None, GateState, int]] = {
    "delivered": (Delivered(), None, True, None, OPEN, 0),
    "found": (Delivered(found=True), None, True, None, OPEN, 0),
    "skipped": (Skipped("same"), None, True, None, OPEN, 0),
    "rejected": (Rejected("no", 422), None, False, ParkReason.REJECTED, OPEN, 1),
    "unavailable": (Unavailable("500", 500), LaneState.WAITING, False, None, OPEN, 1),
    "unknown": (Unknown("reset"), LaneState.WAITING, False, None, OPEN, 1),
    "unknown order": (UnknownOrder("404", 404), LaneState.WAITING, False, None, OPEN, 1),
    "throttled": (Throttled(30.0), LaneState.READY, False, None, SHUT, 0),
    "denied": (Denied("401", 401), LaneState.READY, False, None, SHUT, 0),
}


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize("name", TABLE)
def test_each_outcome_with_the_gate_open(rig: Rig, name: str) -> None:
    outcome, lane_state, finished, reason, gate, attempts = TABLE[name]
    lane = rig.fly("A")
    entry = lane.queue[0]
    rig.settle([(lane, outcome)])
    assert (None if rig.lane_is_free("A") else lane.state) is lane_state
    assert (rig.committable() == 1) is finished
    assert [parking.reason for _, parking in rig.parked] == ([reason] if reason else [])
    assert rig.gate.state is gate
    assert entry.attempts == attempts


def test_the_first_failure_since_a_delivery_is_logged_at_most_once_a_minute(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """The gate shuts some seconds later, or never: until then no other line names the vendor's fault."""

    def failing() -> list[str]:
        return [record.__dict__["values"]["order_id"] for record in caplog.records if record.msg == "vendor_failing"]

    for order_id in ("A", "B"):
        rig.settle([(rig.fly(order_id), Unavailable("500", 500))])
    assert failing() == ["A"], "nothing was delivered since"
    rig.settle([(rig.fly("C"), Delivered())])
    rig.settle([(rig.fly("D"), Unknown("reset"))])
    assert failing() == ["A"], "a vendor that fails now and then would fill the log"
    rig.now[0] += 61.0
    rig.settle([(rig.fly("E"), Delivered())])
    rig.settle([(rig.fly("F"), Unknown("reset"))])
    assert failing() == ["A", "F"]


def test_why_the_gate_is_shut_for_a_suspect_stream_holds_no_string_of_an_order() -> None:
    """Vendors echo what they refuse; the log, `/status` and `relay status` show the gate's detail."""
    rig = Rig(suspect_after=2)
    for order_id in ("canary-A", "canary-B"):
        rig.settle([(rig.fly(order_id), Rejected(f"no such customer: {order_id}", 400))])
    assert rig.gate.shut_by_suspicion
    assert rig.gate.detail == "no such customer: ***"


@pytest.mark.parametrize("name", TABLE)
def test_each_outcome_of_a_probe(rig: Rig, name: str) -> None:
    """An answer opens the gate, whatever it says of the record; a vendor's fault keeps it shut, and spends nothing."""
    outcome, _, finished, reason, _, _ = TABLE[name]
    rig.gate.report(Denied("401"), rig.now[0], 0.5)
    rig.now[0] = rig.gate.until
    assert rig.gate.admits(rig.now[0], 0) == 1
    lane = rig.fly("A")
    rig.settle([(lane, outcome)])
    vendor_fault = isinstance(outcome, Unavailable | Unknown | Throttled | Denied)
    expected = SHUT if vendor_fault else GateState.PROBING if isinstance(outcome, Skipped) else OPEN
    assert rig.gate.state is expected
    assert (rig.committable() == 1) is finished
    assert [parking.reason for _, parking in rig.parked] == ([reason] if reason else [])
    if vendor_fault:
        assert lane.state is LaneState.READY, "the gate does the waiting"
        assert lane.queue[0].attempts == 0


def test_numbers_are_counted_once_each(rig: Rig) -> None:
    for name in ("delivered", "found", "skipped", "unavailable", "unknown"):
        rig.settle([(rig.fly(name), TABLE[name][0])])
    stats = rig.stats
    assert (stats.delivered, stats.duplicates_avoided, stats.retries, stats.unknown) == (2, 1, 2, 1)
    assert stats.skipped == {"same": 1}


def test_an_unknown_result_is_remembered_for_the_next_attempt(rig: Rig) -> None:
    lane = rig.fly("A")
    rig.settle([(lane, Unknown("time-out"))])
    assert lane.queue[0].unknown


def test_retries_wait_longer_each_time_up_to_the_bound() -> None:
    rig = Rig(retry={"first": "1s", "max": "5s", "give_up_after": "15m"})
    rig.gate.report(Delivered(), 0.0, 0.5)
    waits = []
    lane = rig.fly("A")
    for _ in range(5):
        rig.settle([(lane, Unavailable("500"))])
        rig.settle([(rig.fly("B"), Delivered())])  # the vendor as a whole works
        waits.append(lane.due - rig.now[0])
        rig.now[0] = lane.due
        rig.lanes.wake(rig.now[0])
        assert rig.lanes.take() is lane
    assert waits == [0.5, 1.0, 2.0, 2.5, 2.5]


def test_a_record_is_given_up_only_while_others_succeed() -> None:
    rig = Rig(retry={"first": "1s", "max": "1s", "give_up_after": "60s"})
    lane = rig.fly("A")
    rig.settle([(lane, Unavailable("500"))])
    rig.now[0] += 61
    rig.lanes.wake(rig.now[0])
    rig.lanes.take()
    rig.settle([(lane, Unavailable("500"))])
    assert rig.parked == [], "no other order has been delivered since: the fault is the vendor's"
    rig.settle([(rig.fly("B"), Delivered())])
    rig.now[0] += 2
    rig.lanes.wake(rig.now[0])
    rig.lanes.take()
    rig.settle([(lane, Unavailable("500 again", 500))])
    ((entry, parking),) = rig.parked
    assert (entry.order_id, parking.reason, parking.attempts, parking.status) == ("A", ParkReason.GAVE_UP, 3, 500)
    assert "gave up after 3 attempts: 500 again" in parking.detail
    assert rig.committable() == 0, "it is committed when it is safely parked, not before"


def test_an_outage_is_not_held_against_the_records_that_it_met() -> None:
    rig = Rig(retry={"first": "1s", "max": "1s", "give_up_after": "60s"})
    gate = rig.gate
    lane = rig.fly("A")
    rig.settle([(lane, Unavailable("500"))])
    rig.settle([(rig.fly("B"), Denied("401"))])
    rig.now[0] += 3600
    assert gate.admits(rig.now[0], 0) == 1
    rig.settle([(rig.lanes.take() or lane, Delivered())])  # B, the probe
    rig.lanes.wake(rig.now[0])
    assert rig.lanes.take() is lane
    rig.settle([(lane, Unavailable("500"))])
    assert rig.parked == []
    assert lane.state is LaneState.WAITING


def test_a_status_waits_for_its_create_which_overtakes_it(rig: Rig) -> None:
    lane = rig.fly("A")
    rig.settle([(lane, UnknownOrder("404"))])
    rig.add("A", topic=CREATED)
    taken = rig.lanes.take()
    assert taken is lane
    assert lane.queue[0].creates_order
    rig.settle([(lane, Delivered())])
    assert rig.lanes.take() is lane
    assert not lane.queue[0].creates_order


def test_a_status_whose_create_never_comes_is_parked_after_its_wait() -> None:
    rig = Rig(unknown_order_wait="60s")
    lane = rig.fly("A")
    while not rig.parked:
        rig.settle([(lane, UnknownOrder("404", 404))])
        if not rig.parked:
            assert lane.due <= 1060.0, "the last try is at the end of the wait"
            rig.now[0] = lane.due
            rig.lanes.wake(rig.now[0])
            rig.lanes.take()
    assert rig.now[0] == 1060.0
    assert rig.parked[0][1].reason is ParkReason.UNKNOWN_ORDER


def test_a_stream_that_is_refused_wholesale_is_not_parked() -> None:
    rig = Rig(suspect_after=3)
    for order in "ABC":
        rig.settle([(rig.fly(order), Rejected("account is read-only", 400))])
    assert rig.gate.state is SHUT
    assert [entry.order_id for entry, _ in rig.parked] == ["A", "B"], "the third made it suspect: it waits"
    assert "C" in rig.lanes
    assert "suspect" in (rig.stats.last_error or "")


def test_refusals_in_one_request_with_a_delivery_do_not_make_the_account_suspect() -> None:
    rig = Rig(suspect_after=3)
    for round_ in range(4):
        lanes = [rig.fly(f"{round_}{order}") for order in "ABC"]
        rig.settle([(lanes[0], Rejected("no")), (lanes[1], Rejected("no")), (lanes[2], Delivered())])
    assert rig.gate.is_open
    assert len(rig.parked) == 8


def test_a_vendors_fault_counts_once_a_flight(rig: Rig) -> None:
    """A time-out of one request with a hundred orders says no more of the vendor than one with a single order."""
    lanes = [rig.fly(f"A-{n}") for n in range(100)]
    rig.settle([(lane, Unknown("time-out")) for lane in lanes])
    assert rig.gate.is_open
    assert rig.stats.unknown == 100


def test_a_refusals_words_are_masked_before_they_go_anywhere(rig: Rig) -> None:
    rig.settle([(rig.fly("A:Jo.Public@shop.example"), Rejected("bad e-mail jo.public@SHOP.example"))])
    assert rig.parked[0][1].detail == "bad e-mail ***"


def test_when_waiting_records_fill_their_share_the_one_that_failed_longest_is_parked() -> None:
    rig = Rig(max_unfinished=8)
    for number in range(5):
        rig.settle([(rig.fly(f"A-{number}"), Unavailable("500"))])
        rig.now[0] += 0.01
    assert rig.parked == []
    rig.settle([(rig.fly("B"), Delivered())])
    assert [(entry.order_id, parking.reason) for entry, parking in rig.parked] == [("A-0", ParkReason.GAVE_UP)]


def test_results_of_partitions_that_were_given_away_finish_nothing(rig: Rig) -> None:
    lane = rig.fly("A")
    entry = lane.queue[0]
    rig.assign(0, epoch=2)
    rig.settle([(lane, Delivered())])
    assert rig.committable() == 0
    assert entry.ledger is not rig.shard.ledgers[entry.record.at]
    assert rig.lane_is_free("A")


def test_a_record_that_is_refused_for_itself_alone_is_parked_as_such(rig: Rig) -> None:
    for name, fences in (("A", True), ("B", False)):
        rig.settle([(rig.fly(name, CREATED), Rejected("no", 409, blocks_following=fences))])
    assert [parking.blocks_following for _, parking in rig.parked] == [True, False]


def test_skip_of_what_the_vendor_has_already_supersedes_parked_records_as_a_delivery_does(rig: Rig) -> None:
    """What is parked of the order from before must not be delivered any more."""
    for name, supersedes in (("A", True), ("B", False)):
        rig.fence(name, Fence(ParkReason.REJECTED, "no", 0, 1, 5, 5, non_blocking=True))
        rig.settle([(rig.fly(name, CREATED), Skipped("delivery unchanged", supersedes=supersedes))])
    assert [name for name, fence in rig.shard.fences.items() if fence.superseded] == ["A"]
    assert rig.stats.skipped == {"delivery unchanged": 2}
