"""e-Courier's own word on a delivery, next to what was delivered to it and published of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.vendors.ecourier.conftest import ACCOUNT, attempt_of, created_of, status_of, talk_of
from tests.vendors.ecourier.test_flows import ABSENT, DOWN, endpoints, there
from workers.core.delivery.outcome import Denied, Unavailable
from workers.core.events import Event
from workers.vendors.asking import Asked, VendorWord
from workers.vendors.ecourier.ask import ask
from workers.vendors.ecourier.options import EcourierOptions, EcourierPollerOptions

CREATED = created_of(
    stops=[{"sequence": 1, "type": "pickup", "name": "canary"}, {"sequence": 2, "type": "destination"}]
)
NEW = {"stage": "N", "stage_description": "New", "progress": "received"}


def word(*delivered: Event, found: httpx.Response | None = None, **known: Any) -> Any:
    asked = Asked("A-1", "OR-A-1", delivered, **known)
    requests, said = talk_of(ask(EcourierOptions(), ACCOUNT, asked), found or there(attempt_of(CREATED)))
    assert endpoints(requests) == ["GetJsonOrder"]
    assert "canary" not in repr(said)
    return said


def test_an_order_as_saved_and_published_has_no_difference() -> None:
    assert word(CREATED, published=NEW) == VendorWord(
        "stage N (New), progress received", "saved; published: stage N (New), progress received"
    )
    assert word(CREATED).last == "saved; published: nothing"


@pytest.mark.parametrize(
    ("events", "changes", "differing"),
    [
        ([CREATED], {"OrderStatus": "A"}, ("stage", "progress")),
        ([CREATED], {"Service": "Rush"}, ("Service",)),
        ([CREATED], {"OrderStatus": "X"}, ("stage", "progress", "canceled")),
        ([CREATED, status_of()], {}, ("canceled",)),
        ([CREATED, created_of(bare=True)], {}, ("canceled",)),
        ([CREATED, status_of(status="paid")], {}, ()),
        ([status_of()], {}, ()),
        ([CREATED, created_of(stops=[])], {}, ()),  # it was parked as invalid, if it came at all
    ],
    ids=range(8),
)
def test_what_e_courier_has_otherwise_is_named(
    events: list[Event], changes: dict[str, str], differing: tuple[str, ...]
) -> None:
    found = there(attempt_of(CREATED), **changes)
    assert word(*events, found=found, published=NEW).differing == differing


def test_the_pollers_meanings_are_used() -> None:
    options = EcourierPollerOptions(progress={"N": "on_hold"})
    published = NEW | {"progress": "on_hold"}
    assert word(CREATED, published=published, poller_options=options).differing == ()


def test_an_order_that_should_be_there_and_is_not_is_a_difference() -> None:
    assert word(CREATED, found=ABSENT).differing == word(found=ABSENT, published=NEW).differing == ("order",)
    assert word(created_of(bare=True), found=ABSENT) == VendorWord("has no such order", "nothing")


def test_what_cannot_be_asked_says_why() -> None:
    assert isinstance(word(found=DOWN), Unavailable)
    wrong = ACCOUNT | {"TIME_ZONE": "nowhere"}
    assert isinstance(talk_of(ask(EcourierOptions(), wrong, Asked("A-1", "OR-A-1")))[1], Denied)
