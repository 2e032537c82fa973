"""The rules of e-Courier's page, checked before anything is sent; and its wall times."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import money
from tests.vendors.ecourier.conftest import created_of, sink_of, status_of
from workers.core.delivery.outcome import Rejected
from workers.vendors._shared.local_time import time_zone
from workers.vendors.contract import Call
from workers.vendors.ecourier.wall_time import Clock, format_wall_time, parse_wall_time

FROM, TO = {"sequence": 1, "type": "pickup"}, {"sequence": 2, "type": "destination"}
NO_STOPS = "delivery.stops: must hold at least a pickup stop and a destination stop"
NO_PIECE = "delivery.stops[1].pieces: must be sequences of delivery.pieces, each once"
WEIGHT = "must be 0, or 0.000001 to 1000000"
ABSURD = (float("inf"), -1.0, -0.00005, 1e16, 1_000_000.5, 1e-7, 5e-324)
NOTIFIER: dict[str, Any] = {"order_notify_id": 2, "notify_email": "a@b.example", "subject": "s", "style_sheet_id": 1}
NOTIFIER |= dict.fromkeys(("from_email", "customer_notify_id"))
BAD_NOTIFIERS: list[tuple[dict[str, Any], str]] = [
    ({"order_notify_id": 0}, "order_notify_id: must be -2, -1, or 1 to 12"),
    ({"order_notify_id": 13}, "order_notify_id: must be -2, -1, or 1 to 12"),
    ({"notify_email": " "}, "notify_email: must not be empty"),
    ({"subject": ""}, "subject: must not be empty"),
]
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"stops": []}, NO_STOPS),
    ({"stops": [FROM, FROM | {"sequence": 2}]}, NO_STOPS),
    ({"stops": [TO]}, NO_STOPS),
    ({"stops": [{"sequence": 1, "type": "both"}]}, NO_STOPS),
    ({"stops": [FROM, TO | {"sequence": 1}]}, "delivery.stops: each must have a sequence of its own"),
    ({"pieces": [{}, {}]}, "delivery.pieces: each must have a sequence of its own"),
    ({"stops": [FROM, TO | {"pieces": [1]}]}, NO_PIECE),
    ({"pieces": [{}], "stops": [FROM, TO | {"pieces": [1, 1]}]}, NO_PIECE),
    ({"pieces": [{"sequence": 2}, {"weight": float("nan")}]}, f"delivery.pieces[1].weight: {WEIGHT}"),
    *(({"pieces": [{"weight": weight}]}, f"delivery.pieces[0].weight: {WEIGHT}") for weight in ABSURD),
    ({"pieces": [{"quantity": -1}]}, "delivery.pieces[0].quantity: must be 0 or more"),
    ({"stops": [TO, FROM | {"late_at": 2**62}]}, "delivery.stops[1].late_at: must lie in the years 1 to 9999"),
    (
        {"stops": [FROM | {"early_at": -62135596800000}, TO]},
        "delivery.stops[0].early_at: must lie in the years 1 to 9999",
    ),
    *(({"pieces": [{side: -1.0}]}, f"delivery.pieces[0].{side}: {WEIGHT}") for side in ("height", "width")),
    ({"stops": [FROM | {"latitude": 90.1}, TO]}, "delivery.stops[0].latitude: must be -90 to 90"),
    ({"stops": [FROM | {"longitude": float("nan")}, TO]}, "delivery.stops[0].longitude: must be -180 to 180"),
    ({"declared_value": money("-0.01")}, "delivery.declared_value: must be 0 or more"),
    ({"cod_amount": money("-1")}, "delivery.cod_amount: must be 0 or more"),
    *(({"notifiers": [NOTIFIER | change]}, f"delivery.notifiers[0].{said}") for change, said in BAD_NOTIFIERS),
    ({"notes": "\ud800"}, "delivery: a text in it is not valid Unicode"),
]
KEPT: list[dict[str, Any]] = [
    {"service": "", "customer_code": "", "reference": "", "notes": "漢字 😀\r\n"},
    {"stops": [FROM, {"sequence": 2, "type": "both"}]},
    {"stops": [FROM | {"time_zone": zone} for zone in ("America",)] + [TO | {"time_zone": "../etc\0"}]},
    {"pieces": [{"sequence": -1, "quantity": 0, "weight": 1e6, "height": 0.0, "width": 1e6}]},
    {"stops": [FROM | {"latitude": -90.0, "longitude": 180.0}, TO | {"latitude": 90.0, "longitude": -180.0}]},
    {"cod_amount": money("0"), "notifiers": [NOTIFIER | {"order_notify_id": number} for number in (-2, -1, 1, 12)]},
]


@pytest.mark.parametrize(("delivery", "detail"), BROKEN, ids=[str(index) for index in range(len(BROKEN))])
def test_a_delivery_that_breaks_a_rule_is_rejected_with_the_field(delivery: dict[str, Any], detail: str) -> None:
    assert sink_of().prepare(created_of(**delivery)) == Rejected(detail)


@pytest.mark.parametrize("delivery", KEPT, ids=range(len(KEPT)))
def test_a_delivery_that_breaks_no_rule_is_prepared(delivery: dict[str, Any]) -> None:
    assert isinstance(sink_of().prepare(created_of(**delivery)), Call)


@pytest.mark.parametrize(
    ("at", "zone", "text", "abbreviation"),
    [
        ("2026-03-08T06:59:59Z", "America/New_York", "3/8/2026 1:59:59 AM", "EST"),
        ("2026-03-08T07:00:00Z", "America/New_York", "3/8/2026 3:00:00 AM", "EDT"),
        ("2026-11-01T05:30:00Z", "America/New_York", "11/1/2026 1:30:00 AM", "EDT"),
        ("2026-11-01T06:30:00Z", "America/New_York", "11/1/2026 1:30:00 AM", "EST"),
        ("2026-03-29T00:59:59Z", "Europe/Warsaw", "3/29/2026 1:59:59 AM", "CET"),
        ("2026-03-29T01:00:00Z", "Europe/Warsaw", "3/29/2026 3:00:00 AM", "CEST"),
        ("2026-10-25T00:30:00Z", "Europe/Warsaw", "10/25/2026 2:30:00 AM", "CEST"),
        ("2026-10-25T01:30:00Z", "Europe/Warsaw", "10/25/2026 2:30:00 AM", "CET"),
        ("2026-03-08T10:00:00Z", "America/Phoenix", "3/8/2026 3:00:00 AM", "MST"),
        ("2026-07-04T04:00:00Z", None, "7/4/2026 12:00:00 AM", "EDT"),
        ("2026-07-04T16:00:00.999Z", "", "7/4/2026 12:00:00 PM", "EDT"),
        ("2026-07-04T16:00:00Z", "nowhere", "7/4/2026 12:00:00 PM", "EDT"),
        ("2026-12-31T15:00:00Z", "Asia/Tokyo", "1/1/2027 12:00:00 AM", "JST"),
        ("1969-12-31T23:59:59Z", "UTC", "12/31/1969 11:59:59 PM", "UTC"),
    ],
)
def test_an_instant_is_written_as_wall_time_at_the_stop(
    at: str, zone: str | None, text: str, abbreviation: str
) -> None:
    clock = Clock(time_zone("America/New_York") or UTC)
    assert clock.wall_time(round(datetime.fromisoformat(at).timestamp() * 1000), zone, "x") == (text, abbreviation)


@pytest.mark.parametrize(
    ("weight", "text"),
    [(0.00005, "0.00005"), (5e-6, "0.000005"), (1e6, "1000000"), (-0.0, "0"), (0.1 + 0.2, "0.3"), (82.250, "82.25")],
)
def test_a_weight_is_a_plain_decimal(weight: float, text: str) -> None:
    prepared = sink_of().prepare(created_of(pieces=[{"weight": weight}]))
    assert prepared.payload.fields["Pieces"]["Piece"][0]["Weight"] == text


@given(st.integers(-62_135_000_000_000, 253_402_000_000_000))
def test_a_written_time_is_read_back(at: int) -> None:
    moment = parse_wall_time(Clock(UTC).wall_time(at, None, "x").text)
    assert moment is not None
    assert moment.replace(tzinfo=UTC).timestamp() == at // 1000


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("12/05/2020 09:00", "12/5/2020 9:00:00 AM"),  # QuoteOrder's ReadyDateTime
        ("12/05/20 11:00", "12/5/2020 11:00:00 AM"),  # QuoteOrder's DueDateTime
        ("12/05/2020 21:00:05", "12/5/2020 9:00:05 PM"),
        ("9/3/2020 2:43 AM", "9/3/2020 2:43:00 AM"),
        ("9/3/20 2:43:00 AM", "9/3/2020 2:43:00 AM"),
    ],
)
def test_the_pages_other_forms_of_a_time_are_read(text: str, written: str) -> None:
    moment = parse_wall_time(text)
    assert moment is not None
    assert format_wall_time(moment) == written


@pytest.mark.parametrize("text", ["", "None", "2019-11-13", "13/13/2019 6:00:00 AM", "11/13/2019 16:00:00 AM"])
def test_an_unreadable_time_is_none(text: str) -> None:
    assert parse_wall_time(text) is None


def test_a_save_creates_an_order_and_calls_go_alone() -> None:
    save, cancel = sink_of().prepare(created_of()), sink_of().prepare(status_of())
    assert (save.creates_order, save.group, cancel.creates_order, cancel.group) == (True, None, False, None)
