"""A look at one order: what e-Courier's answer says of it, whatever form it has; and what says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.vendors.ecourier.conftest import ACCOUNT, talk_of
from workers.core.delivery.outcome import Delivered, Denied, Throttled, Unavailable
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.vendors.contract import MaybeSent, NotSent
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.poller import EcourierPoller

NUMBER = "OR-A-1"
PICKUP = {"@OrderEventID": 12, "@EventType": "Pickup", "@EventDateTime": "7/4/2026 9:30:00 AM", "@EventNote": "dock"}
POD = {"OrderEventID": "13", "EventType": "pod", "EventDateTime": "7/4/2026 11:00:00 AM", "UserName": "Ada"}


def poller(**options: Any) -> EcourierPoller:
    return EcourierPoller(EcourierPollerOptions(**options), ACCOUNT)


def answer(*events: Any, status: Any = "A", **order: Any) -> httpx.Response:
    listed = {"OrderEvent": list(events)}
    fields = {"@OrderNumber": NUMBER, "@OrderStatus": status, "OrderEvents": listed}
    return httpx.Response(200, json={"Order": fields | order})


def look_at(response: httpx.Response, **options: Any) -> Look:
    asked, found = talk_of(poller(**options).look(NUMBER), response)
    assert [str(one.url).rpartition("/")[2] for one in asked] == ["GetJsonOrder"]
    assert isinstance(found, Look)
    return found


def events_of(*events: Any, **options: Any) -> list[VendorEvent]:
    return list(look_at(answer(*events), **options).events)


def test_its_status_is_the_stage() -> None:
    order = look_at(answer(status=" A ")).order
    assert order is not None
    assert (order.stage.name, order.stage.code, order.stage.description) == ("A", None, "Assigned")
    assert (order.stage.progress, order.order_number, order.account, order.raw) == ("processing", NUMBER, "", None)


@pytest.mark.parametrize(
    ("status", "progress"), [("N", "received"), ("x", "cancelled"), ("I", "unknown"), (None, "unknown")]
)
def test_a_status_that_is_not_explained_flows_as_unknown(status: str | None, progress: str) -> None:
    order = look_at(answer(status=status)).order
    assert order is not None
    assert order.stage.progress == progress


def test_a_site_says_what_its_statuses_and_events_mean() -> None:
    look = look_at(answer(PICKUP, status="i"), progress={"I": "in_transit"}, final_events=["PICKUP"])
    assert look.order is not None
    assert look.order.stage.progress == "in_transit"
    assert [one.ends for one in look.events] == [True]


def test_each_event_is_told_with_all_that_it_holds() -> None:
    pickup, pod = events_of(PICKUP, POD)
    assert (pickup.id, pickup.ends, pod.id, pod.ends) == ("12", False, "13", True)
    assert pickup.content == {
        "event_type": "Pickup",
        "occurred_at_text": "7/4/2026 9:30:00 AM",
        "user_name": None,
        "user_id": None,
        "note": None,
        "event_source": None,
        "event_note": "dock",
        "edi_note": None,
        "raw": None,
    }
    assert pickup.occurred_ms == round(datetime(2026, 7, 4, 13, 30, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "events", [{"OrderEvent": PICKUP}, {"OrderEvent": [PICKUP]}, [PICKUP], PICKUP | {"OrderEvent": PICKUP}]
)
def test_a_single_event_may_come_as_an_object(events: Any) -> None:
    look = look_at(answer(OrderEvents=events))
    assert [one.id for one in look.events] == ["12"]


@pytest.mark.parametrize("events", ["", None, {}, {"OrderEvent": ""}, {"OrderEvent": [{}]}])
def test_no_events_are_none(events: Any) -> None:
    assert look_at(answer(OrderEvents=events)).events == ()


def test_an_event_that_tells_nothing_but_its_id_is_told() -> None:
    """What it holds may be of a kind that cannot be read: that it happened is not lost."""
    assert [one.id for one in events_of({"OrderEventID": 8}, {"OrderEventID": "9", "Note": ["left", "at door"]})] == [
        "8",
        "9",
    ]


@pytest.mark.parametrize("own", [{}, {"OrderEventID": ""}, {"OrderEventID": 0}, {"OrderEventID": None}])
def test_an_event_without_an_id_is_known_by_its_content(own: dict[str, Any]) -> None:
    event = {"EventType": "Note", "Note": "left at door", "EventDateTime": "7/4/2026 9:30:00 AM"} | own
    one, same, other = events_of(event, {f"@{name}": value for name, value in event.items()}, event | {"Note": "back"})
    assert one.id == same.id == f"h-{one.digest.hex()}"
    assert other.id != one.id


def test_what_is_peculiar_is_counted() -> None:
    assert look_at(answer(PICKUP)).notes == {}
    assert look_at(answer({"EventType": "Note"})).notes == {"events_without_id": 1, "unreadable_event_time": 1}
    assert look_at(answer(PICKUP, status=" ")).notes == {"orders_without_status": 1}


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("3/8/2026 1:59:59 AM", "2026-03-08T06:59:59"),
        ("3/8/2026 2:30:00 AM", "2026-03-08T06:30:00"),  # that hour is skipped: shifted to before it
        ("3/8/2026 3:00:00 AM", "2026-03-08T07:00:00"),
        ("11/1/2026 12:59:59 AM", "2026-11-01T04:59:59"),
        ("11/1/2026 1:30:00 AM", "2026-11-01T05:30:00"),  # that hour comes twice: the earlier one
        ("11/1/2026 2:00:00 AM", "2026-11-01T07:00:00"),
        ("2026-11-01T02:00:00", "2026-11-01T07:00:00"),
        ("2026-11-01T02:00:00Z", "2026-11-01T02:00:00"),
    ],
)
def test_times_are_read_on_the_accounts_clock_through_the_nights_on_which_it_changes(text: str, utc: str) -> None:
    [event] = events_of(PICKUP | {"@EventDateTime": text})
    assert event.occurred_ms == round(datetime.fromisoformat(f"{utc}+00:00").timestamp() * 1000)
    assert event.content["occurred_at_text"] == text


NEVER = ["1/1/0001 12:00:00 AM", "12/31/9999 11:59:59 PM", "0001-01-01T00:00:00", "9999-12-31T23:59:59Z"]


@pytest.mark.parametrize("text", ["soon", "", None, "13/13/2026 1:00:00 AM", *NEVER])
def test_what_is_no_time_is_none_and_its_text_is_kept(text: str | None) -> None:
    [event] = events_of(PICKUP | {"@EventDateTime": text})
    assert (event.occurred_ms, event.content["occurred_at_text"]) == (None, text)


def test_raw_holds_what_came_and_never_the_token() -> None:
    look = look_at(answer(PICKUP, **{"@UserGUID": "guid-canary"}), raw=True)
    assert look.order is not None
    assert '"OrderStatus":"A"' in (look.order.raw or "")
    assert "canary" not in (look.order.raw or "")
    assert '"EventNote":"dock"' in look.events[0].content["raw"]


def test_no_text_is_so_long_that_kafka_refuses_its_event() -> None:
    huge = {"OrderEventID": 14, "EventType": "Note", "Note": "n" * 1_200_000}
    look = look_at(answer(huge, status="s" * 1_200_000), raw=True)
    [event], order = look.events, look.order
    assert order is not None
    assert (len(event.content["note"]), len(order.stage.name), event.content["event_type"]) == (16_384, 16_384, "Note")
    assert (event.content["raw"], order.raw) == (None, None)
    assert look.notes["too_long_texts"] == 4


def test_an_event_is_known_by_all_of_its_text_however_much_of_that_is_told() -> None:
    one, other = events_of({"Note": "n" * 20_000 + "a"}, {"Note": "n" * 20_000 + "b"})
    assert one.id != other.id


def test_an_order_that_is_not_there_is_no_fault() -> None:
    gone = httpx.Response(500, json={"status": "-4", "statusdescription": "Order Not Found"})
    assert look_at(gone) == Look(None)


FAULTS: list[tuple[httpx.Response | Exception, type]] = [
    (httpx.Response(429, headers={"retry-after": "7"}), Throttled),
    (httpx.Response(503), Unavailable),
    (httpx.Response(500, json={"status": "-3", "statusdescription": "Database unavailable"}), Unavailable),
    (httpx.Response(500, json={"status": "-4", "statusdescription": "elements are missing"}), Unavailable),
    (httpx.Response(500, json={"status": "-6", "statusdescription": "no configuration"}), Denied),
    (httpx.Response(404), Denied),
    (httpx.Response(200, json={"status": "0"}), Unavailable),
    (httpx.Response(200, text="<html>maintenance</html>"), Unavailable),
    (httpx.Response(200, json={"Order": {"@OrderNumber": "OR-B", "@OrderStatus": "X"}}), Unavailable),
    (httpx.Response(200, json={"Order": {"Error": "oops", "OrderEvents": ""}}), Unavailable),
    (NotSent("refused"), Unavailable),
    (MaybeSent("no answer"), Unavailable),
]


@pytest.mark.parametrize(("given", "fault"), FAULTS)
def test_an_answer_that_does_not_show_the_order_says_nothing_of_it(given: Any, fault: type) -> None:
    _, found = talk_of(poller().look(NUMBER), given)
    assert isinstance(found, fault)


def test_a_wrong_time_zone_is_our_set_up_and_nothing_is_asked() -> None:
    broken = EcourierPoller(EcourierPollerOptions(), ACCOUNT | {"TIME_ZONE": "EST5"})
    asked, found = talk_of(broken.look(NUMBER))
    assert asked == []
    assert isinstance(found, Denied)


def test_check_asks_for_an_order_that_hardly_exists() -> None:
    gone = httpx.Response(500, json={"status": "-4", "statusdescription": "Order Not Found"})
    _, found = talk_of(poller().check(), gone)
    assert isinstance(found, Delivered)
