"""``/status/waiting``: which orders wait, the oldest first, and what each waits for."""

from typing import Any

import pytest

from tests.support.intake_stand import Stand
from tests.support.sink_rig import CREATED, STATUS, TOPICS, Rig
from workers.app.sink.status.waiting import MOST_ORDERS, waiting_status
from workers.core.consume.start_position import NeedsOperator
from workers.core.delivery.outcome import Unavailable, UnknownOrder
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking
from workers.core.record import Partition


@pytest.fixture
def rig() -> Rig:
    return Rig(publish_skew="1s")


def rows(rig: Rig, order_id: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = waiting_status(rig.context, rig, order_id)["orders"]
    return found


def only(rig: Rig) -> dict[str, Any]:
    (row,) = rows(rig)
    return row


def test_an_order_behind_a_shut_gate_shows_its_reason_and_since_when(rig: Rig) -> None:
    rig.add("A")
    rig.gate.report(Unavailable("connection refused"), 990.0, 0.5)
    for _ in range(9):
        rig.gate.report(Unavailable("connection refused"), 990.0, 0.5)
    row = only(rig)
    assert (row["waits_for"], row["why"]) == ("gate", "gate shut (unavailable): connection refused")
    assert (row["why_since"], row["since"]) == ("1970-01-01T00:16:30.000Z", "1970-01-01T00:00:01.000Z")
    assert row["until"] > row["why_since"]


def test_a_record_behind_another_of_its_order_names_it_when_one_order_is_asked_for(rig: Rig) -> None:
    rig.add("A", "A")
    rig.add("B")
    assert [(row["order_id"], row["records"]) for row in rows(rig)] == [("A", 2), ("B", 1)]
    first, second = rows(rig, "A")
    assert (first["waits_for"], first["offset"]) == ("turn", 0)
    assert (second["why"], second["offset"]) == (f"behind {STATUS}/0@0", 1)


def test_a_status_that_waits_for_its_create_shows_until_when(rig: Rig) -> None:
    lane = rig.fly("A")
    rig.settle([(lane, UnknownOrder("404"))])
    row = only(rig)
    assert row["waits_for"] == "create"
    assert (row["why_since"], row["until"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:21:40.000Z")


def test_a_failed_try_shows_when_the_next_one_is(rig: Rig) -> None:
    lane = rig.fly("A")
    rig.settle([(lane, Unavailable("HTTP 503"))])
    row = only(rig)
    assert (row["waits_for"], row["why"]) == ("retry", "try 1 failed: HTTP 503")
    assert row["why_since"] == "1970-01-01T00:16:40.000Z"
    assert row["until"] > row["why_since"]


def test_an_order_in_flight_a_held_one_and_one_that_is_being_parked(rig: Rig) -> None:
    rig.fly("A")
    rig.lanes.add(rig.entry("B"), rig.now[0], hold=True)
    rig.finisher.park(rig.entry("C"), Parking(ParkReason.REJECTED, "no"))
    assert [(row["order_id"], row["waits_for"]) for row in rows(rig)] == [
        ("A", "answer"),
        ("B", "publish_skew"),
        ("C", "parking"),
    ]


async def test_what_the_merge_holds_back_says_what_must_be_read_first() -> None:
    stand = Stand()
    stand.begin()
    stand.fetch(stand.rig.record("A"), ends={Partition(CREATED, 0): 5, Partition(STATUS, 0): 1})
    row = only(stand.rig)
    assert (row["order_id"], row["waits_for"], row["why"]) == ("A", "other_topic", f"{CREATED}/0 must be read first")


def test_before_the_parked_state_is_known_all_waits_for_it(rig: Rig) -> None:
    rig.shard.fences_loaded = False
    record = rig.record("A")
    rig.shard.merge.push(STATUS, [record], dict.fromkeys(TOPICS, 0), 1)
    assert only(rig)["waits_for"] == "state"


def test_an_unknown_schema_and_a_stopped_partition_are_named(rig: Rig) -> None:
    rig.shard.next = rig.record("?A")
    assert only(rig)["why"] == f"the schema of {STATUS}/0@0 is not known yet: the registry is asked"
    rig.shard.suspect = rig.shard.stopped[Partition(STATUS, 0)] = NeedsOperator("no record of its schema decodes")
    assert only(rig)["waits_for"] == "operator"
    stopped = waiting_status(rig.context, rig)["stopped"]
    assert stopped == [{"topic": STATUS, "partition": 0, "reason": "no record of its schema decodes"}]


def test_the_list_is_bounded_has_the_oldest_and_a_total(rig: Rig) -> None:
    for number in range(MOST_ORDERS + 5):
        rig.lanes.add(rig.entry(f"o{number}", ms=5_000 - number))
    found = waiting_status(rig.context, rig)
    assert (found["total"], found["records"], len(found["orders"])) == (MOST_ORDERS + 5, MOST_ORDERS + 5, MOST_ORDERS)
    assert found["orders"][0]["order_id"] == f"o{MOST_ORDERS + 4}"


def test_an_order_that_waits_nowhere_has_no_row(rig: Rig) -> None:
    rig.add("A")
    found = waiting_status(rig.context, rig, "B")
    assert (found["total"], found["orders"]) == (0, [])
