"""Reading and comparing the order that ECDP has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from workers.vendors.ecdp.existing_order import found_order, is_deleted

# The page's sample answer of GET, and of DELETE, field by field.
SAMPLE: dict[str, Any] = {
    "status": 0,
    "data": {
        "id": "string",
        "date": "2024-07-25T10:08:59.197Z",
        "timeZone": "string",
        "websiteId": 0,
        "status": "string",
        "currency": "str",
        "totalValue": 0,
        "returnsValue": 0,
        "customer": {"id": 0, "email": "string", "phone": "string", "crmId": "string"},
        "products": [
            {
                "id": "string",
                "name": "string",
                "price": 0,
                "quantity": 2147483647,
                "returned": 2147483647,
                "url": "string",
                "imageUrl": "string",
                "category": "string",
                "productAttributes": [{"name": "string", "value": "string"}],
            }
        ],
        "orderAttributes": [{"name": "string", "value": "string"}],
    },
}


def test_the_pages_sample_is_read_field_by_field() -> None:
    found = found_order(httpx.Response(200, json=SAMPLE))
    assert found is not None
    assert found.date == datetime(2024, 7, 25, 10, 8, 59, 197_000, tzinfo=UTC)
    assert (found.id, found.status, found.currency, found.totalValue) == ("string", "string", "str", 0)
    assert found.customer is not None
    assert (found.customer.email, found.customer.phone, found.customer.crmId) == ("string",) * 3
    assert found.products is not None
    assert [(each.price, each.quantity) for each in found.products] == [(0, 2147483647)]
    assert found.model_dump(mode="json", exclude={"isDeleted", "date"}) == {
        name: value for name, value in SAMPLE["data"].items() if name != "date"
    }


@pytest.mark.parametrize(
    "odd",
    [
        {"status": "0"},
        {"status": "done"},
        {"data": SAMPLE["data"] | {"totalValue": "a lot", "websiteId": "one", "date": "yesterday"}},
        {"data": SAMPLE["data"] | {"products": [{"quantity": 2.5, "price": "free"}, "odd"]}},
        {"data": SAMPLE["data"] | {"customer": "Ada", "returnsValue": None}},
    ],
    ids=range(5),
)
def test_one_odd_value_does_not_hide_the_order(odd: dict[str, Any]) -> None:
    found = found_order(httpx.Response(200, json=SAMPLE | odd))
    assert found is not None
    assert found.id == "string"


def test_a_deleted_order_is_known_by_its_status_or_by_a_field() -> None:
    for data, deleted in (({}, False), ({"status": "IsDeleted"}, True), ({"isDeleted": True}, True)):
        found = found_order(httpx.Response(200, json={"data": SAMPLE["data"] | data}))
        assert found is not None
        assert is_deleted(found) is deleted
