"""DCL's flows, driven by `next` and `send`: the requests, and what each answer means."""

from collections import Counter
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from tests.vendors.dcl.answers import FIRST, HOUR, NOW, ROW, answer, asked
from tests.vendors.dcl.vendor_model import ACCOUNT, SimulatedVendor, dcl, respond
from workers.core.delivery.outcome import Delivered, Denied, Throttled, Unavailable
from workers.core.poll.time_range import TimeRange
from workers.devkit.simulators.faults import Faults
from workers.vendors.contract import MaybeSent, NotSent, Reading, TooLong
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.poller import FULL_SECOND, DclPoller
from workers.vendors.dcl.reading import OUTSIDE, UNSTAMPED


def test_another_accounts_order_is_left_out() -> None:
    """If DCL did not apply the filter, two shards would publish the order."""
    flow = dcl(9, accounts=("10501", "10502")).window(1, HOUR, NOW)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW, ROW | {"account_number": "10502"}))
    assert [order.account for order in end.value.value.orders] == ["10502"]


def test_an_order_is_mapped_to_a_vendor_order() -> None:
    reading = respond(dcl().window(0, HOUR, NOW), answer(ROW))
    assert isinstance(reading, Reading)
    (order,) = reading.orders
    assert (order.order_number, order.account, order.order_id) == ("TEST02", "10501", "TEST02")
    assert (order.stage.name, order.stage.code, order.stage.description) == ("60", 60, "Fully Shipped")
    assert order.stage.progress == "delivered"
    assert [package["carton_id"] for package in order.shipments[0]["packages"]] == ["A", "B"]
    assert order.shipments[0]["shipment_id"] == "5721085"
    assert order.raw is None


@pytest.mark.parametrize(
    ("code", "progress"),
    [
        (2, "cancelled"),
        (4, "on_hold"),
        (5, "on_hold"),
        (6, "on_hold"),
        (10, "received"),
        (20, "processing"),
        (30, "processing"),
        (40, "processing"),
        (50, "partially_shipped"),
        (52, "partially_shipped"),
        (55, "partially_shipped"),
        (60, "shipped"),
        (62, "closed_short"),
        (70, "shipped"),
        (99, "unknown"),
        (None, "unknown"),
    ],
)
def test_each_stage_has_its_progress_and_an_unknown_one_is_published(code: int | None, progress: str) -> None:
    found = vendor_order(ROW | {"order_stage": code, "shipments": None}, None, DclOptions(), Counter())
    assert (found.stage.code, found.stage.progress) == (code, progress)


def test_a_cancelled_order_is_cancelled_at_any_stage() -> None:
    assert vendor_order(ROW | {"is_cancelled": True}, None, DclOptions(), Counter()).stage.progress == "cancelled"


@pytest.mark.parametrize(
    ("change", "matters"),
    [
        ({"order_stage": 62}, True),
        ({"order_status": 0}, True),
        ({"is_cancelled": True}, True),
        ({"is_back_order": True}, True),
        ({"stage_description": "Shipped"}, True),
        ({"shipments": []}, True),
        ({"modified_at": "2014-11-27T04:00:00-08:00"}, False),
        ({"shipping_instructions": "ring twice"}, False),
        ({"shipments": [{**ROW["shipments"][0], "packages": ROW["shipments"][0]["packages"][::-1]}]}, False),
    ],
)
def test_only_fields_that_matter_change_the_digest(change: dict[str, Any], matters: bool) -> None:
    """Another sequence of packages does not matter, nor does the stamp alone."""
    before, after = (
        vendor_order(ROW, None, DclOptions(), Counter()),
        vendor_order(ROW | change, None, DclOptions(), Counter()),
    )
    assert (before.digest != after.digest) is matters


def test_the_order_id_comes_from_the_field_that_is_configured() -> None:
    assert vendor_order(ROW, None, DclOptions(order_id_from="po_number"), Counter()).order_id == "100002"
    assert vendor_order(ROW, None, DclOptions(order_id_from="customer_number"), Counter()).order_id is None


def test_raw_is_published_only_if_configured_and_short_enough() -> None:
    assert orjson.loads(vendor_order(ROW, None, DclOptions(raw=True), Counter()).raw or "") == ROW
    assert vendor_order({**ROW, "custom_field1": "x" * 300_000}, None, DclOptions(raw=True), Counter()).raw is None


def test_a_full_page_halves_the_window_until_one_page_holds_it() -> None:
    flow = dcl(1).window(0, HOUR, NOW)
    next(flow)
    assert asked(flow.send(answer(ROW)))["modified_to"] == "2014-11-26T11:36:40Z"
    assert asked(flow.send(answer(ROW)))["modified_to"] == "2014-11-26T11:21:40Z"
    with pytest.raises(StopIteration) as end:
        flow.send(answer())
    assert end.value.value == Reading((), TimeRange(FIRST, FIRST + 900_000))


