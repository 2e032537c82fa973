"""`relay status` and `relay top`: what running workers say, and an exit status that says whether something is wrong."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from tests.app.inspect.running.test_look import SHUT, SINK
from tests.support.topics_yaml import ROOT


class Process(BaseHTTPRequestHandler):
    status: ClassVar[dict[str, Any]]
    fault: ClassVar[str | None] = None  # the workers' loop does not answer

    def do_GET(self) -> None:
        assert self.path in {"/status", "/status/waiting"}
        self.send_response(503 if self.fault else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        said = {"version": "1", "instance": "relay-0", "fault": self.fault, "workers": self.status}
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Process]]:
    monkeypatch.setenv("RELAY_TOPOLOGY", str(ROOT / "topics.yaml"))

    class Ours(Process):
        status: ClassVar = {"ecdp-sink": SINK}

    server = HTTPServer(("127.0.0.1", 0), Ours)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("RELAY_HTTP_ADDR", f"127.0.0.1:{server.server_port}")
    yield Ours
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("command", [("status",), ("top", "--max", "1")])
def test_a_worker_that_works_is_a_row_and_the_status_is_0(relay: Any, process: type[Process], command: Any) -> None:
    ran = relay(*command)
    assert (ran.status, ran.err) == (0, "")
    assert "ecdp-sink" in ran.out
    assert "running" in ran.out


@pytest.mark.parametrize("command", [("status",), ("top", "--max", "1")])
def test_what_is_wrong_is_a_line_and_the_status_is_1(relay: Any, process: type[Process], command: Any) -> None:
    process.status = {"ecdp-sink": SINK | {"gate": SHUT | {"detail": "\x1b[31mno"}}}
    ran = relay(*command)
    assert ran.status == 1
    assert "ecdp-sink (relay-0): gate shut (denied) since S: \\x1b[31mno; next: relay check ecdp-sink" in ran.err


def test_a_worker_that_does_not_answer_or_does_not_run_there_is_wrong(relay: Any, process: type[Process]) -> None:
    ran = relay("status", "ecdp-sink", "dcl-poller")
    assert (ran.status, ran.err) == (1, "relay: no dcl-poller runs there\n")
    assert relay("top", "dcl-poller", "--max", "1").status == 1
    ran = relay("status", "--at", "127.0.0.1:1")
    assert ran.status == 1
    assert "127.0.0.1:1: nothing listens there" in ran.err


def test_a_process_whose_loop_is_stuck_shows_its_workers_and_says_so(relay: Any, process: type[Process]) -> None:
    process.fault = "the workers' loop does not answer"
    process.status = {"ecdp-sink": {"kind": "sink", "state": "running", "loop_age_seconds": 7.0}}
    ran = relay("status")
    assert (ran.status, "ecdp-sink" in ran.out) == (1, True)
    assert ran.err.startswith(
        "relay: ecdp-sink (relay-0): the workers' loop does not answer; it last moved 7 s ago; next"
    )
    ran = relay("waiting")
    assert (ran.status, "does not answer; next: relay status" in ran.err) == (1, True)


def test_two_processes_of_one_name_are_wrong(relay: Any, process: type[Process]) -> None:
    here = os.environ["RELAY_HTTP_ADDR"]
    ran = relay("status", "--at", here, "--at", here.replace("127.0.0.1", "localhost"))
    assert ran.status == 1
    assert "have one RELAY_INSTANCE_ID, relay-0" in ran.err


def test_a_machine_reads_the_look_and_the_faults(relay: Any, process: type[Process]) -> None:
    found = relay("status", "--json").json
    assert found["faults"] == []
    assert (found["workers"][0]["worker"], found["workers"][0]["lag"]) == ("ecdp-sink", 3)


def test_top_shows_the_rate_between_two_looks(relay: Any, process: type[Process]) -> None:
    ran = relay("top", "--max", "2", "--every", "0.2")
    assert ran.status == 0
    assert ran.out.count("rate/s") == 2
    assert ran.out.splitlines()[-1].split()[3] == "0.0"
