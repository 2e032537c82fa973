"""ECDP's own word on an order, next to what was delivered to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vendors.ecdp.answers import ABSENT, answer, talk
from tests.vendors.ecdp.conftest import ACCOUNT, created_of, status_of
from workers.core.delivery.outcome import Denied, Rejected
from workers.core.events import Event
from workers.vendors.asking import Asked, VendorWord
from workers.vendors.ecdp.ask import ask
from workers.vendors.ecdp.sink import EcdpOptions

LINE = {"id": "p001", "name": "Wireless Earbuds", "price": 75, "quantity": 2}
FOUND = {"id": "12345", "status": "Paid", "totalValue": 150, "currency": "EUR", "products": [LINE]}
CREATED = created_of(currency="EUR", status="placed", lines=[{}], customer={"email": "ada@canary.example"})


def word(*delivered: Event, found: Any = None) -> Any:
    asked, said = talk(ask(EcdpOptions(), ACCOUNT, Asked("12345", "12345", delivered)), found or there())
    assert asked == ["GET /orders/12345"]
    assert "canary" not in repr(said)
    return said


def there(**changes: Any) -> Any:
    return answer(200, {"status": 0, "data": FOUND | {"customer": {"email": "ada@canary.example"}} | changes})


def test_an_order_as_delivered_has_no_difference() -> None:
    assert word(CREATED, status_of()) == VendorWord(
        "status paid, total 150.00 EUR, products: 1", "status paid, total 150.00 EUR, products: 1"
    )


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"status": "placed"}, ("status",)),
        ({"totalValue": 10, "customer": {"email": "bob@canary.example"}}, ("totalValue", "customer")),
        ({"status": "IsDeleted"}, ("status",)),
    ],
)
def test_what_ecdp_has_otherwise_is_named(changes: Any, differing: tuple[str, ...]) -> None:
    assert word(CREATED, status_of(), found=there(**changes)).differing == differing


def test_an_order_that_should_be_there_and_is_not_is_a_difference() -> None:
    assert word(CREATED, found=ABSENT).differing == ("order",)
    assert word(found=ABSENT) == VendorWord("has no such order", "nothing")
    assert word().differing == ()


def test_what_cannot_be_asked_says_why() -> None:
    assert isinstance(talk(ask(EcdpOptions(), ACCOUNT, Asked("..", "..")))[1], Rejected)
    assert isinstance(talk(ask(EcdpOptions(), ACCOUNT | {"BASE_URL": "x"}, Asked("1", "1")))[1], Denied)
    assert isinstance(word(found=answer(401)), Denied)