def test_an_answer_that_is_too_long_halves_the_window_too() -> None:
    """The same request would get the same long answer, and block the account."""
    flow = dcl(9).window(0, HOUR, NOW)
    next(flow)
    assert (
        asked(flow.throw(TooLong("the answer is longer than 67108864 bytes")))["modified_to"] == "2014-11-26T11:36:40Z"
    )
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW))
    assert end.value.value.time_range == TimeRange(FIRST, FIRST + 1_800_000)


def test_a_full_second_is_walked_until_two_walks_agree_and_is_counted() -> None:
    vendor = SimulatedVendor(Faults(sort="id"))
    for number in range(7):
        vendor.ledger.put(f"O{number}", 10)
    start = vendor.clock() // 1000 * 1000
    reading = vendor.run(dcl(3).window(0, TimeRange(start, start + 1000), start + 1000))
    assert isinstance(reading, Reading)
    assert len(reading.orders) == 7
    assert reading.notes == {FULL_SECOND: 1}
    assert vendor.requests == 1 + 2 * 3


def test_a_full_second_that_is_not_over_is_walked_once() -> None:
    """Orders may still enter it; the next poll reads it again."""
    vendor = SimulatedVendor(Faults(sort="id"))
    for number in range(7):
        vendor.ledger.put(f"O{number}", 10)
    start = vendor.clock() // 1000 * 1000
    reading = vendor.run(dcl(3).window(0, TimeRange(start, start + 1000), start))
    assert isinstance(reading, Reading)
    assert len(reading.orders) == 7
    assert vendor.requests == 1 + 3


def test_rows_outside_the_window_are_left_out_and_counted() -> None:
    late = ROW | {"order_number": "LATE", "modified_at": "2014-11-26T13:00:00Z"}
    early = ROW | {"order_number": "EARLY", "modified_at": "2014-11-26T02:00:00-08:00"}
    reading = respond(dcl(9).window(0, HOUR, NOW), answer(late, ROW | {"modified_at": "2014-11-26T12:00:00Z"}, early))
    assert isinstance(reading, Reading)
    assert [order.order_number for order in reading.orders] == ["TEST02"]
    assert reading.notes == {OUTSIDE: 2}


def test_an_order_with_an_unreadable_stamp_is_kept() -> None:
    reading = respond(
        dcl(9).window(0, HOUR, NOW),
        answer(ROW | {"modified_at": "soon"}, ROW | {"order_number": "NEXT", "modified_at": None}),
    )
    assert isinstance(reading, Reading)
    assert len(reading.orders) == 2
    assert reading.notes == {UNSTAMPED: 2}


def test_a_stamp_in_the_repeated_hour_belongs_to_both_windows() -> None:
    """01:30 on 2026-11-01 is 08:30 or 09:30 UTC; only DCL knows which."""
    second = 1_793_525_400_000  # 2026-11-01T09:30:00Z
    reading = respond(
        dcl(9).window(0, TimeRange(second - 60_000, second + 60_000), second),
        answer(ROW | {"modified_at": "2026-11-01T01:30:00"}),
    )
    assert isinstance(reading, Reading)
    assert [order.modified_ms for order in reading.orders] == [second - 3_600_000]


def test_a_summer_stamp_without_an_offset_may_be_standard_time() -> None:
    """ "Local PST" as UTC-8 all year is an hour later than Pacific daylight time: the row is in the window."""
    noon = 1_782_936_000_000  # 2026-07-01T20:00:00Z
    span = TimeRange(noon - 60_000, noon + 60_000)
    reading = respond(dcl(9).window(0, span, noon), answer(ROW | {"modified_at": "2026-07-01T12:00:00"}))
    assert isinstance(reading, Reading)
    assert [order.order_number for order in reading.orders] == ["TEST02"]


PAGE = httpx.Response(200, content=b"<html>Sign in</html>", headers={"content-type": "text/html"})


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (answer(error_code=7, error_message="Out of order"), Unavailable),
        (answer(orders=None, error_code=7), Unavailable),
        (httpx.Response(200, content=b'{"error_code": 0}'), Unavailable),
        (httpx.Response(200, content=b'{"error_code": 0, "orders": [{"order_nu'), Unavailable),
        (httpx.Response(200, content=b"[]"), Unavailable),
        (httpx.Response(200), Unavailable),
        (PAGE, Unavailable),
        (answer({"order_stage": 10}), Unavailable),
        (answer("TEST02"), Unavailable),
        (answer(ROW | {"order_number": ""}), Unavailable),
        (answer(status=400, error_code=40), Unavailable),
        (answer(status=401, error_code=41), Denied),
        (answer(status=403, error_code=43), Denied),
        (httpx.Response(404), Denied),
        (
            httpx.Response(404, content=b'{"Message": "No HTTP resource was found that matches the request URI"}'),
            Denied,
        ),
        (httpx.Response(404, content=b'{"error_code": 404, "error_message": "An error has occurred."}'), Denied),
        (answer(ROW, status=404), Denied),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), Denied),
        (httpx.Response(429, headers={"retry-after": "7"}), Throttled),
        (httpx.Response(503, headers={"retry-after": "7"}), Throttled),
        (httpx.Response(503), Unavailable),
        (httpx.Response(500), Unavailable),
    ],
)
def test_an_answer_that_breaks_a_rule_is_a_fault(response: httpx.Response, fault: type) -> None:
    assert isinstance(respond(dcl().window(0, HOUR, NOW), response), fault)


