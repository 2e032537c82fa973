"""The limits of ECDP's page, checked before anything is sent."""

from typing import Any

import pytest

from tests.vendors.ecdp.conftest import created_of, sink_of, status_of
from workers.core.delivery.outcome import Rejected
from workers.vendors.contract import Call

INT32 = 2**31 - 1
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"order_id": ""}, "order_id: must have 1 to 128 characters"),
    ({"order_id": "x" * 129}, "order_id: must have 1 to 128 characters"),
    ({"order_id": "."}, "order_id: must not be . or .., which would change the request's path"),
    ({"order_id": ".."}, "order_id: must not be . or .., which would change the request's path"),
    ({"order_id": "a\nb"}, "order_id: must not hold control characters"),
    ({"order_id": "a\x7f"}, "order_id: must not hold control characters"),
    ({"order_id": "a\x85"}, "order_id: must not hold control characters"),
    ({"order_id": "a\ud800"}, "order_id: must not hold control characters"),
    ({"placed_at": 2**62}, "placed_at: must lie in the years 1 to 9999"),
    ({"placed_at": -(2**62)}, "placed_at: must lie in the years 1 to 9999"),
    ({"website_id": 2**31}, "website_id: must fit in 32 bits"),
    ({"website_id": -(2**31) - 1}, "website_id: must fit in 32 bits"),
    ({"status": "Completed"}, "status: must be placed, paid, completed or canceled"),
    ({"currency": ""}, "currency: must have 3 characters"),
    ({"currency": "EURO"}, "currency: must have 3 characters"),
    ({"total_value": "-0.01"}, "total_value: must be 0 or more"),
    ({"customer": {}}, "customer: must have email, phone or crm_id: ECDP matches customers by one of them"),
    (
        {"customer": {"email": "", "crm_id": ""}},
        "customer: must have email, phone or crm_id: ECDP matches customers by one of them",
    ),
    ({"customer": {"email": "e" * 321}}, "customer.email: must have at most 320 characters"),
    ({"customer": {"phone": "1" * 21}}, "customer.phone: must have at most 20 characters"),
    ({"customer": {"crm_id": "c" * 129}}, "customer.crm_id: must have at most 128 characters"),
    ({"lines": [{}, {"product_id": ""}]}, "lines[1].product_id: must have 1 to 128 characters"),
    ({"lines": [{"product_id": "p" * 129}]}, "lines[0].product_id: must have 1 to 128 characters"),
    ({"lines": [{}, {}, {}, {"name": ""}]}, "lines[3].name: must have 1 to 2048 characters"),
    ({"lines": [{"name": "n" * 2049}]}, "lines[0].name: must have 1 to 2048 characters"),
    ({"lines": [{"unit_price": "-1"}]}, "lines[0].unit_price: must be 0 or more"),
    ({"lines": [{"quantity": 0}]}, f"lines[0].quantity: must be 1 to {INT32}"),
    ({"lines": [{"quantity": INT32 + 1}]}, f"lines[0].quantity: must be 1 to {INT32}"),
    ({"lines": [{"returned": -1}]}, f"lines[0].returned: must be 0 to {INT32}"),
    ({"lines": [{"returned": INT32 + 1}]}, f"lines[0].returned: must be 0 to {INT32}"),
    ({"lines": [{"url": "u" * 2049}]}, "lines[0].url: must have at most 2048 characters"),
    ({"lines": [{"image_url": "u" * 2049}]}, "lines[0].image_url: must have at most 2048 characters"),
    ({"lines": [{"category": "c" * 2049}]}, "lines[0].category: must have at most 2048 characters"),
    (
        {"lines": [{"attributes": [{"name": ""}, {"name": "a" * 257}]}]},
        "lines[0].attributes[1].name: must have at most 256 characters",
    ),
    ({"attributes": [{"name": "a" * 257}]}, "attributes[0].name: must have at most 256 characters"),
    ({"attributes": [{"name": "a", "value": "\udfff"}]}, "order: a text in it is not valid Unicode"),
]
KEPT: list[dict[str, Any]] = [
    {"order_id": "x" * 128},
    {"order_id": "..."},
    {"order_id": "zamówienie/1?a=b#c%2e 漢字"},
    {"website_id": INT32, "currency": "zł.", "total_value": "0", "returns_value": "-5.00"},
    {"customer": {"email": "é" * 320, "phone": "1" * 20, "crm_id": ""}},
    {"lines": [{"product_id": "p" * 128, "name": "😀" * 2048, "unit_price": "0", "quantity": INT32, "returned": 0}]},
    {"lines": [{"url": "", "image_url": "u" * 2048, "category": "", "attributes": [{"name": "a" * 256}]}]},
]


@pytest.mark.parametrize(("order", "detail"), BROKEN, ids=[detail[:40] for _, detail in BROKEN])
def test_an_order_that_breaks_a_limit_is_refused_with_the_field_and_the_limit(
    order: dict[str, Any], detail: str
) -> None:
    assert sink_of().prepare(created_of(**order)) == Rejected(detail)


@pytest.mark.parametrize("field", ["email", "phone", "crm_id"])
def test_an_order_without_the_field_that_the_unit_matches_by_is_refused(field: str) -> None:
    sink, others = sink_of(match_by=field), {"email": "a@example.com", "phone": "1", "crm_id": "7"}
    assert isinstance(sink.prepare(created_of(customer=others)), Call)
    for empty in (None, ""):
        assert sink.prepare(created_of(customer=others | {field: empty})) == Rejected(
            f"customer.{field}: must be there: the unit matches customers by it"
        )


@pytest.mark.parametrize("order", KEPT)
def test_an_order_at_its_limits_is_prepared(order: dict[str, Any]) -> None:
    assert isinstance(sink_of().prepare(created_of(**order)), Call)


def test_a_status_event_is_checked_against_the_limits() -> None:
    assert sink_of().prepare(status_of(order_id="..")) == Rejected(
        "order_id: must not be . or .., which would change the request's path"
    )
    assert sink_of().prepare(status_of(website_id=2**31)) == Rejected("website_id: must fit in 32 bits")
    assert sink_of().prepare(status_of(status="lost")) == Rejected(
        "status: must be placed, paid, completed or canceled"
    )


def test_creates_share_requests_and_statuses_go_alone() -> None:
    create, change = sink_of().prepare(created_of()), sink_of().prepare(status_of())
    assert (create.creates_order, create.group, create.size) == (True, "orders", len(create.payload.json) + 1)
    assert (change.creates_order, change.group, change.size) == (False, None, len(change.payload.json))
