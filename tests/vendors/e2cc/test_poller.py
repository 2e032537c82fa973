"""What E2CC's rows become: orders with lines and shipments, invoices with lines, stock, credit, returns."""

from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.vendors.e2cc.account import ACCESS_KEY, account, answer
from tests.vendors.e2cc.simulated import NOW_MS, Simulated, books
from workers.core.delivery.outcome import Delivered, Denied, Unavailable
from workers.core.poll.change import VendorOrder
from workers.core.poll.vendor_item import VendorItem
from workers.core.poll.vendor_set import Details, SetRow, Whole
from workers.vendors._shared.decimals import avro_decimal
from workers.vendors.contract import MaybeSent
from workers.vendors.e2cc.api import clean_row
from workers.vendors.e2cc.items import credit_row, inventory_row, invoice_row, return_row
from workers.vendors.e2cc.options import E2ccOptions
from workers.vendors.e2cc.orders import order_key, order_row
from workers.vendors.e2cc.poller import E2ccPoller
from workers.vendors.e2cc.records import Making, by_record

# The samples of E2CC's page.
ORDER = {
    "orderNbr": "057142",
    "date": "2026-06-24T00:00:00",
    "status": "Credit Hold",
    "schedShipment": "2026-06-26T00:00:00",
    "customerOrder": "Sample School District (NY)",
    "description": "(1) Sample Replacement Order",
    "orderQty": "3.000000",
    "adjustedQuantity": "1",
    "orderTotal": "551.000000",
    "shipVia": "FedEx Ground (With Return Label)",
    "locationAddress": "123 Sample Ave\r\nSample City, NY 12983\r\nUS",
    "customerName": "Sample Customer",
    "orderType": "SO",
    "lineNbr": 4,
}
INVOICE = {
    "amount": "1983.8000",
    "balance": "1983.8000",
    "createdDateTime": "2025-12-09T00:30:26.617",
    "date": "2025-12-08T00:00:00",
    "dueDate": "2026-02-06T00:00:00",
    "status": "Open",
    "detailInventoryId": "SAMPLE SKU",
    "detailQty": "4.000000",
    "customerName": "Sample Customer",
    "type": "Invoice",
    "referenceNbr": "AR-036248",
}
STOCK = {
    "inventoryId": "30504",
    "warehouse": "SAMPLEWH",
    "description": "Sample 22-18 1/4 Inch Ring Terminal",
    "qtyAvailable": "6622.000000",
    "subitem": "0",
}
CREDIT = {
    "customerId": "C99999",
    "creditLimit": "250000.0000",
    "remainingCreditLimit": "-1313621.4000",
    "customerName": "Sample Customer",
    "arBalancesSharedCreditCurrentBal": "433012.7200",
    "arBalancesSharedCreditTotalOpenOrders": "15520.6800",
}
RETURN = {
    "id": 49579,
    "Company": "Sample Customer",
    "Date_Opened": "2026-01-12T15:12:01.000Z",
    "Date_Closed": "2026-02-10T17:11:06.000Z",
    "Subject": "#49579 SO 049718 Sample Return",
    "Ticket_Status": "CLOSED",
    "RMA_Resolution": "Complete - A Stock",
}


def making(**options: Any) -> Making:
    return Making(E2ccOptions(**options), ZoneInfo("America/New_York"), Counter())


def item_of(made: SetRow) -> VendorItem:
    assert isinstance(made.item, VendorItem)
    return made.item


def order_of(row: dict[str, Any], **options: Any) -> VendorOrder:
    item = order_row([clean_row(row)], making(**options)).item
    assert isinstance(item, VendorOrder)
    return item


def test_the_pages_order_is_held() -> None:
    row = order_row([clean_row(ORDER)], making())
    order = row.item
    assert isinstance(order, VendorOrder)
    assert (row.key, row.is_open, row.created_ms) == ("/SO057142", True, None)
    assert (order.order_number, order.order_id) == ("SO057142", "Sample School District (NY)")
    assert (order.stage.name, order.stage.code, order.stage.progress) == ("Credit Hold", None, "on_hold")
    assert order.on_hold
    assert "locationAddress" not in order.fields
    assert order.raw is None


