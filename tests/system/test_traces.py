"""A collector receives the spans of a worker's process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.kafka_side import header
from tests.support.sink_process import Rig

pytestmark = pytest.mark.broker

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Its address, and the resource and the spans of each request."""
    received: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                received.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_delivered_and_a_parked_order_are_on_their_publishers_trace(rig: Rig) -> None:
    rig.vendor.faults(bad_ids=["bad"])
    with collector() as (url, received):
        relay = rig.start(otel_exporter_otlp_endpoint=url).joined()
        for order_id in ("good", "bad"):
            rig.kafka.create(order_id, headers=[TRACEPARENT])
        rig.kafka.flush()
        relay.wait(lambda status: status["delivered_total"] + status["parked_total"] == 2, "both have their end")
        relay.caught_up()
        assert relay.stop() == 0
    every = [span for one in received for scope in one.scope_spans for span in scope.spans]
    spans = [span for span in every if span.name != f"send {rig.kafka.receipts}"]
    assert len(every) > len(spans), "the receipts of a commit have a span and a trace of their own"
    names = [span.name.partition(" ")[0] for span in spans]
    assert {(name, names.count(name)) for name in ("process", "send")} == {("process", 2), ("send", 1)}
    assert {"deliver", "POST"} <= set(names)
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    (parked,) = rig.kafka.all_parked()
    (send,) = [span for span in spans if span.name.startswith("send")]
    assert header(parked, "traceparent") == f"00-{TRACE}-{send.span_id.hex()}-01"
