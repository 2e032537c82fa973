"""How far a delivery has come: stops, pieces, proof of delivery and events, each as the page names them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest

from tests.vendors.ecourier.conftest import talk_of
from tests.vendors.ecourier.poll.test_poller import NUMBER, PICKUP, answer, look_at, poller
from workers.core.poll.change import ProofOfDelivery, VendorOrder, digest, stage_event
from workers.core.poll.last_published import change_of

AT, LATER = "7/4/2026 9:30:00 AM", "7/4/2026 11:00:00 AM"
LATER_MS = round(datetime(2026, 7, 4, 15, 0, tzinfo=UTC).timestamp() * 1000)
ORDERED = {"Stop": [{"@StopType": "P", "@StopID": "1"}, {"@StopType": "D", "@StopID": "2"}]}


def jobs(*stops: dict[str, Any]) -> dict[str, Any]:
    return {"Job": [{"@Sequence": "1", "JobStops": {"JobStop": list(stops)}}]}


def pickup(**changes: Any) -> dict[str, Any]:
    return {"@StopType": "P", "@StopID": "1"} | changes


def destination(number: str = "2", **changes: Any) -> dict[str, Any]:
    return {"@StopType": "D", "@StopID": number} | changes


def pieces(action: str, *arrived: str | None) -> dict[str, Any]:
    return {"JobStopPiece": [{"@PieceAction": action, "@ArriveDateTime": at} for at in arrived]}


def order_of(*events: Any, options: dict[str, Any] | None = None, **order: Any) -> VendorOrder:
    found = look_at(answer(*events, **({"Stops": ORDERED} | order)), **(options or {})).order
    assert found is not None
    return found


SIGNED = destination(PodDateTime=LATER, PodName="Ada")
SCANNED = destination(DepartDateTime=LATER, JobStopPieces=pieces("D", LATER, LATER))
PROGRESS: list[tuple[dict[str, Any], str]] = [
    ({}, "processing"),
    ({"Jobs": jobs(pickup(), destination())}, "processing"),
    ({"Jobs": jobs(pickup(ArriveDateTime=AT), destination())}, "processing"),  # the driver is still loading
    ({"Jobs": jobs(pickup(DepartDateTime=AT), destination())}, "in_transit"),
    ({"Jobs": jobs(pickup(JobStopPieces=pieces("P", AT, None)), destination())}, "in_transit"),
    ({"Jobs": jobs(pickup(), destination(ArriveDateTime=AT))}, "in_transit"),
    ({"Jobs": jobs(pickup(DepartDateTime="1/1/1900 12:00:00 AM"), destination())}, "processing"),
    ({"Jobs": jobs(pickup(DepartDateTime="soon"), destination())}, "processing"),
    ({"Jobs": jobs(pickup(DepartDateTime=AT), SIGNED)}, "delivered"),
    ({"Jobs": jobs(pickup(DepartDateTime=AT), SCANNED)}, "delivered"),
    ({"Jobs": jobs(destination(JobStopPieces=pieces("D", LATER)))}, "processing"),  # scanned, and still there
    ({"Jobs": jobs(destination(DepartDateTime=LATER, JobStopPieces=pieces("D", LATER, None)))}, "processing"),
    ({"Jobs": jobs(destination(DepartDateTime=LATER))}, "processing"),  # nothing says that it was handed over
    ({"Jobs": jobs(SIGNED, destination("3"))}, "processing"),  # one of two destinations
    ({"Jobs": jobs(pickup(DepartDateTime=AT), destination("9", PodDateTime=LATER))}, "in_transit"),  # a depot
    ({"Jobs": {"Job": {"JobStops": {"JobStop": SIGNED}}}, "Stops": ""}, "delivered"),  # single objects
    ({"Jobs": jobs({"@StopType": "D", "PodDateTime": LATER})}, "delivered"),  # no ids: counted
    ({"PodDateTime": LATER, "PodName": "Ada"}, "delivered"),
    ({"PodName": "Ada"}, "processing"),  # a name may stand there before
    ({"PodDateTime": "1/1/0001 12:00:00 AM", "PodName": "Ada"}, "processing"),
    ({"PodDateTime": LATER, "status": "X"}, "cancelled"),
    ({"PodDateTime": LATER, "status": "I"}, "delivered"),
    ({"Jobs": ["x", {"JobStops": {"JobStop": ["y"]}}], "PodDateTime": {"a": 1}}, "processing"),
]


@pytest.mark.parametrize(("order", "progress"), PROGRESS, ids=range(len(PROGRESS)))
def test_progress_comes_from_stops_pieces_and_proof(order: dict[str, Any], progress: str) -> None:
    assert order_of(**order).stage.progress == progress


@pytest.mark.parametrize(
    ("event_type", "progress"),
    [
        ("Pickup", "in_transit"),
        ("cms  order pickup", "in_transit"),
        ("POD", "delivered"),
        ("CMS Order POD", "delivered"),
        ("Delivered", "delivered"),
        ("web order delivered", "delivered"),
        ("Status change", "processing"),
    ],
)
def test_progress_comes_from_the_pages_events(event_type: str, progress: str) -> None:
    assert order_of({"OrderEventID": "1", "EventType": event_type}).stage.progress == progress


def test_a_site_may_call_its_events_otherwise() -> None:
    look = look_at(answer({"OrderEventID": "1", "EventType": "zugestellt"}), delivered_events=["Zugestellt"])
    assert look.order is not None
    assert (look.order.stage.progress, look.events[0].ends) == ("delivered", True)


def test_what_a_site_means_by_its_statuses_is_added_to_the_defaults() -> None:
    options = {"progress": {"i": "out_for_delivery", "n": "on_hold"}}
    found = [order_of(status=status, options=options).stage.progress for status in ("N", "A", "I", "X")]
    assert found == ["on_hold", "processing", "out_for_delivery", "cancelled"]
    left = order_of(PICKUP, status="I", options=options)
    assert left.stage.progress == "out_for_delivery"  # the site says more than that the parcels have left


def test_the_proof_of_delivery_has_name_and_time() -> None:
    whole = order_of(PodName=" Ada ", PodDateTime=LATER, PodSign="c2lnbmF0dXJl")
    assert whole.proof_of_delivery == ProofOfDelivery("Ada", LATER_MS, LATER)
    assert "Ada" not in repr(whole.proof_of_delivery)
    first, last = destination("2", PodDateTime=AT, PodName="Bob"), destination("3", PodDateTime=LATER, PodName="Ada")
    assert order_of(Jobs=jobs(last, first)).proof_of_delivery == ProofOfDelivery("Ada", LATER_MS, LATER)
    assert order_of(Jobs=jobs(SCANNED)).proof_of_delivery is None
    change = change_of(None, whole, fields=(), first_op="created", now_ms=1)
    assert change is not None
    event = stage_event("ecourier", change[0])
    assert event["proof_of_delivery"] == {"name": "Ada", "at": LATER_MS, "at_text": LATER}
    assert "c2lnbmF0dXJl" not in repr(event)


def test_an_order_without_milestones_makes_no_event_after_an_upgrade() -> None:
    assert order_of().digest == order_of({"OrderEventID": "1", "EventType": "Note"}).digest == digest(["A"])
    assert len({each.digest for each in (order_of(), order_of(PICKUP), order_of(PodDateTime=LATER))}) == 3


def test_a_changed_milestone_is_named() -> None:
    names = ("OrderStatus", "PodName", "PodDateTime", "Jobs", "OrderEvents")
    first = change_of(None, order_of(), fields=names, first_op="created", now_ms=1)
    assert first is not None
    later = order_of(PICKUP, Jobs=jobs(pickup(DepartDateTime=AT), destination()))
    second = change_of(first[1], later, fields=names, first_op="created", now_ms=2)
    assert second is not None
    assert (second[0].op, second[0].changed) == ("updated", ("Jobs", "OrderEvents"))
    assert second[0].order.order_number == NUMBER


@pytest.mark.parametrize("status", ["I", "P", "T", "Z"])
def test_a_status_whose_meaning_is_not_configured_is_counted(status: str) -> None:
    assert look_at(answer(status=status)).notes == {"unmapped_order_status": 1}
    assert look_at(answer(status=status), progress={status: "processing"}).notes == {}
    assert look_at(answer(status=status, PodDateTime=LATER)).notes == {}


def test_a_site_whose_last_event_has_another_name_is_counted() -> None:
    scan = {"OrderEventID": "1", "EventType": "Zugestellt", "EventDateTime": LATER}
    assert look_at(answer(scan, PodDateTime=LATER)).notes == {"delivered_without_final_event": 1}
    assert look_at(answer(scan, PodDateTime=LATER), final_events=["zugestellt"]).notes == {}
    assert look_at(answer(PodDateTime=LATER)).notes == {}


def test_the_pages_sample_is_a_new_order() -> None:
    sample = {
        "@UserGUID": "{4D46E5B7-7866-4B17-98C4-9A7A33856981}",
        "@OrderID": "2073",
        "@SiteID": "1",
        "@SiteCode": "Corporate",
        "@SiteOrderID": "238",
        "@OrderNumber": "2073",
        "@OrderStatus": "N",
        "@CustomerID": "65",
        "@CreateDate": "9/3/2020 2:43:00 AM",
    }
    asked, look = talk_of(poller(raw=True).look("2073"), httpx.Response(200, json={"Order": sample}))
    assert [orjson.loads(one.content) for one in asked] == [{"OrderNumber": "2073"}]
    assert (look.order.stage.name, look.order.stage.progress, look.events, look.notes) == ("N", "received", (), {})
    assert orjson.loads(look.order.raw) == {name[1:]: value for name, value in sample.items() if name != "@UserGUID"}


PERSONAL = ("Name", "Address", "City", "State", "Zip", "Country", "Phone", "See", "Room", "Note", "Latitude")


def test_an_event_holds_no_personal_data_but_who_signed() -> None:
    """Every field of the page that may hold an address, a name, a phone, an e-mail or a signature."""
    place = dict.fromkeys(PERSONAL, "canary")
    order: dict[str, Any] = {
        **dict.fromkeys(("Caller", "CallerPhone", "CallerEmail", "Notes", "PodSign", "UserName", "Auth"), "canary"),
        "Customer": place,
        "Stops": {"Stop": [place | stop for stop in ORDERED["Stop"]]},
        "Jobs": jobs(place | pickup(DepartDateTime=AT), place | destination(PodDateTime=LATER, PodName="signed")),
        "OrderNotifiers": {"OrderNotify": [{"NotifyEmail": "canary@example.com"}]},
        "Pieces": {"Piece": [{"Description": "canary"}]},
    }
    found = order_of(**order)
    change = change_of(None, found, fields=("OrderStatus", "Jobs"), first_op="created", now_ms=1)
    assert change is not None
    event = stage_event("ecourier", change[0])
    assert event["proof_of_delivery"]["name"] == "signed"
    assert "canary" not in repr(event)
    assert "canary" in repr(stage_event("ecourier", raw_change(order)))


def raw_change(order: dict[str, Any]) -> Any:
    change = change_of(None, order_of(options={"raw": True}, **order), fields=(), first_op="created", now_ms=1)
    assert change is not None
    return change[0]