@pytest.mark.parametrize(
    ("status", "progress"),
    [
        ("Credit Hold", "on_hold"),
        ("On Hold", "on_hold"),
        ("Open", "processing"),
        (" open ", "processing"),
        ("Completed", "shipped"),
        ("Canceled", "cancelled"),
        ("Cancelled", "cancelled"),
        ("Back Order", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_status_means_a_progress(status: str, progress: str) -> None:
    assert order_of(ORDER | {"status": status}).stage.progress == progress


def test_topics_yaml_adds_meanings_and_unknown_ones_are_counted() -> None:
    assert order_of(ORDER | {"status": "Back  Order"}, progress={"back order": "received"}).stage.progress == "received"
    counted = making()
    order_row([ORDER | {"status": "Odd"}], counted)
    assert counted.notes["unmapped_statuses"] == 1


@pytest.mark.parametrize(
    ("field", "order_id"), [("orderNbr", "057142"), ("description", "(1) Sample Replacement Order")]
)
def test_our_order_id_is_in_the_field_of_topics_yaml(field: str, order_id: str) -> None:
    assert order_of(ORDER, order_id_from=field).order_id == order_id


def test_rows_a_line_are_one_order_whatever_their_sequence() -> None:
    lines = [clean_row(ORDER | {"lineNbr": number, "orderQty": f"{number}.000000"}) for number in (1, 2, 3)]
    counted = making()
    [same], [other] = (by_record(rows, order_key, counted.notes).values() for rows in (lines, [lines[0], *lines[::-1]]))
    first, second = order_row(same, counted), order_row(other, counted)
    assert first.digest == second.digest
    assert first.item
    assert first.item.fields["orderQty"] == ["1", "2", "3"]
    assert first.item.fields["orderTotal"] == "551"


def test_the_pages_invoice_stock_credit_and_return() -> None:
    invoice = invoice_row([clean_row(INVOICE)], making())
    assert (invoice.key, invoice.is_open, invoice.created_ms) == ("Invoice/AR-036248", True, 1_765_258_226_617)
    assert item_of(invoice).content == {
        "invoice_number": "AR-036248",
        "type": "Invoice",
        "status": "Open",
        "state": "open",
        "amount": avro_decimal(19_838_000),
        "balance": avro_decimal(19_838_000),
        "issued_on": "2025-12-08",
        "due_on": "2026-02-06",
    }
    stock = inventory_row([clean_row(STOCK)], making())
    assert stock.key == "30504:SAMPLEWH"
    assert item_of(stock).content["available"] == avro_decimal(6_622_000_000)
    credit = item_of(credit_row([clean_row(CREDIT)], making())).content
    assert credit["remaining"] == avro_decimal(-13_136_214_000)
    assert credit["open_orders"] == avro_decimal(155_206_800)
    assert item_of(return_row([clean_row(RETURN)], making())).content == {
        "return_id": "49579",
        "status": "CLOSED",
        "state": "closed",
        "order_number": "SO049718",
        "subject": "#49579 SO 049718 Sample Return",
        "resolution": "Complete - A Stock",
        "opened_at": 1_768_230_721_000,
        "closed_at": 1_770_743_466_000,
    }


@pytest.mark.parametrize("subject", ["#49579 Sample Return", "SO 04971", "XSO 049718", None])
def test_a_return_without_an_order_in_its_subject_is_counted(subject: str | None) -> None:
    counted = making()
    assert item_of(return_row([RETURN | {"Subject": subject}], counted)).content["order_number"] is None
    assert counted.notes["returns_without_order"] == 1


def shipped() -> Simulated:
    """One order of three lines with two shipments, and its invoice."""
    e2cc = Simulated(books(0))
    order = e2cc.books.new_order(NOW_MS)
    order.lines = 3
    for _ in range(2):
        e2cc.books.ship(order)
    e2cc.books.bill(order)
    return e2cc


def test_an_orders_details_are_its_lines_and_its_shipments_with_theirs() -> None:
    e2cc = shipped()
    [row] = e2cc.details("orders", e2cc.read("orders").rows).rows
    paths = [request.url.path.removeprefix("/api") for request in e2cc.asked]
    name = e2cc.books.orders.records[0].name
    assert paths == [
        f"/orders/{name}",
        f"/orders/shipments/{name}",
        "/shipments",
        "/shipments/SH000001",
        "/shipments/SH000002",
    ]
    assert isinstance(row.item, VendorOrder)
    assert [len(row.item.fields[what]) for what in ("lines", "shipments")] == [3, 2]
    assert [one["shipment_id"] for one in row.item.shipments] == ["SH000001", "SH000002"]
    first = row.item.shipments[0]
    assert (first["carrier"], first["service"], len(first["shipped_on"])) == ("UPS", "", 10)
    [package] = first["packages"]
    assert (package["tracking_number"], package["delivery_status"]) == ("", "Open")
    items = [item for one in row.item.shipments for item in one["packages"][0]["items"]]
    assert [item["line_number"] for item in items] == [1, 2, 3]
    assert all(item["quantity"] for item in items)


def test_a_shipment_that_moves_on_changes_its_order() -> None:
    e2cc = shipped()
    before, part = e2cc.details("orders", e2cc.read("orders").rows).rows[0], e2cc.read("shipments").rows[0]
    e2cc.books.shipments.records[0].status = "Confirmed"
    after, moved = e2cc.details("orders", e2cc.read("orders").rows).rows[0], e2cc.read("shipments").rows[0]
    assert part.digest != moved.digest
    assert moved.about == before.key
    assert before.digest == after.digest, "the list does not show it"
    assert before.item
    assert after.item
    assert before.item.digest != after.item.digest


def test_a_filter_that_counts_for_nothing_decides_no_carrier() -> None:
    e2cc = shipped()
    e2cc.books.ship(e2cc.books.new_order(NOW_MS))
    e2cc.turn(ignores_filters=True)
    found = e2cc.details("orders", e2cc.read("orders").rows[:1])
    [row] = found.rows
    assert isinstance(row.item, VendorOrder)
    assert {one["carrier"] for one in row.item.shipments} == {""}
    assert found.notes["rows_not_asked_for"] == 1


def test_an_invoices_details_are_its_lines_without_the_payment_link() -> None:
    e2cc = shipped()
    e2cc.options = E2ccOptions(raw=True)
    [row] = e2cc.details("invoices", e2cc.read("invoices").rows).rows
    item = item_of(row)
    assert [line["item_number"] for line in item.content["lines"]] == sorted(
        e2cc.books.orders.records[0].line(number)[0] for number in (1, 2, 3)
    )
    assert item.raw
    assert "pay" not in item.raw
    assert "Sample Ave" not in item.raw


def test_an_answer_about_another_record_tells_nothing() -> None:
    """As in the samples of the page, which ask for one number and show another."""
    e2cc = shipped()
    rows = e2cc.read("invoices").rows
    flow = e2cc.poller.details("invoices", rows)
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(answer([INVOICE | {"referenceNbr": "AR-035311", "detailDescription": "x"}]))
    found = stop.value.value
    assert isinstance(found, Details)
    assert item_of(found.rows[0]).content["lines"] == []
    assert found.notes["rows_not_asked_for"] == 1


def test_no_request_is_formed_by_a_number_that_is_not_plain() -> None:
    e2cc = Simulated(books(0))
    row = order_row([clean_row(ORDER | {"orderNbr": "1' or '1' eq '1"})], making())
    found = e2cc.details("orders", (row,))
    assert e2cc.asked == []
    assert found.rows == (row,)
    assert found.notes["numbers_without_details"] == 1


def test_a_fault_in_the_midst_of_details_keeps_what_was_read() -> None:
    e2cc = shipped()
    e2cc.books.bill(e2cc.books.orders.records[0])
    rows = e2cc.read("invoices").rows
    flow = e2cc.poller.details("invoices", rows)
    flow.send(e2cc.answer(next(flow)))
    with pytest.raises(StopIteration) as stop:
        flow.throw(MaybeSent("reset"))
    assert isinstance(stop.value.value, Details)
    assert len(stop.value.value.rows) == 1


def test_a_rotated_key_leaves_no_gap() -> None:
    credentials = account()
    flow = E2ccPoller(E2ccOptions(), credentials).read("credits", Whole())
    assert next(flow).headers["Authorization"] == f"Bearer {ACCESS_KEY}"
    credentials["ACCESS_KEY"] = "new-key"  # the mounted file has changed
    assert flow.send(answer({"error": "x"}, 401)).headers["Authorization"] == "Bearer new-key"
    with pytest.raises(StopIteration) as stop:
        flow.send(answer([CREDIT]))
    assert stop.value.value.rows


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer([CREDIT]), Delivered),
        (answer({"error": "x"}, 401), Denied),
        (answer({"error": "x"}, 404), Denied),
        (answer({"error": "x"}, 500), Unavailable),
        (httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>"), Unavailable),
    ],
)
def test_a_check_reads_the_credit_and_says_what_it_does_not_prove(given: httpx.Response, kind: type) -> None:
    flow = E2ccPoller(E2ccOptions(), account()).check()
    assert next(flow).url.path == "/api/credits"
    with pytest.raises(StopIteration) as stop:
        flow.send(given)
    assert isinstance(stop.value.value, kind)
    if isinstance(stop.value.value, Delivered):
        assert "5 minutes" in stop.value.value.remarks[0]


def test_a_wrong_variable_is_denied_before_anything_is_asked() -> None:
    poller = E2ccPoller(E2ccOptions(), account(TIME_ZONE="Mars"))
    with pytest.raises(StopIteration) as stop:
        next(poller.read("credits", Whole()))
    assert isinstance(stop.value.value, Denied)
