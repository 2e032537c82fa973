"""The spans of a record's whole way, as an exporter receives them."""

from collections.abc import Sequence

import httpx
import pytest

from tests.support.sink_rig import CREATED, STATUS, Rig, settled
from tests.support.traces import (
    OTHER_TRACE,
    SPAN,
    TRACE,
    Recorded,
    answering,
    attributes_of,
    context_of,
    events_of,
    is_below,
    links_of,
    publisher,
    trace_of,
)
from workers.app.sink.write_queue import TransactionDraft, Write
from workers.core.consume.lanes import Entry
from workers.core.delivery.outcome import Delivered, Rejected, Skipped, Throttled, Unavailable, UnknownOrder
from workers.core.parked.headers import read_original
from workers.core.record import Headers, Record

PUBLISHED = int(SPAN, 16)
OWN = publisher()


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def published(rig: Rig, *values: str, topic: str = CREATED, headers: Headers = OWN) -> list[Entry]:
    entries = [rig.entry(value, topic, headers=headers) for value in values]
    for entry in entries:
        rig.lanes.add(entry)
    rig.sender.pump()
    return entries


async def exchange(rig: Rig, status: int = 201, body: bytes = b"A") -> httpx.Request:
    """The flight that has begun last sends one request."""
    seen: list[httpx.Request] = []
    request = httpx.Request("POST", "https://api.vendor.example/orders", content=body)
    await rig.vendor.flights[-1].trace.attempt(request, answering(status, seen))
    return seen[0]


def parked_by(writes: Sequence[Write]) -> list[Record]:
    """What a transaction writes to the parked topic."""
    draft = TransactionDraft({0: writes}, {}, "ecdp-sink", "ecdp-parked", "ecdp-parked-state", 0)
    return [
        Record(one.partition.topic, 0, 100 + place, 0, one.key, one.value, one.headers)
        for place, one in enumerate(draft.records())
    ]


async def test_a_delivered_record(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:x")
    await settled()
    sent = await exchange(rig)
    await rig.vendor.land(rig.vendor.flights[0], Delivered(status=201))
    process, deliver, post = (recorded.one(name) for name in ("process order-created", "deliver ecdp", "POST"))

    assert [span.kind.name for span in (process, deliver, post)] == ["CONSUMER", "INTERNAL", "CLIENT"]
    assert process.parent is not None
    assert process.parent.span_id == PUBLISHED
    assert trace_of(process) == TRACE
    assert links_of(process) == [PUBLISHED, deliver.context.span_id]
    assert links_of(deliver) == [process.context.span_id]
    assert is_below(deliver, process)
    assert is_below(post, deliver)
    assert sent.headers["traceparent"] == context_of(post)
    assert attributes_of(process) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "order-created",
        "messaging.destination.partition.id": "0",
        "messaging.kafka.offset": 0,
        "messaging.consumer.group.name": "relay.ecdp-sink",
        "relay.worker": "ecdp-sink",
        "relay.vendor": "ecdp",
        "relay.order.id": "A",
        "relay.outcome": "delivered",
    }
    assert attributes_of(deliver) == {"relay.worker": "ecdp-sink", "relay.vendor": "ecdp", "relay.order.id": "A"}
    assert events_of(process) == ["lane", "delivered"]
    assert process.status.status_code.name == "UNSET"


