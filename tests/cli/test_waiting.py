"""`relay waiting`: what the workers say, on 80 columns."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.support.topics_yaml import ROOT

ROW = {
    "order_id": "A-1001",
    "waits_for": "gate",
    "why": "gate shut (unavailable): cannot connect to 127.0.0.1:9090 (Connect call failed)",
    "since": "2026-11-27T22:56:42.659Z",
    "why_since": "2026-11-27T22:56:44.100Z",
    "until": "2026-11-27T22:57:14.100Z",
    "topic": "order-created",
    "partition": 10,
    "offset": 21,
    "records": 1,
}
SINK: dict[str, Any] = {
    "total": 1_200,
    "records": 1_203,
    "not_fetched": 3_000,
    "stopped": [{"topic": "order-status", "partition": 3, "reason": "records 1 to 2 expired"}],
    "orders": [
        ROW,
        ROW | {"order_id": "\x1b[31m" + "B" * 40, "since": "2026-11-27T22:50:00.000Z"},
        ROW | {"why": "its turn", "half_made_until": "2026-11-30T22:56:00.000Z"},
    ],
}


class Worker(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert self.path == "/status/waiting"
        body = json.dumps({"version": "1", "instance": "relay-0", "workers": {"ecdp-sink": SINK}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RELAY_TOPOLOGY", str(ROOT / "topics.yaml"))
    server = HTTPServer(("127.0.0.1", 0), Worker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_orders_that_wait_are_a_table_of_80_columns_the_oldest_first(relay: Any, address: str) -> None:
    ran = relay("waiting", "--at", address)
    assert (ran.status, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "\x1b" not in ran.out
    assert ran.out.index("BBBB") < ran.out.index("A-1001")
    text = " ".join(ran.out.split())
    assert text.count("gate shut (unavailable)") == text.count("as above") == 1, "the same reason is not repeated"
    assert "2026-11-27T22:56:42Z" in text
    assert "half made at the vendor, which keeps it until 2026-11-30T22:56:00Z" in text
    assert "1,200 orders wait with 1,203 records; the oldest 3 are shown; 3,000 records not fetched yet" in text
    assert "order-status: partition 3 stopped: records 1 to 2 expired" in text


def test_a_machine_reads_all_of_it(relay: Any, address: str) -> None:
    (sink,) = relay("waiting", "ecdp-sink", "--at", address, "--json").json["workers"]
    assert (sink["worker"], sink["instance"], sink["at"]) == ("ecdp-sink", "relay-0", address)
    assert sink["orders"][0] == ROW


def test_only_the_named_sinks_are_shown(relay: Any, address: str) -> None:
    ran = relay("waiting", "ecourier-sink", "--at", address, "--json")
    assert (ran.json, ran.err) == ({"workers": []}, "relay: no ecourier-sink runs there\n")
    ran = relay("waiting", "dcl-poller", "--at", address)
    assert (ran.status, ran.err.endswith("no order waits in it; next: relay status dcl-poller\n")) == (0, True)


def test_a_worker_that_does_not_answer_is_one_line(relay: Any, address: str) -> None:
    ran = relay("waiting", "--at", "127.0.0.1:1")
    assert (ran.status, ran.out) == (1, "")
    assert "relay: 127.0.0.1:1: nothing listens there" in ran.err


def test_this_hosts_worker_is_asked_by_default(relay: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_HTTP_ADDR", f"*:{address.rpartition(':')[2]}")
    assert "A-1001" in relay("waiting").out
    monkeypatch.setenv("RELAY_HTTP_ADDR", "off")
    assert "--at HOST:PORT" in relay("waiting").err
