"""What Komet's envelope means, under whatever HTTP status it comes."""

from typing import Any

import httpx
import pytest

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors.komet.answers.outcome import Refused, answer_of, as_fault, rows_of

TOKEN = "canary/7"


def answer(body: Any, status: int = 200) -> Any:
    return answer_of(httpx.Response(status, json=body), TOKEN)


@pytest.mark.parametrize("status", [1, "1", 1.0, True, " 1 "])
def test_status_1_is_a_success_as_number_or_text(status: Any) -> None:
    assert answer({"status": status, "message": "OK", "webOrderId": 4})["webOrderId"] == 4


@pytest.mark.parametrize("status", [0, "0", False])
@pytest.mark.parametrize("http", [200, 400, 404])
def test_status_0_is_a_refusal_under_200_too(status: Any, http: int) -> None:
    assert answer({"status": status, "message": "no such thing"}, http) == Refused("no such thing", http)


@pytest.mark.parametrize("body", [{"message": "OK"}, {"status": 3}, [], None, "1", {"status": {}}])
def test_an_answer_without_the_envelope_is_no_success(body: Any) -> None:
    assert isinstance(answer(body), Unavailable)


@pytest.mark.parametrize(
    "message", ["Orders not found.", "orders not found", "Prebooks not found.", "No records found."]
)
@pytest.mark.parametrize("status", [0, 1, "0"])
def test_orders_not_found_is_an_empty_page_whatever_the_status_is(message: str, status: Any) -> None:
    assert rows_of(httpx.Response(200, json={"status": status, "message": message}), "invoices", TOKEN) == ()


@pytest.mark.parametrize("message", ["Orders found.", "Customer token not found", "Order 7 not found in location"])
def test_other_messages_are_no_empty_page(message: str) -> None:
    found = rows_of(httpx.Response(200, json={"status": 0, "message": message}), "invoices", TOKEN)
    assert isinstance(found, Refused)


@pytest.mark.parametrize("rows", [None, "x", [1]])
def test_a_success_without_a_list_of_rows_is_a_fault(rows: Any) -> None:
    found = rows_of(httpx.Response(200, json={"status": 1, "message": "OK", "invoices": rows}), "invoices", TOKEN)
    assert isinstance(found, Unavailable)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(301, Denied), (401, Denied), (403, Denied), (404, Denied), (408, Unavailable), (429, Throttled)]
    + [(status, Unavailable) for status in (418, 500, 502, 503, 504, 520)],
)
def test_an_http_status_means_what_it_says_without_an_envelope(status: int, kind: type) -> None:
    assert isinstance(answer_of(httpx.Response(status, text="<html>"), TOKEN), kind)


def test_a_problem_that_a_gateway_sends_under_200_keeps_its_own_status() -> None:
    assert isinstance(answer({"status": 503, "title": "down"}), Unavailable)
    assert isinstance(answer({"status": "401"}), Denied)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Daily requests limit reached", Throttled),
        ("You exceeded the API quota", Throttled),
        ("Too many requests", Throttled),
        ("API limit exceeded", Throttled),
        ("The maximum number of requests was reached.", Throttled),
        ("Invalid authentication token", Denied),
        ("You have no permission for this method", Denied),
        ("Date range must not exceed six months", Unavailable),
        ("The customer's credit limit is exceeded", Unavailable),
        ("This request would exceed the credit limit.", Unavailable),
        ("Your request exceeds the available boxes.", Unavailable),
        ("Requests for this item exceed the inventory.", Unavailable),
    ],
)
def test_a_readers_refusal_is_about_the_days_requests_the_token_or_komet(message: str, kind: type) -> None:
    assert isinstance(as_fault(Refused(message, 200)), kind)


def test_a_403_that_speaks_of_the_days_requests_is_about_them_and_not_about_the_token() -> None:
    found = answer({"status": 0, "message": "The daily limit of requests was reached."}, 403)
    assert isinstance(found, Throttled)
    assert (found.after, found.status) == (300, 403), "with a status, so that an order that meets it alone is parked"


@pytest.mark.parametrize("echo", [TOKEN, "canary%2F7"])
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_token_that_komet_echoes_is_removed(echo: str, status: int) -> None:
    for own in (0, 7):
        assert "canary" not in repr(answer({"status": own, "message": f"bad ?authenticationToken={echo}"}, status))
