"""OpenTelemetry's variables decide whether metrics are exported."""

import asyncio
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tests.support.sink_rig import Rig
from workers.app.runtime.metrics_export import start_export
from workers.app.sink.status.status import sink_status

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


class Collector(BaseHTTPRequestHandler):
    """Keeps what is sent to it."""

    bodies: ClassVar[dict[str, bytes]]

    def do_POST(self) -> None:
        self.bodies[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    class Ours(Collector):
        bodies: ClassVar[dict[str, bytes]] = {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Ours)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield Ours.bodies
    server.shutdown()
    server.server_close()
    thread.join()


class Worker:
    """A sink that has delivered nothing yet; its `lag_known` is a bool, which OTLP has no number for."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.rig.stats.append_to_finish_seconds.record(0.3)

    def status(self) -> dict[str, Any]:
        return sink_status(self.rig.context, self.rig)

    def age(self) -> float:
        return 0.0


async def test_a_collector_is_sent_every_number_of_a_worker_at_the_latest_at_its_end(
    collector: dict[str, bytes],
) -> None:
    export = await start_export(os.environ, {"ecdp-sink": Worker()}, "1", "one")
    assert export is not None
    await asyncio.to_thread(export.close)
    for name in (b"relay_delivered", b"relay_lag_known", b"relay_append_to_finish_seconds", b"process_cpu_seconds"):
        assert name in collector["/v1/metrics"]


async def test_without_a_collector_nothing_is_exported() -> None:
    assert await start_export({}, {}, "1", "a") is None
