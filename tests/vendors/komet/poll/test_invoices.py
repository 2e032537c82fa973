"""Invoices and web orders: what is asked, what is read, and what counts as a change."""

from typing import Any

import httpx
import pytest

from tests.vendors.komet.poll.asked_komet import DAYS, EVERYTHING, NOON_MS, AskedKomet
from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.core.poll.change import VendorOrder
from workers.core.poll.vendor_item import VendorItem
from workers.core.poll.vendor_set import SetReading, SetRow, Updated, with_named_order
from workers.devkit.simulators.komet.seller import CONFIRMED, DAY_MS, DRAFT, PENDING, VOIDED
from workers.vendors.contract import MaybeSent, TooLong
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.orders.mapping import reference
from workers.vendors.komet.poll.invoices import (
    BOXES_CUT,
    MOST_FAULTS,
    NO_NUMBER,
    NOT_ASKED,
    OTHER_CUSTOMER,
    SHOWN_TWICE,
)


@pytest.fixture
def komet() -> AskedKomet:
    return AskedKomet()


def content(row: SetRow) -> dict[str, Any]:
    assert isinstance(row.item, VendorItem)
    return dict(row.item.content)


def order(row: SetRow) -> VendorOrder:
    assert isinstance(row.item, VendorOrder)
    return row.item


def test_one_request_bounds_ship_dates_and_the_time_of_update_in_gmt(komet: AskedKomet) -> None:
    komet.read("invoices", Updated(NOON_MS, DAYS))
    (request,) = komet.requests
    assert dict(request.url.params) == {
        "orderDateFrom": "2026-10-29", "orderDateTo": "2026-12-28", "updatedAsOf": "2026-11-28 12:00:00",
        "customerId": "12", "authenticationToken": "sample-token",
    }  # fmt: skip


def test_locations_are_asked_for_together_and_web_orders_by_their_flag(komet: AskedKomet) -> None:
    komet.account["LOCATION_IDS"] = "3, 4"
    komet.read("web_orders")
    assert (komet.requests[0].url.params["locationIds"], komet.requests[0].url.params["isEcommerce"]) == ("3,4", "true")


def test_orders_not_found_is_a_complete_reading_of_no_row(komet: AskedKomet) -> None:
    assert komet.read("invoices") == SetReading((), DAYS)


@pytest.mark.parametrize(
    ("status", "name", "state", "progress"),
    [
        (DRAFT, "Draft", "draft", "unknown"), (PENDING, "Pending Approval", "open", "received"),
        (CONFIRMED, "Confirmed", "open", "processing"), (VOIDED, "Voided", "voided", "cancelled"),
        (3, "3", "unknown", "unknown"),
    ],
)  # fmt: skip
def test_each_documented_status_has_its_state_and_progress(
    komet: AskedKomet, status: int, name: str, state: str, progress: str
) -> None:
    komet.seller.open(status=status)
    (invoice,) = komet.rows("invoices")
    assert (content(invoice)["status"], content(invoice)["state"]) == (name, state)
    (web,) = komet.rows("web_orders")
    stage = order(web).stage
    assert (stage.name, stage.code, stage.progress) == (str(status), status, progress)


def test_topics_yaml_says_what_a_status_means_by_code_or_name() -> None:
    komet = AskedKomet(KometPollerOptions(progress={"3": "shipped", "draft": "on_hold"}))
    komet.seller.open(status=3)
    komet.seller.open(status=DRAFT)
    assert [order(row).stage.progress for row in komet.rows("web_orders")] == ["shipped", "on_hold"]


def test_an_invoice_has_its_amount_days_and_order(komet: AskedKomet) -> None:
    line = komet.seller.line(product_id=1, boxes=3, cents=1_250)
    web = komet.seller.open(lines=[line], customer_po="A-1001")
    komet.seller.open(is_web=False, customer_po="PO-7", lines=[line])
    first, second = komet.detailed(komet.rows("invoices"))
    expected = {
        "invoice_number": str(web.number), "type": "web order", "status": "Draft", "state": "draft",
        "order_number": str(web.number), "order_id": "A-1001", "amount": (375_000).to_bytes(3, "big"), "balance": None,
        "issued_on": "2026-11-28", "due_on": None,
    }  # fmt: skip
    (shown,) = content(first)["lines"]
    assert {name: value for name, value in content(first).items() if name != "lines"} == expected
    assert (shown["item_number"], shown["description"]) == ("1", "Rose Mondial 50 cm")
    assert (int.from_bytes(shown["quantity"], "big"), int.from_bytes(shown["unit_price"], "big")) == (
        3 * 10**6,
        125_000,
    )
    assert (content(second)["order_number"], content(second)["order_id"]) == (None, None)


@pytest.mark.parametrize(("po", "order_id"), [("A-1", "A-1"), (".hash", None), ("", None)])
def test_the_customers_po_is_our_order_id_unless_it_is_a_hash_or_topics_yaml_says_no(
    po: str, order_id: str | None
) -> None:
    for source, expected in (("customer_po", order_id), ("nothing", None)):
        komet = AskedKomet(KometPollerOptions.model_validate({"order_id_from": source}))
        komet.seller.open(customer_po=po)
        assert order(komet.rows("web_orders")[0]).order_id == expected
        assert content(komet.rows("invoices")[0])["order_id"] == expected


