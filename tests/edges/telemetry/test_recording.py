"""Which spans are recorded, and on which trace."""

import httpx
import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import TraceFlags

from tests.support.traces import (
    OTHER_TRACE,
    TRACE,
    Recorded,
    answering,
    attributes_of,
    context_of,
    is_below,
    links_of,
    publisher,
    trace_of,
)
from workers.core.consume.lanes import Entry
from workers.core.consume.ledger import Ledger
from workers.core.record import Headers, Record
from workers.core.trace import NOT_RECORDED
from workers.edges.telemetry.headers import parsed_parent


def record(headers: Headers = (), value: bytes | None = b"") -> Record:
    return Record("order-created", 3, 7, 0, b"A-1", value, headers)


def context(headers: Headers) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in headers}


@pytest.mark.parametrize(
    ("sampler", "flags", "is_recorded"),
    [
        (None, "01", True),  # the SDK's default: the publisher decides
        (None, "00", False),
        (ParentBased(ALWAYS_OFF), "01", True),
        (ALWAYS_OFF, "01", False),
        (ALWAYS_ON, "00", True),
    ],
)
def test_the_sampler_decides_by_the_publishers_context(
    sampler: Sampler | None, flags: str, *, is_recorded: bool
) -> None:
    span = Recorded(sampler).worker.process(record(publisher(flags=flags)))
    assert (span is not NOT_RECORDED) == is_recorded


def test_a_tenth_of_the_traces_without_a_publishers_context_is_recorded() -> None:
    recorded = Recorded(ParentBased(TraceIdRatioBased(0.1)))
    spans = [recorded.worker.process(record()) for _ in range(2000)]
    sampled = [span for span in spans if span is not NOT_RECORDED]
    assert 100 < len(sampled) < 320
    for span in sampled:
        span.finish()
    assert len(recorded.named("process order-created")) == len(sampled)
    assert len({span.context.trace_id for span in recorded.spans}) == len(sampled)


async def test_the_vendor_receives_the_context_of_a_record_that_is_not_sampled_as_it_came() -> None:
    worker = Recorded(ALWAYS_OFF).worker
    one = record(publisher(flags="00"))
    entry = Entry(one, "A-1", creates_order=True, ledger=Ledger(0), size=1, span=worker.process(one))
    request = httpx.Request("PUT", "https://api.vendor.example/orders")
    await worker.deliver([entry]).attempt(request, answering(204))
    assert request.headers["traceparent"] == f"00-{TRACE}-00f067aa0ba902b7-00"


def test_a_record_without_a_value_says_so() -> None:
    recorded = Recorded()
    recorded.worker.process(record(value=None)).finish()
    assert attributes_of(recorded.one("process order-created"))["messaging.kafka.message.tombstone"]


def test_a_span_begins_with_the_fetch() -> None:
    recorded = Recorded()
    recorded.worker.process(record(), fetched_ns=5).finish()
    assert recorded.one("process order-created").start_time == 5


def test_a_change_is_sent_on_its_orders_trace_and_linked_to_its_poll() -> None:
    recorded = Recorded()
    poll = recorded.worker.poll()
    poll.about("A-1", context(publisher(tracestate="shop=x1")))
    order = context(publisher(tracestate="shop=x1"))
    send = recorded.worker.send("order-stage-changed", "A-1", order, poll=poll.context)
    headers = dict(send.forwarded((("ce_id", b"1"), *publisher(OTHER_TRACE, baggage="b=2"))))
    send.end()
    poll.end()
    poll_span, send_span = recorded.one("poll ecdp"), recorded.one("send order-stage-changed")
    assert trace_of(poll_span) != TRACE
    assert trace_of(send_span) == TRACE
    assert links_of(send_span)[1:] == [poll_span.context.span_id]
    assert len(poll_span.links) == 1
    assert headers["traceparent"] == context_of(send_span).encode()
    assert (headers["tracestate"], headers["baggage"], headers["ce_id"]) == (b"shop=x1", b"b=2", b"1")
    assert attributes_of(send_span)["messaging.operation.type"] == "send"


def test_a_change_of_an_unknown_order_is_sent_on_its_polls_trace() -> None:
    recorded = Recorded()
    poll = recorded.worker.poll()
    recorded.worker.send("order-stage-changed", None, {}, poll=poll.context).end("KafkaFailed")
    poll.end("unavailable")
    send, found = recorded.one("send order-stage-changed"), recorded.one("poll ecdp")
    assert is_below(send, found)
    assert (attributes_of(send)["error.type"], attributes_of(found)["error.type"]) == ("KafkaFailed", "unavailable")


def test_an_event_of_a_poll_that_is_not_sampled_says_so() -> None:
    recorded = Recorded(ParentBased(ALWAYS_OFF))
    send = recorded.worker.send("order-stage-changed", None, {}, poll=recorded.worker.poll().context)
    parent = parsed_parent((dict(send.forwarded(()))["traceparent"] or b"").decode())
    assert parent is not None
    assert not int(parent.flags, 16) & TraceFlags.SAMPLED
    send.end()
    assert not recorded.spans


def test_a_published_event_is_the_root_of_its_trace() -> None:
    recorded = Recorded()
    span = recorded.tracing.publish("order-created", "A-1")
    headers = span.forwarded((("ce_id", b"1"), *publisher(OTHER_TRACE)))
    span.end()
    sent = recorded.one("send order-created")
    assert (sent.parent, sent.kind.name) == (None, "PRODUCER")
    assert dict(headers)["traceparent"] == context_of(sent).encode()
    assert attributes_of(sent)["relay.order.id"] == "A-1"
