"""``relay simulate`` as a user starts it."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.relay_process import HTTP
from workers.cli.commands import run

RELAY = [sys.executable, "-m", "workers", "simulate"]


@contextmanager
def simulate(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its first line, which it prints when it listens."""
    with subprocess.Popen([*RELAY, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_ends_quietly_on_a_signal(number: signal.Signals) -> None:
    with simulate("ecdp", "--fault", "unknown_order=404", "--latency", "1ms") as (process, line):
        base, _, rest = line.partition(" ")
        assert rest.startswith("simulates ecdp (key demo-key, control http://127.0.0.1:")
        change = {"orderId": "1", "orderStatus": "paid"}
        assert HTTP.put(f"{base}/orders/status", json=change, headers={"x-api-key": "demo-key"}).status_code == 404
        assert HTTP.get(f"{base}/_sim/faults").json()["latency"] == 0.001
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == ""


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["simulate", "ecdp", "--port", str(taken.getsockname()[1])]) == 1
    error = capsys.readouterr().err
    assert error.startswith("relay: cannot listen")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["acme"], "there is no simulator of 'acme'; there are: dcl, e2cc, ecdp, ecourier, komet"),
        (["ecdp", "--fault", "doom=1"], "there is no fault knob 'doom'; there are: bad_ids, broken_ids"),
        (["ecdp", "--latency", "soon"], "fault latency: must be a duration"),
        (["ecdp", "--error-rate", "2"], "fault error_rate: Input should be less than or equal to 1"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"relay: {said}")
    assert error.count("\n") == 1
