"""Where Komet's token travels, method by method, and what its variables may hold."""

import httpx
import orjson
import pytest

from workers.vendors._shared.requests import SetUpError
from workers.vendors.komet.requests import KometRequests, komet_requests, variables_faults

ACCOUNT = {
    "BASE_URL": "https://komet.example/api",
    "TOKEN": "tok en/1",
    "ACCOUNT": "77",
    "CUSTOMER_ID": "12",
    "LOCATION_IDS": "3, 4",
}


def komet(**changed: str) -> KometRequests:
    return komet_requests({**ACCOUNT, **changed})


def header(request: httpx.Request, name: str) -> str | None:
    found: str | None = request.headers.get(name)
    return found


def test_invoices_take_the_token_in_the_query_string_only() -> None:
    request = komet().by_query("invoice.list", {"updatedAsOf": "2026-11-01 10:00:00", "locationIds": "3,4"})
    assert request.url.path == "/api/invoice.list"
    assert request.url.params["authenticationToken"] == "tok en/1"
    assert request.url.params["updatedAsOf"] == "2026-11-01 10:00:00"
    assert header(request, "authenticationToken") is header(request, "X-ACCOUNT") is None


def test_the_pdf_takes_the_token_in_its_body_only() -> None:
    request = komet().by_body("invoice.pdf.get", {"invoiceId": 5})
    assert (request.method, orjson.loads(request.content)) == (
        "POST",
        {"invoiceId": 5, "authenticationToken": "tok en/1"},
    )
    assert "tok" not in str(request.url)
    assert header(request, "authenticationToken") is None


def test_the_shop_takes_the_token_in_a_header_with_the_sellers_id() -> None:
    reading = komet().by_header("ecommerce/inventory.list", {"customerId": "12"})
    writing = komet().post("web-order.create", b"{}")
    for request in (reading, writing):
        assert (header(request, "authenticationToken"), header(request, "X-ACCOUNT")) == ("tok en/1", "77")
        assert "tok" not in str(request.url)
    assert reading.url.path == "/api/ecommerce/inventory.list"
    assert header(komet(ACCOUNT="").post("web-order.create", b"{}"), "X-ACCOUNT") is None


def test_the_token_is_in_no_repr() -> None:
    assert "tok" not in repr(komet())


@pytest.mark.parametrize("token", ["", "line\nbreak", "\u017c"])
def test_a_token_that_no_header_can_hold_is_named_and_not_shown(token: str) -> None:
    with pytest.raises(SetUpError, match="TOKEN"):
        komet(TOKEN=token)


def test_ids_are_whole_numbers_and_a_token_is_at_most_fifty_characters() -> None:
    assert list(variables_faults(ACCOUNT)) == []
    assert list(variables_faults({**ACCOUNT, "ACCOUNT": "", "LOCATION_IDS": ""})) == []
    wrong = {"TOKEN": "x" * 51, "ACCOUNT": "acme", "CUSTOMER_ID": "-1", "LOCATION_IDS": "3;4"}
    assert [name for name, _ in variables_faults(ACCOUNT | wrong)] == list(wrong)
