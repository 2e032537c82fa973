"""Looks at one e-Courier order: what an answer in any form means, and which answers are faults."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.vendors.ecourier.conftest import ACCOUNT, talk_of
from workers.core.delivery.outcome import Delivered, Denied, Throttled, Unavailable
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.vendors.contract import MaybeSent, NotSent
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.poll.poller import EcourierPoller

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


def test_the_order_status_is_the_stage() -> None:
    order = look_at(answer(status=" A ")).order
    assert order is not None
    assert (order.stage.name, order.stage.code, order.stage.description) == ("A", None, "Assigned")
    assert (order.stage.progress, order.order_number, order.account, order.raw) == ("processing", NUMBER, "", None)


@pytest.mark.parametrize(
    ("status", "progress"), [("N", "received"), ("x", "cancelled"), ("I", "unknown"), (None, "unknown")]
)
def test_a_status_without_a_configured_meaning_is_unknown(status: str | None, progress: str) -> None:
    order = look_at(answer(status=status)).order
    assert order is not None
    assert order.stage.progress == progress


def test_options_define_the_meaning_of_statuses_and_events() -> None:
    look = look_at(answer(PICKUP, status="i"), progress={"I": "in_transit"}, final_events=["PICKUP"])
    assert look.order is not None
    assert look.order.stage.progress == "in_transit"
    assert [one.ends for one in look.events] == [True]


def test_each_event_is_published_with_all_its_fields() -> None:
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


def test_an_event_with_nothing_but_its_id_is_published() -> None:
    """Its content may be unreadable, but the event itself is not lost."""
    assert [one.id for one in events_of({"OrderEventID": 8}, {"OrderEventID": "9", "Note": ["left", "at door"]})] == [
        "8",
        "9",
    ]


@pytest.mark.parametrize("own", [{}, {"OrderEventID": ""}, {"OrderEventID": 0}, {"OrderEventID": None}])
def test_an_event_without_an_id_is_identified_by_its_content(own: dict[str, Any]) -> None:
    event = {"EventType": "Note", "Note": "left at door", "EventDateTime": "7/4/2026 9:30:00 AM"} | own
    one, same, other = events_of(event, {f"@{name}": value for name, value in event.items()}, event | {"Note": "back"})
    assert one.id == same.id == f"h-{one.digest.hex()}"
    assert other.id != one.id


def test_anomalies_are_counted() -> None:
    assert look_at(answer(PICKUP)).notes == {}
    assert look_at(answer({"EventType": "Note"})).notes == {"events_without_id": 1, "unreadable_event_time": 1}
    assert look_at(answer(PICKUP, status=" ")).notes == {"orders_without_status": 1}


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("3/8/2026 1:59:59 AM", "2026-03-08T06:59:59"),
        ("3/8/2026 2:30:00 AM", "2026-03-08T06:30:00"),  # in the skipped hour: shifted to before it
        ("3/8/2026 3:00:00 AM", "2026-03-08T07:00:00"),
        ("11/1/2026 12:59:59 AM", "2026-11-01T04:59:59"),
        ("11/1/2026 1:30:00 AM", "2026-11-01T05:30:00"),  # in the repeated hour: the earlier one
        ("11/1/2026 2:00:00 AM", "2026-11-01T07:00:00"),
        ("2026-11-01T02:00:00", "2026-11-01T07:00:00"),
        ("2026-11-01T02:00:00Z", "2026-11-01T02:00:00"),
    ],
)
def test_times_are_read_in_the_accounts_zone_also_when_clocks_change(text: str, utc: str) -> None:
    [event] = events_of(PICKUP | {"@EventDateTime": text})
    assert event.occurred_ms == round(datetime.fromisoformat(f"{utc}+00:00").timestamp() * 1000)
    assert event.content["occurred_at_text"] == text


NEVER = ["1/1/0001 12:00:00 AM", "12/31/9999 11:59:59 PM", "0001-01-01T00:00:00", "9999-12-31T23:59:59Z"]


@pytest.mark.parametrize("text", ["soon", "", None, "13/13/2026 1:00:00 AM", *NEVER])
def test_an_unreadable_time_is_none_and_its_text_is_kept(text: str | None) -> None:
    [event] = events_of(PICKUP | {"@EventDateTime": text})
    assert (event.occurred_ms, event.content["occurred_at_text"]) == (None, text)


def test_raw_holds_the_vendors_json_without_the_token() -> None:
    look = look_at(answer(PICKUP, **{"@UserGUID": "guid-canary"}), raw=True)
    assert look.order is not None
    assert '"OrderStatus":"A"' in (look.order.raw or "")
    assert "canary" not in (look.order.raw or "")
    assert '"EventNote":"dock"' in look.events[0].content["raw"]


def test_long_texts_are_cut_so_that_kafka_accepts_the_event() -> None:
    huge = {"OrderEventID": 14, "EventType": "Note", "Note": "n" * 1_200_000}
    look = look_at(answer(huge, status="s" * 1_200_000), raw=True)
    [event], order = look.events, look.order
    assert order is not None
    assert (len(event.content["note"]), len(order.stage.name), event.content["event_type"]) == (16_384, 16_384, "Note")
    assert (event.content["raw"], order.raw) == (None, None)
    assert look.notes["too_long_texts"] == 4


def test_an_events_id_covers_all_of_its_text_even_if_it_is_cut() -> None:
    one, other = events_of({"Note": "n" * 20_000 + "a"}, {"Note": "n" * 20_000 + "b"})
    assert one.id != other.id


def test_a_missing_order_is_a_look_without_an_order() -> None:
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
def test_an_answer_without_the_order_is_a_fault(given: Any, fault: type) -> None:
    _, found = talk_of(poller().look(NUMBER), given)
    assert isinstance(found, fault)


def test_a_wrong_time_zone_is_denied_without_a_request() -> None:
    broken = EcourierPoller(EcourierPollerOptions(), ACCOUNT | {"TIME_ZONE": "EST5"})
    asked, found = talk_of(broken.look(NUMBER))
    assert asked == []
    assert isinstance(found, Denied)


def test_check_looks_up_an_improbable_order() -> None:
    gone = httpx.Response(500, json={"status": "-4", "statusdescription": "Order Not Found"})
    _, found = talk_of(poller().check(), gone)
    assert isinstance(found, Delivered)