async def test_a_record_that_is_tried_again_has_one_process_span_and_counts_its_resends(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:x")
    await settled()
    await exchange(rig, 503)
    await rig.vendor.land(rig.vendor.flights[0], Unavailable("HTTP 503", 503))
    rig.now[0] += 60.0
    rig.sender.pump()
    await settled()
    await exchange(rig, 201)
    await exchange(rig, 200, b"another request")
    await rig.vendor.land(rig.vendor.flights[1], Delivered())

    process = recorded.one("process order-created")
    assert events_of(process) == ["lane", "unavailable", "retry", "lane", "delivered"]
    assert len(recorded.named("deliver ecdp")) == 2
    posts = [attributes_of(span) for span in recorded.named("POST")]
    assert [one.get("http.request.resend_count") for one in posts] == [None, 1, None]
    assert [one.get("error.type") for one in posts] == ["503", None, None]
    assert {is_below(deliver, process) for deliver in recorded.named("deliver ecdp")} == {True}


async def test_a_parked_record_and_its_replay_stay_on_the_orders_trace(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:x", headers=publisher(tracestate="shop=x1", baggage="tenant=7"))
    await settled()
    await rig.vendor.land(rig.vendor.flights[0], Rejected("customer@shop.example is refused", 422))
    writes = rig.shard.writes.next_writes()
    (parked,) = parked_by(writes)
    assert not recorded.named("process order-created"), "it is not finished before its parked record is written"
    for entry in rig.shard.fences.acknowledge(writes, {"A": rig.shard.fences["A"]}):
        rig.finisher.finish(entry)

    process, send = recorded.one("process order-created"), recorded.one("send ecdp-parked")
    assert events_of(process) == ["lane", "rejected", "parked"]
    assert attributes_of(process) | {"relay.outcome": "parked", "relay.reason": "rejected"} == attributes_of(process)
    assert process.status.status_code.name == "ERROR"
    assert "shop.example" not in process.to_json(), "the vendor's words may hold personal data"
    assert send.kind.name == "PRODUCER"
    assert is_below(send, process)
    headers = dict(parked.headers)
    assert headers["traceparent"] == context_of(send).encode()
    assert (headers["tracestate"], headers["baggage"]) == (b"shop=x1", b"tenant=7")

    original = read_original(parked)
    assert original is not None
    replayed = recorded.worker.process(original.source, replay=True)
    replayed.ends("delivered")
    replayed.finish()
    _, again = recorded.named("process order-created")
    assert is_below(again, send)
    assert attributes_of(again)["relay.replay"]
    assert trace_of(again) == TRACE


async def test_a_batch_of_three_with_two_contexts(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker, batch={"max_orders": 3})
    rig.vendor.group = "all"
    headers = [publisher(), publisher(OTHER_TRACE), ()]
    for value, own in zip(("A:x", "B:x", "C:x"), headers, strict=True):
        rig.lanes.add(rig.entry(value, CREATED, headers=own))
    rig.sender.pump()
    await settled()
    await exchange(rig)
    await rig.vendor.land(rig.vendor.flights[0], Delivered(), Rejected("no"), Skipped("old"))
    for entry in rig.shard.fences.acknowledge(rig.shard.writes.next_writes(), {"B": rig.shard.fences["B"]}):
        rig.finisher.finish(entry)

    deliver, posts = recorded.one("deliver ecdp"), recorded.named("POST")
    processes = {attributes_of(span)["relay.order.id"]: span for span in recorded.named("process order-created")}
    assert {trace_of(processes[order]) for order in "AB"} == {TRACE, OTHER_TRACE}
    assert processes["C"].parent is None
    assert links_of(deliver) == [processes[order].context.span_id for order in "ABC"]
    assert all(deliver.context.span_id in links_of(span) for span in processes.values())
    assert attributes_of(deliver)["messaging.batch.message_count"] == 3
    assert attributes_of(deliver)["error.type"] == "rejected"
    assert [is_below(post, deliver) for post in posts] == [True]
    assert all("messaging.batch.message_count" not in attributes_of(span) for span in processes.values())
    assert [events_of(processes[order]) for order in "ABC"] == [
        ["lane", "linger", "delivered"],
        ["lane", "linger", "rejected", "parked"],
        ["lane", "linger", "skipped"],
    ]


async def test_malformed_context_begins_a_trace_and_tracestate_goes_to_the_vendor(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:x", headers=(("traceparent", b"garbage"), ("tracestate", b"shop=x1")))
    await settled()
    assert "tracestate" not in (await exchange(rig)).headers
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    process = recorded.one("process order-created")
    assert (process.parent, len(process.links)) == (None, 1)

    published(rig, "B:x", headers=publisher(tracestate="shop=x1", baggage="tenant=7"))
    await settled()
    sent = await exchange(rig)
    assert (sent.headers["tracestate"], sent.headers["baggage"]) == ("shop=x1", "tenant=7")


async def test_the_waits_of_records_while_the_gate_is_shut(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker, max_in_flight=1)
    waiting = published(rig, "A:x", "B:x")
    await settled()
    await rig.vendor.land(rig.vendor.flights[0], Throttled(5.0))
    assert not rig.gate.is_open
    rig.now[0] += 6.0
    for place in (1, 2):
        rig.sender.pump()
        await settled()
        await rig.vendor.land(rig.vendor.flights[place], Delivered())
    assert all("gate" in events_of(span) for span in recorded.named("process order-created"))
    assert len(recorded.named("process order-created")) == len(waiting)


async def test_a_status_waits_for_its_create(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:paid", topic=STATUS)
    await settled()
    await rig.vendor.land(rig.vendor.flights[0], UnknownOrder("404", 404))
    published(rig, "A:x")
    for place in (1, 2):
        await settled()
        await rig.vendor.land(rig.vendor.flights[place], Delivered())
        rig.sender.pump()
    assert events_of(recorded.one("process order-status")) == ["lane", "unknown_order", "create", "delivered"]


async def test_a_record_that_is_given_away_ends_its_span(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker, max_in_flight=1)
    published(rig, "A:x", "B:x")
    await settled()
    rig.assign(1)
    await rig.vendor.land(rig.vendor.flights[0], Delivered())
    outcomes = {attributes_of(span)["relay.outcome"] for span in recorded.named("process order-created")}
    assert (len(recorded.named("process order-created")), outcomes) == (2, {"given_away"})
    assert recorded.named("deliver ecdp")


async def test_a_flight_that_is_cut_off_ends_its_spans(recorded: Recorded) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:x")
    await settled()
    rig.sender.cancel_flights()
    await settled()
    assert attributes_of(recorded.one("deliver ecdp"))["error.type"] == "cancelled"
    assert attributes_of(recorded.one("process order-created"))["relay.outcome"] == "given_away"


async def test_a_record_whose_parked_copy_is_on_its_way_when_its_partition_goes_ends_its_span(
    recorded: Recorded,
) -> None:
    rig = Rig(tracing=recorded.worker)
    published(rig, "A:x")
    await settled()
    await rig.vendor.land(rig.vendor.flights[0], Rejected("no"))
    rig.assign(1)
    assert attributes_of(recorded.one("process order-created"))["relay.outcome"] == "given_away"
    assert recorded.named("send ecdp-parked")
