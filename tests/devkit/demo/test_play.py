"""`relay demo` shows that everything adds up, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workers.devkit.data.make_samples import COUNT, FAULTS, REFUSED

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ROOT = Path(__file__).parents[3]
MARK = "DEMO_TEST_MARK"


@contextmanager
def demo(tmp_path: Path, mark: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "workers", "demo", *arguments]
    environ = os.environ | {MARK: mark, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def left_behind(mark: str) -> list[str]:
    """Processes that still carry the mark in their environment; one that the kernel is just ending gets its moment."""
    until = time.monotonic() + 5
    while (found := marked(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def marked(mark: str) -> list[str]:
    wanted = f"{MARK}={mark}".encode()
    entries = [
        entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and wanted in _read(entry / "environ")
    ]
    return [_read(entry / "cmdline").replace(b"\0", b" ").decode() for entry in entries]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # the process ended while we looked
        return b""


def test_everything_adds_up_at_both_vendors_and_neither_waits_for_the_other(broker: object, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with demo(tmp_path, mark, "--json") as process:
        printed, progress = process.communicate(timeout=180)
    assert process.returncode == 0, progress
    account = json.loads(printed)
    assert account["right"]
    ecdp, ecourier = account["sinks"]
    assert ecdp["view"]["at_vendor"] == COUNT - len(FAULTS) - len(REFUSED)
    assert {record["reason"] for record in ecdp["parked"]} >= {"invalid", "rejected", "behind", "unknown-order"}
    assert ecourier["view"]["at_vendor"] == COUNT // 3 - 1, "every third order has a delivery, and one is refused"
    assert {record["reason"] for record in ecourier["parked"]} == {"rejected", "behind"}
    assert ecourier["view"]["skipped"] > 0
    assert all(account["meanwhile"][name] > 0 for name in ("ecdp-sink", "ecourier-sink"))
    assert all(f"{name}: gate shut" in progress for name in ("ecdp-sink", "ecourier-sink"))
    told = {news["name"]: news for news in account["news"]}
    assert told.keys() == {"dcl-poller", "ecourier-poller"}
    assert all(news["wrong"] == 0 and min(news["events"].values()) > 0 for news in told.values())
    assert told["ecourier-poller"]["orders"] == ecourier["view"]["at_vendor"]
    assert left_behind(mark) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Apache Kafka", signal.SIGINT),
        ("topics", signal.SIGTERM),
        ("workers", signal.SIGINT),
        ("goes down", signal.SIGINT),
    ],
)
def test_ended_at_any_moment_it_leaves_nothing(
    broker: object, tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    mark = uuid.uuid4().hex
    with demo(tmp_path, mark) as process:
        assert process.stdout is not None
        assert any(moment in line for line in process.stdout)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in said
    assert left_behind(mark) == []
    assert list(tmp_path.iterdir()) == []
