"""Rows that are not as DCL's page says: one order's oddity holds up no other order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import orjson
import pytest

from tests.vendors.dcl.answers import HOUR, NOW, ROW, answer
from tests.vendors.dcl.vendor_model import dcl, respond
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.change import digest
from workers.core.poll.last_published import hash_fields
from workers.vendors.contract import Reading
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.page_walks import MOST_PAGES


@pytest.mark.parametrize(
    "odd",
    [
        {"order_stage": "abc"},
        {"order_stage": 60.5},
        {"order_stage": 2**40},
        {"order_stage": {"code": 60}},
        {"order_status": "normal"},
        {"is_cancelled": "maybe"},
        {"stage_description": ["Fully Shipped"]},
        {"shipments": {}},
        {"shipments": [None, 7]},
        {"shipments": [{"ship_id": 1, "ship_date": [], "packages": [None, {"carton_id": {}}]}]},
    ],
)
def test_what_cannot_be_read_of_one_order_holds_up_no_other(odd: dict[str, Any]) -> None:
    reading = respond(dcl(9).window(0, HOUR, NOW), answer(ROW | odd, ROW | {"order_number": "NEXT"}))
    assert isinstance(reading, Reading)
    assert [order.order_number for order in reading.orders] == ["TEST02", "NEXT"]
    assert reading.notes["unreadable_fields"] >= 1


@pytest.mark.parametrize(("code", "name"), [("abc", "abc"), (2**40, "1099511627776"), (60.5, "60.5"), ("60", "60")])
def test_a_stage_that_is_no_number_flows_as_its_text(code: Any, name: str) -> None:
    found = vendor_order(ROW | {"order_stage": code}, None, DclOptions(), Counter())
    assert found.stage.name == name
    assert found.digest != vendor_order(ROW | {"order_stage": "other"}, None, DclOptions(), Counter()).digest


def test_numbers_for_texts_are_read() -> None:
    """DCL gives ids as either: an account that is configured is found by its number, too."""
    row = ROW | {"order_number": 4711, "account_number": 10501}
    reading = respond(dcl(9, accounts=("10501",)).window(0, HOUR, NOW), answer(row))
    assert isinstance(reading, Reading)
    assert [order.key for order in reading.orders] == ["10501/4711"]


def many_packages(count: int) -> dict[str, Any]:
    packages = [{"carton_id": f"DCLL{n:06}", "tracking_number": f"1Z05R2W1{n:012}"} for n in range(count)]
    return ROW | {"shipments": [{"ship_id": 1, "packages": packages}, {"ship_id": 2, "packages": packages}]}


def test_more_packages_than_an_event_can_hold_are_left_out_and_counted() -> None:
    """An event that Kafka refuses would hold up every other order for ever."""
    notes = Counter[str]()
    found = vendor_order(many_packages(30_000), None, DclOptions(), notes)
    assert 0 < len(orjson.dumps(found.shipments)) < 1_500_000
    assert notes["shipments_cut_short"] == 1
    other = many_packages(30_000)
    other["shipments"][1]["packages"][-1]["delivery_status"] = "Delivered"
    assert vendor_order(other, None, DclOptions(), notes).digest != found.digest, (
        "what is left out matters all the same"
    )


def test_thousands_of_packages_are_told_whole() -> None:
    notes = Counter[str]()
    found = vendor_order(many_packages(2_500), None, DclOptions(), notes)
    assert [len(one["packages"]) for one in found.shipments] == [2_500, 2_500]
    assert not +notes


def test_texts_too_long_for_an_event_are_told_cut() -> None:
    notes, long = Counter[str](), "x" * 2_000_000
    shipment = {"shipping_carrier": long, "packages": [{"tracking_number": long}]}
    odd = ROW | {"stage_description": long, "po_number": long, "shipments": [shipment]}
    found = vendor_order(odd, None, DclOptions(order_id_from="po_number"), notes)
    assert len(orjson.dumps([found.stage.description, found.order_id, found.shipments])) < 100_000
    assert notes == {"too_long_texts": 4, "shipments_cut_short": 0}


@pytest.mark.parametrize("order", [1, -1])
def test_of_an_order_that_an_answer_shows_twice_the_newer_state_is_told(order: int) -> None:
    """Told both, each poll would tell them again: one is always a change to the other."""
    older = ROW | {"order_stage": 10, "modified_at": "2014-11-26T03:59:59-08:00"}
    reading = respond(dcl(9).window(0, HOUR, NOW), answer(*[older, ROW][::order]))
    assert isinstance(reading, Reading)
    assert [one.stage.code for one in reading.orders] == [60]
    assert reading.notes == {"orders_shown_twice": 1}


def test_of_two_states_of_one_stamp_the_same_is_told_whichever_comes_first() -> None:
    """Were it the last one, a vendor that shows them in changing sequence would make a change of each poll."""
    both = [ROW | {"order_stage": 60}, ROW | {"order_stage": 70}]
    told = [respond(dcl(9).window(0, HOUR, NOW), answer(*rows)) for rows in (both, both[::-1])]
    assert all(isinstance(one, Reading) for one in told)
    assert len({one.orders[0].digest for one in told if isinstance(one, Reading)}) == 1


def test_an_order_without_a_stage_is_not_told_anew_because_the_relay_was_changed() -> None:
    """Its digest is remembered in Kafka for longer than any version runs."""
    bare = {"order_number": "A", "order_stage": None, "is_cancelled": False, "is_back_order": False}
    assert vendor_order(bare, 0, DclOptions(), Counter()).digest == digest(["A", None, "", [None, False, False], []])


@pytest.mark.parametrize("depth", [300, 1000])
@pytest.mark.parametrize("beside", [{}, {"is_cancelled": "maybe"}])
def test_a_field_that_is_nested_too_deeply_counts_as_missing(depth: int, beside: dict[str, Any]) -> None:
    """It cannot be hashed, copied or written: the process would end, and again after each restart."""
    deep = b'{"error_code":0,"orders":[{"order_lines":' + b"[" * depth + b"]" * depth + b","
    body = deep + orjson.dumps(ROW | beside)[1:] + b"]}"
    reading = respond(dcl(9, raw=True).window(0, HOUR, NOW), httpx.Response(200, content=body))
    assert isinstance(reading, Reading)
    assert [(one.order_number, "order_lines" in one.fields) for one in reading.orders] == [("TEST02", False)]
    assert reading.notes == {"unreadable_fields": 1 + len(beside)}
    assert hash_fields(reading.orders[0].fields, FIELDS)


def test_a_vendor_that_shows_the_same_page_for_ever_is_not_asked_for_ever() -> None:
    same = answer(ROW, ROW | {"order_number": "OTHER"})
    reading = respond(dcl(2).window(0, HOUR, NOW), *[same] * (MOST_PAGES + 20))
    assert isinstance(reading, Unavailable)
    assert "is 'page' ignored?" in reading.reason
