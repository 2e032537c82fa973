"""`relay check`: every fault in one run, never a secret; then whether each system answers."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.ecdp_only import ECDP_ONLY
from workers.devkit.simulators import SimulatorOptions
from workers.devkit.simulators.ecdp import simulator as new_simulator

ROOT = Path(__file__).parents[2]
CANARY = "canary-90b1"
PLACE = re.compile(r"relay: (\S+:\d+:\d+|[A-Z][A-Z0-9_]+): \S")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "topics.yaml").write_text(ECDP_ONLY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ECDP_API_KEY", CANARY)
    return tmp_path


def test_offline_reports_that_the_configuration_is_valid(folder: Path, relay: Any) -> None:
    ran = relay("check", "--offline")
    assert (ran.status, ran.err) == (0, "")
    assert "ecdp-sink" in ran.out


def test_one_run_reports_ten_faults_each_with_its_place(
    folder: Path, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (folder / "topics.yaml").read_text()
    for was, becomes in (
        ("linger: 20ms", "linger_ms: 20ms"),
        ("drain: 30s", "drain: 30"),
        ("suspect_after: 50", "suspekt_after: 50"),
        ("retention.ms: -1", "retention.ms: 1"),
        ("replication_factor: 3\n    config:\n      cleanup", "replicas: 3\n    config:\n      cleanup"),
    ):
        assert was in text
        text = text.replace(was, becomes)
    (folder / "topics.yaml").write_text(text)
    monkeypatch.delenv("ECDP_API_KEY")
    for name, value in {
        "ECDP_API_KEY_FILE": "/nowhere/key",
        "ECDP_BASE_URL": f"https://u:{CANARY}@host",
        "KAFKA_SECURITY_PROTOCOL": "SASL",
        "RELAY_HTTP_ADDR": "8080",
        "RELAY__ECDP_SINK__BATCH__MAX_ORDRES": CANARY,
    }.items():
        monkeypatch.setenv(name, value)
    ran = relay("check", "--offline")
    assert ran.status == 2
    lines = ran.err.splitlines()
    assert len(lines) == 10, ran.err
    assert all(PLACE.match(line) for line in lines), ran.err
    assert "did you mean 'linger'" in ran.err
    assert CANARY not in ran.err + ran.out


def test_json_has_the_faults_too(folder: Path, relay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_LOG_FORMAT", "xml")
    ran = relay("check", "--offline", "--json")
    assert (ran.status, ran.err) == (2, "")
    assert [fault["place"] for fault in ran.json["faults"]] == ["RELAY_LOG_FORMAT"]


def test_a_missing_variable_of_two_workers_is_reported_once(folder: Path, relay: Any) -> None:
    """e-Courier's sink and poller read the same address."""
    shutil.copy(ROOT / "topics.yaml", folder)
    ran = relay("check", "--offline")
    assert ran.status == 2
    assert ran.err.count("relay: ECOURIER_BASE_URL:") == 1, ran.err


def test_all_faults_of_a_vendors_variables_are_reported_in_one_run_by_their_full_names(
    folder: Path, relay: Any
) -> None:
    shutil.copy(ROOT / "topics.yaml", folder)
    ran = relay("check", "--offline", "ecourier-sink")
    assert [line.split(":")[1].strip() for line in ran.err.splitlines()] == ["ECOURIER_BASE_URL", "ECOURIER_USER_GUID"]
    assert "ECOURIER_WEBSITE, ECOURIER_USERNAME and ECOURIER_PASSWORD" in ran.err


def test_the_workers_that_have_all_of_their_variables_are_named_when_others_lack_some(folder: Path, relay: Any) -> None:
    shutil.copy(ROOT / "topics.yaml", folder)
    ran = relay("check", "--offline")
    assert ran.status == 2
    assert "complete: ecdp-sink; 'relay check ecdp-sink' checks that one alone" in ran.err


def test_run_says_its_last_words_in_the_format_of_its_log(
    folder: Path, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log pipeline drops a line that is no JSON, and it would be the most important one."""
    monkeypatch.delenv("ECDP_API_KEY")
    ran = relay("run", "ecdp-sink")
    (line,) = [json.loads(line) for line in ran.err.splitlines()]
    assert (ran.status, line["level"], line["action"], line["place"]) == (
        2, "error", "configuration_fault", "ECDP_API_KEY",
    )  # fmt: skip
    monkeypatch.setenv("RELAY_LOG_FORMAT", "text")
    ran = relay("run", "ecdp-sink")
    assert (ran.status, ran.err.startswith("relay: ECDP_API_KEY: needed")) == (2, True)


def test_an_unknown_worker_is_named_with_the_nearest(folder: Path, relay: Any) -> None:
    ran = relay("check", "ecdp-snik", "--offline")
    assert ran.status == 2
    assert "did you mean 'ecdp-sink'?" in ran.err


@pytest.mark.broker
async def test_everything_that_the_configuration_names_is_checked(
    project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka with its topics, and the vendor with a right key; a wrong key fails the vendor's row."""
    simulator = new_simulator(SimulatorOptions(secret="right"))
    monkeypatch.setenv("ECDP_BASE_URL", await simulator.start())
    try:
        monkeypatch.setenv("ECDP_API_KEY", "right")
        assert (await in_thread(relay, "check")).status == 1
        assert (await in_thread(relay, "topics", "apply")).status == 0
        good = await in_thread(relay, "check", "--json")
        assert (good.status, [one["ok"] for one in good.json["reached"]]) == (0, [True, True])
        monkeypatch.setenv("ECDP_API_KEY", CANARY)
        bad = await in_thread(relay, "check")
        assert bad.status == 1
        assert "FAILED" in bad.out
        assert CANARY not in bad.out + bad.err
    finally:
        await simulator.stop()


async def in_thread(relay: Any, *arguments: str) -> Any:
    return await asyncio.to_thread(relay, *arguments)


def test_a_system_that_does_not_answer_is_a_row_not_a_traceback(folder: Path) -> None:
    """Run in its own process: kafka-python leaves refused sockets open, which would warn in a later test."""
    nowhere = "http://127.0.0.1:9"
    environ = {
        "PYTHONPATH": str(ROOT),
        "ECDP_API_KEY": CANARY,
        "ECDP_BASE_URL": nowhere,
        "SCHEMA_REGISTRY_URL": nowhere,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    command = [sys.executable, "-m", "workers", "check", "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | environ, check=False)
    assert (ended.returncode, ended.stderr) == (1, "waiting for Kafka at 127.0.0.1:9: connection refused\n")
    assert [(one["what"], one["ok"]) for one in json.loads(ended.stdout)["reached"]] == [
        ("Kafka", False),
        ("registry", False),
        ("ecdp-sink", False),
    ]
