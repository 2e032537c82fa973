"""Prebooks, the customer's credit, and the check."""

from collections import Counter
from typing import Any

import httpx
import pytest

from tests.vendors.komet.poll.asked_komet import EVERYTHING, AskedKomet
from workers.core.delivery.outcome import Delivered, Denied, Unavailable
from workers.core.poll.change import VendorOrder
from workers.core.poll.vendor_item import VendorItem
from workers.core.poll.vendor_set import SetReading, Whole
from workers.vendors.komet.options import KometPollerOptions
from workers.vendors.komet.poll.poller import REFUSED


@pytest.fixture
def komet() -> AskedKomet:
    made = AskedKomet()
    made.seller.fill(0)
    return made


def items(reading: Any) -> list[dict[str, Any]]:
    assert isinstance(reading, SetReading)
    return [dict(row.item.content) for row in reading.rows if isinstance(row.item, VendorItem)]


def test_a_prebook_has_a_number_of_its_own_kind_and_its_check_out_as_stage(komet: AskedKomet) -> None:
    first, *_ = komet.seller.prebooks
    first.checked_out = True
    orders = [row.item for row in komet.rows("prebooks")]
    stages = [(one.order_number, one.stage.name, one.stage.code) for one in orders if isinstance(one, VendorOrder)]
    assert stages[:2] == [(f"P{first.number}", "Checked Out", 1), (f"P{first.number + 1}", "Pending", 0)]
    assert dict(komet.requests[0].url.params)["dateFrom"] == "2026-10-29"


def test_prebooks_of_a_seller_with_several_locations_are_asked_for_at_each(komet: AskedKomet) -> None:
    komet.account["LOCATION_IDS"] = "3,4"
    assert komet.rows("prebooks")
    assert [request.url.params["CompanyLocationId"] for request in komet.requests] == ["3", "4"]


def test_the_sellers_own_name_of_a_status_is_the_stage_and_topics_yaml_says_what_it_means() -> None:
    komet = AskedKomet(KometPollerOptions(progress={"Sent to farm": "processing"}))
    komet.seller.fill(0)
    komet.change = lambda body: body["prebooks"][0].update(prebookStatus="Sent to Farm")
    named, other, *_ = [row.item for row in komet.rows("prebooks")]
    assert isinstance(named, VendorOrder)
    assert isinstance(other, VendorOrder)
    assert (named.stage.name, named.stage.progress, named.stage.description) == (
        "Sent to Farm",
        "processing",
        "Pending",
    )
    assert other.stage.progress == "unknown"


@pytest.mark.parametrize("http", [200, 403])
def test_prebooks_that_the_token_may_not_list_are_forbidden_and_no_reading_of_none(
    komet: AskedKomet, http: int
) -> None:
    body = {"status": 0, "message": "The token has no permission for this method."}
    found = komet.run(komet.poller.read("prebooks", EVERYTHING), lambda _: httpx.Response(http, json=body))
    assert isinstance(found, SetReading)
    assert (found.rows, found.done, found.notes) == ((), None, Counter({REFUSED: 1}))
    assert "no permission" in (found.forbidden or "")


@pytest.mark.parametrize(("http", "message"), [(401, ""), (404, ""), (200, "Invalid authentication token.")])
def test_a_dead_token_or_a_wrong_address_is_a_fault_of_prebooks_as_of_other_sets(
    komet: AskedKomet, http: int, message: str
) -> None:
    body = {"status": 0, "message": message} if message else {}
    found = komet.run(komet.poller.read("prebooks", EVERYTHING), lambda _: httpx.Response(http, json=body))
    assert isinstance(found, Denied)


@pytest.mark.parametrize("as_list", [False, True])
def test_the_customers_credit_is_read_from_an_object_or_a_list_and_nothing_else_of_it(
    komet: AskedKomet, as_list: bool
) -> None:
    komet.change = lambda body: body.update(customer=[body["customer"]]) if as_list else None
    reading = komet.read("customer", Whole())
    (content,) = items(reading)
    assert content["customer_id"] == "12"
    assert int.from_bytes(content["credit_limit"], "big") == 25_000 * 10**4
    assert "Sample" not in str(content)
    assert "555" not in str(content)


def test_only_the_credit_decides_whether_the_customer_has_changed(komet: AskedKomet) -> None:
    (before,) = komet.rows("customer", Whole())
    komet.change = lambda body: body["customer"].update(phone="555-0199", creditLimit="25000")
    assert komet.rows("customer", Whole())[0].digest == before.digest
    komet.seller.credit_cents += 1
    komet.change = None
    assert komet.rows("customer", Whole())[0].digest != before.digest


def test_an_unknown_customer_is_a_fault_and_no_deletion(komet: AskedKomet) -> None:
    komet.account["CUSTOMER_ID"] = "99"
    assert isinstance(komet.read("customer", Whole()), Unavailable)


def test_a_check_proves_the_token(komet: AskedKomet) -> None:
    assert komet.run(komet.poller.check()) == Delivered(status=200)
