"""The web shop's inventory, the one list of Komet's that has pages."""

from typing import Any

import httpx
import pytest

from tests.vendors.komet.poll.asked_komet import AskedKomet
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.vendor_item import VendorItem
from workers.core.poll.vendor_set import SetReading, Whole
from workers.devkit.simulators.komet.seller import Stock
from workers.vendors.komet.poll.shop import SHORT


@pytest.fixture
def komet() -> AskedKomet:
    made = AskedKomet()
    made.seller.fill(0)
    return made


def test_the_inventory_is_read_page_by_page_for_each_location(komet: AskedKomet) -> None:
    komet.account["LOCATION_IDS"] = "3,4"
    komet.seller.stock = [Stock(n, 1, n, n, 100) for n in range(150)]
    reading = komet.read("inventory", Whole())
    assert isinstance(reading, SetReading)
    assert (len(reading.rows), reading.moved) == (300, False)
    pages = [(one.url.params["companyLocationId"], one.url.params["page"]) for one in komet.requests]
    assert pages == [("3", "1"), ("3", "2"), ("4", "1"), ("4", "2")]
    assert komet.requests[0].headers["X-ACCOUNT"] == "7"
    assert "authenticationToken" not in komet.requests[0].url.params


def test_an_article_has_its_origin_as_warehouse_because_ids_are_of_one_origin(komet: AskedKomet) -> None:
    komet.seller.stock = [Stock(7, 1, 0, 5, 100), Stock(7, 3, 0, 9, 100)]
    rows = komet.rows("inventory", Whole())
    contents = [row.item.content for row in rows if isinstance(row.item, VendorItem)]
    assert [(one["inventory_id"], one["warehouse"], one["available"]) for one in contents] == [
        ("7", "1", (5 * 10**6).to_bytes(3, "big")), ("7", "3", (9 * 10**6).to_bytes(4, "big")),
    ]  # fmt: skip


def test_rows_that_move_between_pages_are_noticed(komet: AskedKomet) -> None:
    komet.seller.stock = [Stock(n, 1, n, n, 100) for n in range(150)]
    komet.faults = komet.faults.changed({"sort": "unstable"})
    reading = komet.read("inventory", Whole())
    assert isinstance(reading, SetReading)
    assert reading.moved


def test_a_page_that_is_shorter_than_asked_for_is_not_taken_for_the_last_one(komet: AskedKomet) -> None:
    komet.seller.stock = [Stock(n, 1, n, n, 100) for n in range(70)]

    def capped(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        return komet.answer(httpx.Request("GET", request.url.copy_merge_params({"rows": "30", "page": str(page)}),
                                          headers=request.headers))  # fmt: skip

    reading = komet.run(komet.poller.read("inventory", Whole()), capped)
    assert isinstance(reading, SetReading)
    assert (len(reading.rows), len(komet.requests)) == (70, 3)


def test_fewer_rows_than_the_total_are_no_complete_reading(komet: AskedKomet) -> None:
    komet.change = lambda body: body.update(total=99)
    reading = komet.read("inventory", Whole())
    assert isinstance(reading, SetReading)
    assert reading.moved
    assert reading.notes[SHORT] == 1


def test_of_several_lists_the_one_with_a_likely_name_is_the_shops(komet: AskedKomet) -> None:
    komet.seller.stock = [Stock(7, 1, 0, 5, 100)]
    komet.change = lambda body: body.update(categories=[{"id": 1}])
    assert [row.key for row in komet.rows("inventory", Whole())] == ["1:7"]


@pytest.mark.parametrize("body", [{"status": 1}, {"status": 1, "a": [{}], "b": [{}]}, {"status": 1, "a": [1]}])
def test_an_answer_without_one_list_of_articles_is_a_fault(komet: AskedKomet, body: dict[str, Any]) -> None:
    found = komet.run(komet.poller.read("inventory", Whole()), lambda _: httpx.Response(200, json=body))
    assert isinstance(found, Unavailable)
