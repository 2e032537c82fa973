"""Spans follow OpenTelemetry's conventions; where nothing is recorded, the publisher's context is passed on."""

from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from workers.core.delivery.outcome import Delivered, Denied
from workers.core.record import Record
from workers.edges.telemetry import PassOn, Recording, open_tracing, resource_of, traceparent_of, tracestate_of
from workers.vendors.contract import MaybeSent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def record(offset: int = 7, traceparent: str | None = PARENT, tracestate: str | None = None) -> Record:
    texts = {"traceparent": traceparent, "tracestate": tracestate}
    headers = tuple((name, text.encode()) for name, text in texts.items() if text is not None)
    return Record("order-created", 3, offset, 0, b"A-1", b"", headers)


def request() -> httpx.Request:
    return httpx.Request("PUT", "https://user:pw@api.vendor.example/orders/A-1?token=canary")


async def answered(sent: httpx.Request) -> httpx.Response:
    return httpx.Response(204, request=sent)


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def recording(exported: InMemorySpanExporter) -> Recording:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return Recording(provider.get_tracer("test"), provider.shutdown)


@pytest.mark.parametrize(
    "value",
    [
        "", "00", PARENT.upper(), f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        PARENT + "\r\nx-admin: 1", PARENT + "-more",
    ],
)  # fmt: skip
def test_malformed_context_is_none(value: str) -> None:
    assert traceparent_of(record(traceparent=value)) is None


def test_context_is_read_from_a_record() -> None:
    assert traceparent_of(record()) == PARENT
    assert traceparent_of(record(traceparent=None)) is None


def test_the_vendors_part_of_a_context_may_come_in_several_headers() -> None:
    several = record()._replace(
        headers=(("traceparent", PARENT.encode()), ("tracestate", b"a=1"), ("tracestate", b"b=2"))
    )
    assert tracestate_of(several) == "a=1,b=2"
    assert tracestate_of(record(tracestate="not a list")) is None
    assert tracestate_of(record(traceparent=None, tracestate="a=1")) is None


async def test_without_an_endpoint_a_lone_records_context_goes_on_as_it_came() -> None:
    sent = request()
    await PassOn().process([record(tracestate="vendor=x1")], "ecdp-sink").attempt(sent, 0, answered)
    assert sent.headers["traceparent"] == PARENT
    assert sent.headers["tracestate"] == "vendor=x1"


@pytest.mark.parametrize(
    "records",
    [
        [record(traceparent=None, tracestate="vendor=x1")],
        [record(), record()],
        [record(traceparent=PARENT + "\r\nx-admin: 1")],
        [record(traceparent="0" * 513)],
        [record(traceparent="é")],
    ],
    ids=["none", "several", "line break", "too long", "not ASCII"],
)
async def test_without_one_context_fit_for_a_header_none_is_sent(records: list[Record]) -> None:
    sent = request()
    await PassOn().process(records, "ecdp-sink").attempt(sent, 0, answered)
    assert not {"traceparent", "tracestate"} & set(sent.headers)


async def test_span_of_a_lone_record_is_child_and_link_of_its_publishers_span(
    recording: Recording, exported: InMemorySpanExporter
) -> None:
    trace = recording.process([record(tracestate="vendor=x1")], "ecdp-sink")
    sent = request()
    await trace.attempt(sent, 0, answered)
    await trace.attempt(request(), 1, answered)
    trace.end([Delivered()])
    first, second, process = exported.get_finished_spans()
    attributes: Any = dict(process.attributes or {})
    assert process.name == "process order-created"
    assert process.kind.name == "CONSUMER"
    assert process.parent is not None
    assert f"{process.parent.span_id:016x}" == SPAN
    assert [f"{link.context.trace_id:032x}" for link in process.links] == [TRACE]
    assert attributes["messaging.kafka.offset"] == 7
    assert attributes["messaging.consumer.group.name"] == "relay.ecdp-sink"
    assert first.parent is not None
    assert first.parent.span_id == process.context.span_id
    assert sent.headers["traceparent"] == f"00-{TRACE}-{first.context.span_id:016x}-01"
    assert sent.headers["tracestate"] == "vendor=x1"
    http: Any = dict(first.attributes or {})
    assert http["url.full"] == "https://api.vendor.example/orders/A-1", "neither user nor query belong here"
    assert (http["http.response.status_code"], http["server.port"]) == (204, 443)
    assert "http.request.resend_count" not in http
    assert (second.attributes or {})["http.request.resend_count"] == 1
    assert process.status.is_ok or process.status.status_code.name == "UNSET"


async def test_span_of_a_batch_links_every_record_and_begins_a_trace(
    recording: Recording, exported: InMemorySpanExporter
) -> None:
    trace = recording.process([record(1), record(2), record(3, traceparent=None)], "ecdp-sink")
    trace.end([Delivered(), Denied("key refused"), Delivered()])
    (process,) = exported.get_finished_spans()
    assert process.parent is None
    assert len(process.links) == 2
    attributes: Any = dict(process.attributes or {})
    assert attributes["messaging.batch.message_count"] == 3
    assert attributes["error.type"] == "Denied"
    assert process.status.status_code.name == "ERROR"


async def test_lost_answer_and_refusal_are_errors_of_their_attempt(
    recording: Recording, exported: InMemorySpanExporter
) -> None:
    async def lost(_: httpx.Request) -> httpx.Response:
        raise MaybeSent("canary in the vendor's words")

    async def refused(sent: httpx.Request) -> httpx.Response:
        return httpx.Response(422, request=sent)

    trace = recording.process([record()], "ecdp-sink")
    with pytest.raises(MaybeSent):
        await trace.attempt(request(), 0, lost)
    await trace.attempt(request(), 1, refused)
    first, second = exported.get_finished_spans()
    assert (first.attributes or {})["error.type"] == "MaybeSent"
    assert (second.attributes or {})["error.type"] == "422"
    assert {span.status.status_code.name for span in (first, second)} == {"ERROR"}


@pytest.mark.parametrize(
    ("environ", "records"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_standard_variables_decide_whether_spans_are_recorded(environ: dict[str, str], *, records: bool) -> None:
    tracing = open_tracing(environ, "1.0")
    assert isinstance(tracing, Recording) is records
    tracing.close()


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "order-relay"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=relay-prod,deployment.environment.name=prod"}, "relay-prod"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=x", "OTEL_SERVICE_NAME": "relay-prod"}, "relay-prod"),
    ],
)
def test_standard_variables_name_the_service(
    environ: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, text in environ.items():
        monkeypatch.setenv(variable, text)
    attributes = resource_of("1.0").attributes
    assert (attributes["service.name"], attributes["service.version"]) == (name, "1.0")
    assert attributes["telemetry.sdk.language"] == "python"


@pytest.mark.parametrize(("protocol", "warned"), [("grpc", True), ("http/json", True), ("http/protobuf", False)])
def test_protocol_that_is_not_spoken_is_logged(
    protocol: str, caplog: pytest.LogCaptureFixture, *, warned: bool
) -> None:
    endpoint = "http://127.0.0.1:1"
    open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}, "1.0").close()
    assert [record.message for record in caplog.records] == ["trace_protocol_unsupported"] * warned
