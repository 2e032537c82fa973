"""Each HTTP attempt is a span: where it went, what came back, and whether that was an error."""

from typing import Any

import httpx
import pytest

from tests.support.traces import Recorded, answering, attributes_of, events_of, publisher
from workers.core.consume.lanes import Entry
from workers.core.consume.ledger import Ledger
from workers.core.record import Record
from workers.core.trace import Wait
from workers.edges.telemetry.tracing import FlightTrace
from workers.vendors._shared.requests import LOOK_UP, OPERATION
from workers.vendors.contract import MaybeSent
from workers.vendors.ecourier.requests import LOOK_UP as AT_ECOURIER


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def flight(recorded: Recorded) -> FlightTrace:
    record = Record("order-created", 3, 7, 0, b"A-1", b"", publisher())
    span = recorded.worker.process(record)
    return recorded.worker.deliver([Entry(record, "A-1", creates_order=True, ledger=Ledger(0), size=1, span=span)])


async def test_an_attempt_says_where_it_went_without_secrets(recorded: Recorded) -> None:
    url, extensions = "https://user:pw@api.vendor.example/orders/A-1?token=canary", {OPERATION: "PUT /orders/{id}"}
    request = httpx.Request("PUT", url, extensions=extensions)
    await flight(recorded).attempt(request, answering(204))
    assert attributes_of(recorded.one("PUT")) == {
        "http.request.method": "PUT",
        "server.address": "api.vendor.example",
        "server.port": 443,
        "url.full": "https://api.vendor.example/orders/A-1",
        "http.response.status_code": 204,
        "relay.operation": "PUT /orders/{id}",
    }


async def test_lost_answer_and_refusal_are_errors_of_their_attempt(recorded: Recorded) -> None:
    async def lost(_: httpx.Request) -> httpx.Response:
        raise MaybeSent("canary in the vendor's words")

    trace = flight(recorded)
    with pytest.raises(MaybeSent):
        await trace.attempt(httpx.Request("PUT", "http://vendor.test/1"), lost)
    await trace.attempt(httpx.Request("PUT", "http://vendor.test/2"), answering(422))
    spans = recorded.named("PUT")
    assert [attributes_of(span)["error.type"] for span in spans] == ["MaybeSent", "422"]
    assert {span.status.status_code.name for span in spans} == {"ERROR"}
    assert "canary" not in "".join(span.to_json() for span in spans)


NO_ORDER = {"status": -4, "statusdescription": "Order Not Found"}


@pytest.mark.parametrize(
    ("extensions", "status", "body", "is_error"),
    [
        (LOOK_UP, 404, None, False),
        (LOOK_UP, 500, None, True),
        ({}, 404, None, True),
        (AT_ECOURIER, 500, NO_ORDER, False),
        (AT_ECOURIER, 500, {"status": -3, "statusdescription": "Database unavailable"}, True),
    ],
)
async def test_that_there_is_no_such_order_is_no_error_of_a_look_up(
    recorded: Recorded, extensions: dict[str, Any], status: int, body: Any, *, is_error: bool
) -> None:
    async def send(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body, request=request)

    await flight(recorded).attempt(httpx.Request("GET", "http://vendor.test/1", extensions=extensions), send)
    span = recorded.one("GET")
    assert ("error.type" in attributes_of(span), span.status.is_ok) == (is_error, not is_error)
    assert attributes_of(span).get("relay.look_up", False) == bool(extensions)


async def test_the_requests_of_a_flow_are_no_resends_of_each_other(recorded: Recorded) -> None:
    trace = flight(recorded)
    for body in (b"1", b"2", b"1", b"1"):
        await trace.attempt(httpx.Request("POST", "http://vendor.test/", content=body), answering(200))
    counts = [attributes_of(span).get("http.request.resend_count") for span in recorded.named("POST")]
    assert counts == [None, None, 1, 2]


async def test_the_wait_for_a_login_is_an_event_of_the_record(recorded: Recorded) -> None:
    record = Record("order-created", 3, 7, 0, b"A-1", b"", ())
    span = recorded.worker.process(record)
    entry = Entry(record, "A-1", creates_order=True, ledger=Ledger(0), size=1, span=span)
    trace = recorded.worker.deliver([entry])
    trace.waits(Wait.SESSION)
    trace.goes()
    trace.end(None)
    span.finish()
    (process,) = recorded.named("process order-created")
    assert events_of(process) == ["lane", "session"]
    assert all("relay.wait.seconds" in (event.attributes or {}) for event in process.events)


def test_a_finished_span_takes_nothing_more(recorded: Recorded) -> None:
    """The exporter's thread may be reading it."""
    span = recorded.worker.process(Record("order-created", 3, 7, 0, b"A-1", b"", ()))
    span.ends("given_away")
    span.finish()
    span.waits(Wait.RETRY)
    span.met("delivered")
    span.ends("delivered")
    span.finish()
    (process,) = recorded.named("process order-created")
    assert (events_of(process), attributes_of(process)["relay.outcome"]) == (["lane"], "given_away")
