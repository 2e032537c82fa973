"""Which events are Komet's, and what `relay check` and `parked show` ask and show."""

import httpx
import orjson
import pytest

from tests.support.komet_shop import ACCOUNT, TOKEN, Relay, canceled, line, order, sink
from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Skipped, Throttled
from workers.core.delivery.tracked_order import Tracked
from workers.core.events import Event
from workers.vendors.contract import Attempt, Call
from workers.vendors.komet.orders.flows import CREATING, OPEN
from workers.vendors.komet.orders.options import KometOptions
from workers.vendors.komet.orders.sink import KometSink


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (order(channel="web"), "its channel is not komet"),
        (order(status="canceled"), "no web order of it is known"),
        (canceled(), "no web order of it is known"),
        (canceled(status="paid"), "Komet has no use for this status"),
    ],
)
def test_what_is_not_komets_is_skipped_with_a_reason(event: Event, reason: str) -> None:
    assert sink().prepare(event) == Skipped(reason)


def test_the_channel_is_configurable() -> None:
    assert isinstance(sink(channel="flowers").prepare(order(channel="flowers")), Call)


def test_a_broken_limit_is_invalid() -> None:
    assert isinstance(sink().prepare(order("A-1", line("ROSE"))), Rejected)


def test_the_request_that_is_shown_has_no_token() -> None:
    call = sink().prepare(order())
    assert isinstance(call, Call)
    request = sink().preview(call)
    assert orjson.loads(request.content) == {"customerId": 12, "companyId": 77, "customerPo": "A-1"}
    assert TOKEN not in f"{request.headers!r}{request.url}"
    assert request.headers["X-ACCOUNT"] == "77"


@pytest.mark.parametrize(
    ("event", "known", "method", "number"),
    [
        (canceled(), Tracked("5", "A-1", 0, "h"), "web-order.delete", None),
        (canceled(), Tracked("", "A-1", 0, "", stage=CREATING), "web-order-details.list", ("1", None)),
        (order(), Tracked("5", "A-1", 0, "", stage=OPEN), "web-order-details.list", ("1", "5")),
        (order(), Tracked("5", "A-1", 0, "h"), "web-order-details.list", ("2", "5")),
        (order(), Tracked("5", "A-1", 0, "h", canceled_at_ms=1), "web-order.create", None),
    ],
)
def test_the_request_that_is_shown_is_the_one_that_the_delivery_would_begin_with(
    event: Event, known: Tracked, method: str, number: tuple[str, str | None] | None
) -> None:
    call, steps = sink().prepare(event, known), Relay(rows={"A-1": known}).steps(event)
    assert isinstance(call, Call)
    first = next(steps)
    while not isinstance(first, httpx.Request):
        first = steps.send(None)
    request = sink().preview(call)
    assert (request.method, request.url, request.content) == (first.method, first.url, first.content)
    assert request.url.path == f"/api/{method}"
    params = request.url.params
    assert number is None or (params["statusId"], params.get("webOrderId")) == number


def test_without_the_account_nothing_is_sent() -> None:
    without = KometSink(KometOptions(), ACCOUNT | {"ACCOUNT": ""})
    call = without.prepare(order())
    assert isinstance(call, Call)
    for flow in (without.deliver([Attempt(call)]), without.check()):
        with pytest.raises(StopIteration) as stop:
            next(flow)
        assert "{ACCOUNT} is not set" in repr(stop.value.value)
    assert without.preview(call).url.path == "/api/web-order.create", "it is shown all the same"


@pytest.mark.parametrize(
    ("knobs", "outcome"),
    [
        ({}, Delivered),
        ({"forbidden_methods": ["web-order-details.list"]}, Denied),
        ({"quota": 0}, Throttled),
        ({"needs_web_order_id": True}, Delivered),
    ],
)
def test_a_check_looks_up_a_web_order_that_there_is_not(knobs: dict[str, object], outcome: type[Outcome]) -> None:
    shop = Relay().shop
    shop.faults = shop.faults.changed(knobs)
    flow = sink().check()
    with pytest.raises(StopIteration) as stop:
        flow.send(shop.answer(next(flow)))
    assert isinstance(stop.value.value, outcome)
    assert shop.asked == ["web-order-details.list"]