def test_a_hash_is_a_reference_by_which_the_order_can_be_named(komet: AskedKomet) -> None:
    komet.seller.open(customer_po=reference("o" * 51))
    for row in (*komet.rows("web_orders"), *komet.detailed(komet.rows("invoices"))):
        named = with_named_order(row, {reference("o" * 51): "o" * 51})
        found = order(named).order_id if isinstance(named.item, VendorOrder) else content(named)["order_id"]
        assert found == "o" * 51
        assert named.digest == row.digest
        assert with_named_order(row, {".other": "A-1"}) == row


def test_numbers_as_text_and_rows_in_another_sequence_are_no_change(komet: AskedKomet) -> None:
    lines = [komet.seller.line() for _ in range(3)]
    for _ in range(4):
        komet.seller.open(lines=lines)
    before = komet.rows("invoices"), komet.detailed(komet.rows("invoices")), komet.rows("web_orders")

    def shuffled(body: dict[str, Any]) -> None:
        for row in body["invoices"]:
            row.get("details", []).reverse()
            row["isEcommerce"] = row.get("isEcommerce") and "1"

    komet.change = shuffled
    komet.faults = komet.faults.changed({"numbers_as_text": True, "sort": "unstable"})
    after = komet.rows("invoices"), komet.detailed(komet.rows("invoices")), komet.rows("web_orders")
    for one, other in zip(before, after, strict=True):
        assert {row.key: row.digest for row in one} == {row.key: row.digest for row in other}
        assert {row.key: row.item and row.item.digest for row in one} == {
            row.key: row.item and row.item.digest for row in other
        }
        fields = {row.key: row.item and row.item.fields for row in other}
        assert {name for row in one for name, value in (row.item.fields if row.item else {}).items()
                if value != (fields[row.key] or {})[name]} <= {"details"}  # fmt: skip


def test_an_update_without_a_new_total_is_seen_in_the_row_and_told_only_if_lines_changed(komet: AskedKomet) -> None:
    a, b = komet.seller.line(boxes=1, cents=500), komet.seller.line(boxes=1, cents=500)
    invoice = komet.seller.open(lines=[a, b])
    (before,) = komet.rows("invoices")
    (before_lines,) = komet.detailed((before,))
    komet.now_ms += 60_000
    komet.seller.change(invoice)
    (touched,) = komet.rows("invoices")
    assert touched.digest != before.digest
    assert komet.detailed((touched,))[0].item.digest == before_lines.item.digest  # type: ignore[union-attr]
    komet.seller.change(invoice, lines=[a._replace(boxes=2, cents=250), b])
    assert komet.detailed(komet.rows("invoices"))[0].item.digest != before_lines.item.digest  # type: ignore[union-attr]


def test_other_customers_rows_rows_not_asked_for_and_rows_without_a_number_are_left_out(komet: AskedKomet) -> None:
    for _ in range(4):
        komet.seller.open()

    def odd(body: dict[str, Any]) -> None:
        first, second, third, fourth = body["invoices"]
        first["customerId"] = 13
        second["isEcommerce"] = "0"
        del third["id"], third["number"]
        body["invoices"].append({**fourth, "updatedOn": "2026-11-28 11:00:00", "status": 4})

    komet.change = odd
    reading = komet.read("web_orders")
    assert [order(row).stage.code for row in reading.rows] == [DRAFT]
    assert reading.notes == dict.fromkeys((OTHER_CUSTOMER, NOT_ASKED, NO_NUMBER, SHOWN_TWICE), 1)


def test_a_row_that_does_not_say_what_it_is_may_be_a_web_order(komet: AskedKomet) -> None:
    komet.seller.open(customer_po="A-1", is_web=False)
    assert content(komet.rows("invoices")[0])["order_id"] is None
    komet.change = lambda body: body["invoices"][0].pop("isEcommerce")
    assert content(komet.rows("invoices")[0])["order_id"] == "A-1"


def test_rows_none_of_which_can_be_told_apart_are_a_fault(komet: AskedKomet) -> None:
    komet.seller.open()
    komet.change = lambda body: body["invoices"][0].update(id=None, number="")
    assert isinstance(komet.read("invoices"), Unavailable)


def test_an_answer_that_is_too_long_is_asked_for_in_halves_of_the_ship_days(komet: AskedKomet) -> None:
    def answer(request: httpx.Request) -> httpx.Response | MaybeSent:
        days = request.url.params["orderDateTo"]
        return TooLong("too long") if days > "2026-11-15" else komet.answer(request)

    komet.seller.open(ship_in_days=-20)
    reading = komet.run(komet.poller.read("invoices", EVERYTHING), answer)
    assert isinstance(reading, SetReading)
    assert (len(reading.rows), len(komet.requests)) == (1, 3)
    assert reading.done is not None
    assert reading.done.start_ms == DAYS.start_ms
    assert reading.done.end_ms % DAY_MS == 0
    one_day = komet.run(komet.poller.read("invoices", EVERYTHING), lambda _: TooLong("too long"))
    assert isinstance(one_day, Unavailable)


