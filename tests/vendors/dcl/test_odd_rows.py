"""Rows that differ from DCL's page: one order's bad field blocks no other order."""

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
from workers.vendors._shared.page_walks import MOST_PAGES
from workers.vendors.contract import Reading
from workers.vendors.dcl.api import FIELDS
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions


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
        {"shipments": [{"total_charge": "much", "rs_tracking_number": {}}]},
        {"shipments": [{"packages": [{"shipped_items": [{"quantity": True, "lot_details": [7]}, 7]}]}]},
        {"shipments": [None, 7]},
        {"shipments": [{"ship_id": 1, "ship_date": [], "packages": [None, {"carton_id": {}}]}]},
    ],
)
def test_unreadable_fields_of_one_order_block_no_other(odd: dict[str, Any]) -> None:
    reading = respond(dcl(9).window(0, HOUR, NOW), answer(ROW | odd, ROW | {"order_number": "NEXT"}))
    assert isinstance(reading, Reading)
    assert [order.order_number for order in reading.orders] == ["TEST02", "NEXT"]
    assert reading.notes["unreadable_fields"] >= 1


@pytest.mark.parametrize("number", [None, "", [], "x" * 3_000_000, {"a": 1}, True])
def test_an_order_without_a_readable_number_is_left_out_and_counted(number: Any) -> None:
    """It could have no event; as a fault it would keep the cursor, and all other orders, where they are."""
    reading = respond(dcl(9).window(0, HOUR, NOW), answer(ROW | {"order_number": number}, ROW))
    assert isinstance(reading, Reading)
    assert [order.order_number for order in reading.orders] == ["TEST02"]
    assert reading.notes == {"orders_without_number": 1}


@pytest.mark.parametrize(("code", "name"), [("abc", "abc"), (2**40, "1099511627776"), (60.5, "60.5"), ("60", "60")])
def test_a_stage_that_is_no_number_is_published_as_its_text(code: Any, name: str) -> None:
    found = vendor_order(ROW | {"order_stage": code}, None, DclOptions(), Counter())
    assert found.stage.name == name
    assert found.digest != vendor_order(ROW | {"order_stage": "other"}, None, DclOptions(), Counter()).digest


def test_numbers_in_text_fields_are_read() -> None:
    """DCL sends ids as text or number: a configured account is found by its number, too."""
    row = ROW | {"order_number": 4711, "account_number": 10501}
    reading = respond(dcl(9, accounts=("10501",)).window(0, HOUR, NOW), answer(row))
    assert isinstance(reading, Reading)
    assert [order.key for order in reading.orders] == ["10501/4711"]


def many_packages(count: int) -> dict[str, Any]:
    packages = [{"carton_id": f"DCLL{n:06}", "tracking_number": f"1Z05R2W1{n:012}"} for n in range(count)]
    return ROW | {"shipments": [{"ship_id": 1, "packages": packages}, {"ship_id": 2, "packages": packages}]}


def test_more_packages_than_an_event_can_hold_are_left_out_and_counted() -> None:
    """An event that Kafka refuses would block every other order for ever."""
    notes = Counter[str]()
    found = vendor_order(many_packages(8_000), None, DclOptions(), notes)
    assert 0 < len(orjson.dumps(found.shipments)) < 1_500_000
    assert +notes == {"shipments_cut_short": 1}
    other = many_packages(8_000)
    other["shipments"][1]["packages"][-1]["delivery_status"] = "Delivered"
    assert vendor_order(other, None, DclOptions(), notes).digest != found.digest, (
        "packages that are left out still count"
    )


def test_thousands_of_packages_are_published() -> None:
    notes = Counter[str]()
    found = vendor_order(many_packages(2_500), None, DclOptions(), notes)
    assert [len(one["packages"]) for one in found.shipments] == [2_500, 2_500]
    assert not +notes


