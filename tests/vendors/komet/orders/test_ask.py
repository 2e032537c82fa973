"""`relay order --ask-vendors`: what Komet has of a web order, beside what the sink has placed at last."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

import httpx
import pytest

from tests.support.komet_shop import ACCOUNT, Relay, Shop, canceled, line, order
from workers.core.delivery.outcome import Outcome
from workers.core.events import Event
from workers.vendors.asking import Asked, VendorWord
from workers.vendors.komet.ask import ask
from workers.vendors.komet.orders.options import KometOptions


def word(
    relay: Relay, *delivered: Event, number: str | None = None, account: Mapping[str, str] = ACCOUNT
) -> VendorWord | Outcome:
    known = relay.rows.get("A-1")
    named = number or (known.order_number if known else "") or "A-1"
    flow = ask(KometOptions(), account, Asked("A-1", named, delivered))
    try:
        request = next(flow)
        while True:
            request = flow.send(relay.shop.answer(request))
    except StopIteration as stop:
        found: VendorWord | Outcome = stop.value
        return found


@pytest.fixture
def relay() -> Relay:
    made = Relay()
    made.deliver(order())
    return made


def test_a_web_order_that_is_checked_out_is_as_expected(relay: Relay) -> None:
    number = relay.rows["A-1"].order_number
    assert word(relay, order()) == VendorWord(f"web order {number}: checked out", "placed")


def test_the_locations_are_read_as_the_sink_reads_them(relay: Relay) -> None:
    found = word(relay, order(), account={**ACCOUNT, "LOCATION_IDS": "3, "})
    assert isinstance(found, VendorWord)
    assert found.last == "placed"


class AtLocation5(Shop):
    """Komet lists a web order only where it is asked for its own location."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("web-order-details.list") and request.url.params.get("companyLocationId") != "5":
            self.asked.append("nothing at another location")
            return httpx.Response(200, json={"status": 0, "message": "Web orders not found."})
        return super().answer(request)


@pytest.mark.parametrize(
    ("steps_done", "number", "differing"),
    [(99, None, ()), (5, None, ("check-out",)), (5, "A-1", ("check-out",))],
    ids=["checked out", "open", "open, by its reference"],
)
def test_of_several_locations_each_is_asked_until_the_web_order_is_found(
    steps_done: int, number: str | None, differing: tuple[str, ...]
) -> None:
    """Otherwise `--ask-vendors` says of a seller with several that Komet has no such order."""
    relay, several = Relay(AtLocation5()), ACCOUNT | {"LOCATION_IDS": "3,5"}
    relay.sink = replace(relay.sink, credentials=several)
    placed = order(companyLocationId="5")
    steps = relay.steps(placed)
    assert len(list(islice(steps, steps_done))) <= steps_done
    found = word(relay, placed, number=number, account=several)
    assert isinstance(found, VendorWord)
    assert (found.says.startswith("web order "), found.last, found.differing) == (True, "placed", differing)
    assert "nothing at another location" in relay.shop.asked


def test_what_differs_is_named(relay: Relay) -> None:
    found = word(relay, order("A-1", line("7009", 4)))
    assert isinstance(found, VendorWord)
    assert found.differing == ("items",)
    found = word(relay, order(), canceled())
    assert isinstance(found, VendorWord)
    assert (found.last, found.differing) == ("canceled", ("canceled",))
    relay.deliver(canceled())
    assert word(relay, order()) == VendorWord("has no such order", "placed", ("order",))
    assert word(relay, order(), canceled()) == VendorWord("has no such order", "canceled")


def test_an_open_web_order_is_found_by_its_reference_and_said_to_expire() -> None:
    relay = Relay()
    steps = relay.steps(order())
    for _ in range(5):
        steps.send(None)
    for number in (None, "A-1"):
        found = word(relay, order(), number=number)
        assert isinstance(found, VendorWord)
        assert "Komet cancels it 3 days after it was made" in found.says
        assert found.differing == ("check-out",)


def test_an_order_of_another_channel_costs_no_request() -> None:
    relay = Relay()
    assert word(relay, order(channel="web"), canceled()) == VendorWord(
        "not asked: no web order of it was placed", "nothing"
    )
    assert relay.shop.asked == []