def test_lines_of_invoices_with_near_ship_days_take_one_request_and_others_one_each(komet: AskedKomet) -> None:
    for days in (0, 1, 3, 4, 9):
        komet.seller.open(ship_in_days=days)
    rows = komet.rows("invoices")
    komet.requests.clear()
    assert len(komet.detailed(rows)) == 5
    asked = [dict(request.url.params).keys() & {"orderId", "orderDateFrom"} for request in komet.requests]
    assert asked == [{"orderDateFrom"}, {"orderId"}, {"orderId"}]


def test_rows_come_by_ship_day_so_that_near_days_are_asked_for_together(komet: AskedKomet) -> None:
    komet.faults = komet.faults.changed({"sort": "unstable"})
    for days in (9, 0, 4, 18, 1, 13):
        komet.seller.open(ship_in_days=days)
    shown = [row.item.fields["shipDate"] for row in komet.rows("invoices") if isinstance(row.item, VendorItem)]
    assert shown == sorted(shown)


def test_lines_beyond_ten_thousand_boxes_are_read_invoice_by_invoice(komet: AskedKomet) -> None:
    for _ in range(3):
        komet.seller.open(lines=[komet.seller.line(boxes=5_000)])
    rows = komet.rows("invoices")
    komet.requests.clear()
    assert [len(content(row)["lines"]) for row in komet.detailed(rows)] == [1, 1, 1]
    assert len(komet.requests) == 4
    komet.seller.open(lines=[komet.seller.line(boxes=10_000)], ship_in_days=20)
    details = komet.run(komet.poller.details("invoices", komet.rows("invoices")[-1:]))
    assert getattr(details, "notes", {}) == {BOXES_CUT: 1}


def test_what_was_read_before_a_fault_is_kept_and_a_fault_before_all_is_the_answer(komet: AskedKomet) -> None:
    for days in (0, 9, 18):
        komet.seller.open(ship_in_days=days)
    rows = komet.rows("invoices")
    answers = iter([None, httpx.Response(503, headers={"retry-after": "9"})])

    def answer(request: httpx.Request) -> httpx.Response:
        return next(answers) or komet.answer(request)

    details = komet.run(komet.poller.details("invoices", rows), answer)
    assert [row.key for row in getattr(details, "rows", ())] == [rows[0].key]
    spent = komet.run(komet.poller.details("invoices", rows), lambda _: httpx.Response(429))
    assert isinstance(spent, Throttled)


def test_an_invoice_whose_lines_komet_cannot_show_is_left_out_and_keeps_no_other_back(komet: AskedKomet) -> None:
    for days in (0, 0, 9, 18):
        komet.seller.open(ship_in_days=days)
    rows = komet.rows("invoices")
    bad = {rows[0].key, rows[2].key}

    def answer(request: httpx.Request) -> httpx.Response:
        params = request.url.params  # both invoices of the first day share a request, which fails for one of them
        return httpx.Response(500) if params.get("orderId") in bad or "orderId" not in params else komet.answer(request)

    details = komet.run(komet.poller.details("invoices", rows), answer)
    assert [row.key for row in getattr(details, "rows", ())] == [rows[1].key, rows[3].key]


def test_lines_are_not_asked_for_any_more_when_komet_fails_again_and_again(komet: AskedKomet) -> None:
    for days in range(0, 50, 5):
        komet.seller.open(ship_in_days=days)
    rows = komet.rows("invoices")
    komet.requests.clear()
    assert isinstance(komet.run(komet.poller.details("invoices", rows), lambda _: httpx.Response(500)), Unavailable)
    assert len(komet.requests) == MOST_FAULTS


def test_an_invoice_whose_lines_are_not_found_has_none(komet: AskedKomet) -> None:
    komet.seller.open()
    rows = komet.rows("invoices")
    komet.seller.invoices.clear()
    assert content(komet.detailed(rows)[0])["lines"] == []


@pytest.mark.parametrize("web", [False, True])
def test_events_carry_komets_json_only_if_topics_yaml_asks_for_it(web: bool) -> None:
    for raw in (False, True):
        komet = AskedKomet(KometPollerOptions(raw=raw))
        komet.seller.open(is_web=web)
        (row,) = komet.detailed(komet.rows("invoices"))
        assert ("Sample Florist" in str(row.item and row.item.raw)) == raw
        assert "Sample" not in str(content(row))


def test_a_refused_token_and_an_unusable_variable_are_denied_and_show_no_token(komet: AskedKomet) -> None:
    komet.account["TOKEN"] = "canary"
    found = [komet.read("invoices"), komet.run(komet.poller.check())]
    komet.account["TOKEN"] = "canary\n"
    found += [komet.read("invoices"), komet.run(komet.poller.details("invoices", ())), komet.run(komet.poller.check())]
    assert all(isinstance(each, Denied) for each in found)
    assert "canary" not in repr((found, komet.poller))
