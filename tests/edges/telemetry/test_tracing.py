"""Where nothing is recorded, a lone record's context goes on as it came."""

import httpx
import pytest

from tests.support.traces import PARENT, answering, publisher
from workers.core.consume.lanes import Entry
from workers.core.consume.ledger import Ledger
from workers.core.record import Headers, Record
from workers.core.trace import NOT_RECORDED
from workers.edges.telemetry.tracing import PassOn


def entry(headers: Headers) -> Entry:
    record = Record("order-created", 3, 7, 0, b"A-1", b"", headers)
    return Entry(record, "A-1", creates_order=True, ledger=Ledger(0), size=1)


async def sent_with(*entries: Entry) -> httpx.Headers:
    request = httpx.Request("PUT", "https://api.vendor.example/orders")
    await PassOn().deliver(entries).attempt(request, answering(204))
    return request.headers


async def test_a_lone_records_context_goes_on_as_it_came() -> None:
    headers = await sent_with(entry(publisher(tracestate="vendor=x1", baggage="tenant=7")))
    assert (headers["traceparent"], headers["tracestate"], headers["baggage"]) == (PARENT, "vendor=x1", "tenant=7")


@pytest.mark.parametrize("entries", [[entry(())], [entry(publisher()), entry(publisher())]], ids=["none", "several"])
async def test_without_one_context_none_is_sent(entries: list[Entry]) -> None:
    assert not {"traceparent", "tracestate", "baggage"} & set(await sent_with(*entries))


def test_nothing_is_recorded_of_a_record() -> None:
    span = PassOn().process(entry(()).record)
    assert span is NOT_RECORDED
    assert span.forwarded(publisher()) == publisher()
    assert span.ids is None
