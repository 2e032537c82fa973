"""What is encoded by hand is what the SDK's own encoder makes."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState

from tests.support.traces import Recorded
from workers.edges.aio import run_in_daemon_thread
from workers.edges.telemetry.otlp import encode
from workers.edges.telemetry.setup import open_tracing
from workers.edges.telemetry.spans import LiveSpan, readable

REMOTE = SpanContext(
    2**127 + 5, 2**63 + 7, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("a", "1")])
)


def spans() -> list[LiveSpan]:
    maker = Recorded().maker
    texts = {"text": "\u00e9" * 200, "none": "", "big": 2**40}
    process = maker.sampled("process a", SpanKind.CONSUMER, texts, REMOTE, 5)
    assert process is not None
    process.attributes |= {"minus": -1, "zero": 0, "one": 1, "yes": True, "no": False, "seconds": 0.25}
    process.add_link(REMOTE)
    process.add_event("lane", {"relay.wait.seconds": 1.5}, at_ns=6)
    process.add_event("parked")
    process.fail("rejected")
    client = maker.child("POST", SpanKind.CLIENT, {}, process, [process.context])
    root = maker.sampled("poll b", SpanKind.INTERNAL, {}, None)
    assert root is not None
    found = [process, client, root]
    for span in found:
        span.end()
    return found


def test_the_bytes_mean_what_the_sdk_means() -> None:
    ours = spans()
    theirs = encode_spans([readable(span) for span in ours])
    assert ExportTraceServiceRequest.FromString(encode(ours)) == theirs


def test_what_was_left_out_is_counted() -> None:
    span = spans()[0]
    span.dropped_events, span.dropped_links, span.dropped_attributes = 1, 2, 3
    found = ExportTraceServiceRequest.FromString(encode([span])).resource_spans[0].scope_spans[0].spans[0]
    assert (found.dropped_events_count, found.dropped_links_count, found.dropped_attributes_count) == (1, 2, 3)


async def test_the_collector_receives_spans_as_the_standard_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None, str | None, bytes]] = []

    async def collect(request: web.Request) -> web.Response:
        encoding, tenant = request.headers.get("content-encoding"), request.headers.get("x-tenant")
        seen.append((request.path, tenant, encoding, await request.read()))  # aiohttp has decompressed it
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", collect)
    async with TestServer(app) as server:
        own = {"ENDPOINT": f"http://127.0.0.1:{server.port}", "HEADERS": "x-tenant=7", "COMPRESSION": "gzip"}
        environ = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in own.items()}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        tracing = open_tracing(environ, "1.0", "pod-1")
        tracing.publish("order-created", "A-1").end()
        await run_in_daemon_thread(tracing.close, 10)
    ((path, tenant, encoding, body),) = seen
    assert (path, tenant, encoding, tracing.lost) == ("/v1/traces", "7", "gzip", 0)
    (found,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert [span.name for scope in found.scope_spans for span in scope.spans] == ["send order-created"]
    assert {one.key: one.value.string_value for one in found.resource.attributes}["service.instance.id"] == "pod-1"