@pytest.mark.parametrize("lost", [NotSent("refused"), MaybeSent("reset")])
def test_a_lost_answer_is_a_fault(lost: Exception) -> None:
    flow = dcl().window(0, HOUR, NOW)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.throw(lost)
    assert end.value.value == Unavailable(str(lost))


def test_many_orders_are_looked_up_by_number_in_one_request() -> None:
    flow = dcl(9).by_key(0, ["10501/TEST02", "10501/A#1"])
    assert asked(next(flow))["order_numbers"] == "TEST02,A#1"
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW, ROW | {"account_number": "another"}))
    assert [order.key for order in end.value.value.orders] == ["10501/TEST02"]


def test_numbers_whose_orders_fill_a_page_are_requested_in_halves() -> None:
    """A login may see one number in several accounts: the sweep would never read orders behind the page."""
    flow, there = dcl(3).by_key(0, ["1/A", "2/A", "1/B", "2/B"]), [ROW | {"order_number": "A"}, ROW, ROW]
    assert asked(next(flow))["order_numbers"] == "A,B"
    assert asked(flow.send(answer(*there)))["order_numbers"] == "A"
    assert asked(flow.send(answer(ROW | {"order_number": "A", "account_number": "1"})))["order_numbers"] == "B"
    with pytest.raises(StopIteration) as end:
        flow.send(answer(ROW | {"order_number": "B", "account_number": "2"}))
    assert [order.key for order in end.value.value.orders] == ["1/A", "2/B"]


def test_an_unknown_time_zone_is_denied_without_a_request() -> None:
    poller = DclPoller(DclOptions(), ACCOUNT | {"TIME_ZONE": "PST or so"})
    with pytest.raises(StopIteration) as end:
        next(poller.window(0, HOUR, NOW))
    assert "TIME_ZONE" in end.value.value.reason


def test_check_verifies_login_and_filter_by_a_harmless_read_and_names_stages_that_are_unmapped() -> None:
    assert asked(next(dcl().check()))["filter"] == "order_stage lt 60"
    assert respond(dcl().check(), answer()) == Delivered(status=200)
    assert respond(dcl().check(), answer(orders=None)) == Delivered(status=200)
    assert isinstance(respond(dcl().check(), httpx.Response(401)), Denied)
    carried = ROW | {"order_stage": 50, "shipments": [{"packages": [{"delivery_status": "Entregado: A. Sample"}]}]}
    open_orders = [carried] + [ROW | {"order_number": f"O{stage}", "order_stage": stage} for stage in (10, 45, 45, 33)]
    found = respond(dcl(9).check(), answer(*open_orders))
    assert isinstance(found, Delivered)
    assert [remark.split(",")[0] for remark in found.remarks] == [
        "open orders have the stage 33",
        "open orders have the stage 45",
        "1 package of open orders: the delivery_status has no meaning; map the text",
    ]


def test_no_secret_shows_in_the_poller() -> None:
    poller = replace(dcl())
    assert "demo-key" not in repr(poller)


def test_walks_of_an_unsorted_full_second_end_while_orders_leave_it() -> None:
    """Each walk shows some orders twice and hides others; an order changes with every page."""
    vendor = SimulatedVendor(Faults(sort="unstable", changes=0), request_ms=20)
    for _ in range(300):
        vendor.ledger.happen(1, vendor.faults)
        vendor.clock.now_ms += 10
    start = vendor.clock() // 1000 * 1000 - 1000
    vendor.clock.now_ms += 2_000
    there = {number for number, version in vendor.ledger.orders_by_number.shown() if version.modified_ms == start}
    vendor.faults = vendor.faults.changed({"changes_per_page": 1})
    reading = vendor.run(dcl(25).window(0, TimeRange(start, start + 1000), start + 1000))
    assert isinstance(reading, Reading)
    left = {number for number in there if vendor.ledger.orders_by_number.latest(number).modified_ms != start}
    assert there - left <= {order.order_number for order in reading.orders}