def test_of_more_items_than_an_event_can_hold_the_packages_stay_and_a_change_of_the_rest_counts() -> None:
    def with_serials(last: str) -> dict[str, Any]:
        serials = [f"SN{n:018}" for n in range(9_000)]
        goods = [{"shipped_items": [{"item_number": "I", "serial_numbers": serials}]} for _ in range(5)]
        goods[-1]["shipped_items"][0]["serial_numbers"] = [*serials, last]
        return ROW | {"shipments": [{"ship_id": 1, "packages": goods}]}

    notes = Counter[str]()
    found, other = (vendor_order(with_serials(last), None, DclOptions(), notes) for last in ("a", "b"))
    packages = found.shipments[0]["packages"]
    assert [len(package["items"]) for package in packages] == [1, 1, 0, 0, 0]
    assert +notes == {"items_cut_short": 2}
    assert found.digest != other.digest


def test_texts_too_long_for_an_event_are_cut() -> None:
    notes, long = Counter[str](), "x" * 2_000_000
    shipment = {"shipping_carrier": long, "packages": [{"tracking_number": long}]}
    odd = ROW | {"stage_description": long, "po_number": long, "shipments": [shipment]}
    found = vendor_order(odd, None, DclOptions(order_id_from="po_number"), notes)
    assert len(orjson.dumps([found.stage.description, found.order_id, found.shipments])) < 100_000
    assert +notes == {"too_long_texts": 4}


@pytest.mark.parametrize("order", [1, -1])
def test_of_an_order_shown_twice_the_newer_state_counts(order: int) -> None:
    """If we published both states, every poll would publish them again as changes of each other."""
    older = ROW | {"order_stage": 10, "modified_at": "2014-11-26T03:59:59-08:00"}
    reading = respond(dcl(9).window(0, HOUR, NOW), answer(*[older, ROW][::order]))
    assert isinstance(reading, Reading)
    assert [one.stage.code for one in reading.orders] == [60]
    assert reading.notes == {"orders_shown_twice": 1}


def test_of_two_states_with_one_stamp_the_same_counts_in_any_sequence() -> None:
    """If the last one counted, a vendor with a changing sequence would cause a change in each poll."""
    both = [ROW | {"order_stage": 60}, ROW | {"order_stage": 70}]
    readings = [respond(dcl(9).window(0, HOUR, NOW), answer(*rows)) for rows in (both, both[::-1])]
    assert all(isinstance(one, Reading) for one in readings)
    assert len({one.orders[0].digest for one in readings if isinstance(one, Reading)}) == 1


def test_the_digest_of_an_order_without_a_stage_never_changes() -> None:
    """The digest is stored in Kafka for longer than any release runs: another digest would publish the order again."""
    bare = {"order_number": "A", "order_stage": None, "is_cancelled": False, "is_back_order": False}
    first_release = digest(["A", None, "", [None, False, False], []])
    assert first_release in vendor_order(bare, 0, DclOptions(), Counter()).former_digests


@pytest.mark.parametrize("depth", [300, 1000])
@pytest.mark.parametrize("other_bad_fields", [{}, {"is_cancelled": "maybe"}])
def test_a_field_that_is_nested_too_deeply_counts_as_missing(depth: int, other_bad_fields: dict[str, Any]) -> None:
    """It cannot be hashed, copied or written: the process would crash, and again after each restart."""
    deep = b'{"error_code":0,"orders":[{"order_lines":' + b"[" * depth + b"]" * depth + b","
    body = deep + orjson.dumps(ROW | other_bad_fields)[1:] + b"]}"
    reading = respond(dcl(9, raw=True).window(0, HOUR, NOW), httpx.Response(200, content=body))
    assert isinstance(reading, Reading)
    assert [(one.order_number, "order_lines" in one.fields) for one in reading.orders] == [("TEST02", False)]
    assert reading.notes == {"unreadable_fields": 1 + len(other_bad_fields)}
    assert hash_fields(reading.orders[0].fields, FIELDS)


def test_a_vendor_that_ignores_the_page_number_is_a_fault() -> None:
    same = answer(ROW, ROW | {"order_number": "OTHER"})
    reading = respond(dcl(2).window(0, HOUR, NOW), *[same] * (MOST_PAGES + 20))
    assert isinstance(reading, Unavailable)
    assert "is 'page' ignored?" in reading.reason
