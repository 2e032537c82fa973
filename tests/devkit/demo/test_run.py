"""`relay demo` ends with counts that agree, and leaves no process and no file behind."""

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
from kafka import KafkaAdminClient

from tests.support.topics_yaml import POLLER, SINK
from workers.devkit.broker.broker import Broker
from workers.devkit.data.make_samples import COUNT, FAULTS, ORDERS, REFUSED

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ROOT = Path(__file__).parents[3]
MARK = "DEMO_TEST_MARK"
FEW_ORDERS = 30  # of all vendors
_TOPICS, _WORKERS = POLLER.partition("topics:\n")[2].split("workers:\n")
SINK_AND_POLLER = SINK.replace("workers:\n", f"{_TOPICS}workers:\n") + _WORKERS
WITHIN_S = 400.0  # on a machine that does ten other things; by itself the demo takes 40


@contextmanager
def demo(tmp_path: Path, mark: str, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "workers", "demo", *arguments]
    environ = os.environ | {MARK: mark, "TMPDIR": str(tmp_path)} | variables
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def topology(folder: Path, text: str) -> str:
    """A topics.yaml beside the repository's schemas."""
    (folder / "schemas").symlink_to(ROOT / "schemas")
    file = folder / "topics.yaml"
    file.write_text(text)
    return str(file)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a test's own files; the demo leaves none in ``tmp_path``."""
    return tmp_path_factory.mktemp("demo")


def left_behind(mark: str) -> list[str]:
    """Processes with the mark in their environment, once the kernel has had time to end them."""
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


def test_all_counts_agree_and_no_vendor_waits_for_the_other(broker: object, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    elsewhere = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "DCL_PASSWORD_FILE": "/nowhere"}  # left alone
    with demo(tmp_path, mark, "--json", **elsewhere) as process:
        printed, progress = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, progress
    report = json.loads(printed)
    assert report["right"]
    ecdp, ecourier, komet = report["sinks"]
    assert ecdp["view"]["at_vendor"] == COUNT - len(FAULTS) - len(REFUSED)
    assert {record["reason"] for record in ecdp["parked"]} >= {"invalid", "rejected", "behind", "unknown-order"}
    assert ecourier["view"]["at_vendor"] == COUNT // 3 - 1, "every third order has a delivery, and one is refused"
    assert {record["reason"] for record in ecourier["parked"]} == {"rejected", "behind"}
    assert ecourier["view"]["skipped"] > 0
    assert komet["view"]["at_vendor"] == COUNT // 25 - 1, "every 25th order is of Komet's channel, and one is refused"
    assert all(report["meanwhile"][name] > 0 for name in ("ecdp-sink", "ecourier-sink"))
    assert all(f"{name}: gate shut" in progress for name in ("ecdp-sink", "ecourier-sink"))
    pollers = {one["name"]: one for one in report["pollers"]}
    assert pollers.keys() >= {"dcl-poller", "ecourier-poller", "komet-poller"}
    assert all(one["wrong"] == 0 and min(one["events"].values()) > 0 for one in pollers.values())
    assert pollers["ecourier-poller"]["orders"] == ecourier["view"]["at_vendor"]
    assert left_behind(mark) == []
    assert list(tmp_path.iterdir()) == []


def names_of_demos(admin: KafkaAdminClient) -> set[str]:
    """The topics and groups that a demo made; others come and go, for other tests use this Kafka, too."""
    found = {*admin.list_topics(), *(group["group_id"] for group in admin.list_groups())}
    return {name for name in found if "relay-demo-" in name}


def test_a_kafka_that_it_did_not_start_is_left_as_it_was(broker: Broker, tmp_path: Path, folder: Path) -> None:
    """Real orders wait there in real topics; a demo beside them takes none, and removes what it made."""
    orders = folder / "orders.jsonl"
    orders.write_text("".join(ORDERS.read_text().splitlines(keepends=True)[:FEW_ORDERS]))
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    real = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
        "ECDP_API_KEY_FILE": "/nowhere",
        "DCL_PASSWORD_FILE": "/nowhere",
        "RELAY_TOPOLOGY": topology(folder, SINK_AND_POLLER),
    }
    arguments = ("--on-this-kafka", "--json", "--orders", str(orders))
    with demo(tmp_path, "", *arguments, **real) as process:
        _, said = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, "give --yes" in said) == (2, True)
    with demo(tmp_path, "", *arguments, "--yes", **real) as process:
        printed, progress = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, progress
    report = json.loads(printed)
    assert report["right"]
    assert {sink["orders"] for sink in report["sinks"]} == {FEW_ORDERS}
    assert all(sink["view"]["name"].startswith("relay-demo-") for sink in report["sinks"])
    assert names_of_demos(admin) == set()
    admin.close()


@pytest.mark.parametrize(
    ("moment", "number"), [("Apache Kafka", signal.SIGINT), ("workers", signal.SIGTERM), ("goes down", signal.SIGINT)]
)
def test_a_signal_at_any_moment_ends_every_process(
    broker: object, tmp_path: Path, folder: Path, moment: str, number: signal.Signals
) -> None:
    mark = uuid.uuid4().hex
    with demo(tmp_path, mark, RELAY_TOPOLOGY=topology(folder, SINK)) as process:
        assert process.stdout is not None
        assert any(moment in line for line in process.stdout)
        process.send_signal(number)
        _, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Traceback" not in said
    assert left_behind(mark) == []
    assert list(tmp_path.iterdir()) == []
