"""DCL's own word on an order, next to what was published of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.vendors.dcl.answers import ROW, answer, asked
from tests.vendors.dcl.vendor_model import ACCOUNT
from workers.core.delivery.outcome import Unavailable
from workers.core.poll.change import stage_event
from workers.core.poll.last_published import change_of
from workers.vendors.asking import Asked, VendorWord
from workers.vendors.contract import Reading
from workers.vendors.dcl.ask import ask
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.poller import DclPoller


def run(flow: Any, response: httpx.Response) -> Any:
    assert asked(next(flow))["order_numbers"] == "TEST02"
    with pytest.raises(StopIteration) as end:
        flow.send(response)
    return end.value.value


def published(**changes: Any) -> dict[str, Any]:
    reading = run(DclPoller(DclOptions(), ACCOUNT).named(["TEST02"]), answer(ROW | changes))
    assert isinstance(reading, Reading)
    change = change_of(None, reading.orders[0], fields=(), first_op="created", now_ms=1)
    assert change is not None
    return stage_event("dcl", change[0])


def word(response: httpx.Response, before: dict[str, Any] | None) -> Any:
    return run(ask(DclOptions(), ACCOUNT, Asked("TEST02", "TEST02", (), before)), response)


def test_an_order_as_published_has_no_difference() -> None:
    said = "stage 60 (Fully Shipped), progress delivered, parcels: 2"
    assert word(answer(ROW), published()) == VendorWord(said, said)
    assert word(answer(ROW), None) == VendorWord(said, "nothing")


@pytest.mark.parametrize(
    ("before", "differing"),
    [
        ({"order_stage": 50}, {"stage", "progress"}),
        ({"is_back_order": True}, {"back_ordered"}),
        ({"shipments": []}, {"shipments", "progress"}),
    ],
)
def test_what_dcl_has_otherwise_is_named(before: dict[str, Any], differing: set[str]) -> None:
    assert set(word(answer(ROW), published(**before)).differing) == differing


def test_an_order_that_was_published_and_is_not_found_is_a_difference() -> None:
    assert word(answer(), published()) == VendorWord("has no such order", "stage 60", ("order",))
    assert word(answer(ROW | {"account_number": "2"}), published()).differing == ("order",)
    assert word(answer(), None).differing == ()


def test_what_cannot_be_asked_says_why() -> None:
    assert isinstance(word(httpx.Response(500), None), Unavailable)
