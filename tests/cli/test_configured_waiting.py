"""Kafka is out of reach: each command says what it waits for, and obeys Ctrl-C at once."""

import time
from pathlib import Path

import pytest

from tests.support.relay_process import Command, Processes
from tests.support.waiting import wait_for

WAITING = "waiting for Kafka at 127.0.0.1:9: connection refused"
CAUSE = "relay: cannot reach Kafka at 127.0.0.1:9: connection refused; check that it runs, and KAFKA_BOOTSTRAP_SERVERS"
VENDORS = {
    "RELAY_TOPOLOGY": str(Path(__file__).parents[2] / "topics.yaml"),
    "ECDP_API_KEY": "k", "ECDP_BASE_URL": "http://127.0.0.1:9",
    "DCL_USERNAME": "u", "DCL_PASSWORD": "p", "DCL_BASE_URL": "http://127.0.0.1:9",
}  # fmt: skip
COMMANDS = [
    ("topics", "plan"),
    ("check", "ecdp-sink"),
    ("tail", "order-created"),
    ("order", "A-1"),
    ("offsets", "ecdp-sink"),
    ("parked", "list", "--sink", "ecdp-sink"),
    ("poller", "reset", "dcl-poller", "--to", "2026-11-22T06:00:00Z"),
    ("poll", "dcl", "--from", "2026-11-22T06:00:00Z"),
]


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes("127.0.0.1:9", tmp_path, VENDORS)


def begun(processes: Processes, arguments: tuple[str, ...]) -> Command:
    command = processes.begin(*arguments)
    wait_for(lambda: command.err.exists() and WAITING in command.err.read_text(), f"{arguments} says nothing")
    return command


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_command_that_waits_for_kafka_says_so_and_obeys_ctrl_c_at_once(
    processes: Processes, arguments: tuple[str, ...]
) -> None:
    command = begun(processes, arguments)
    asked = time.monotonic()
    command.interrupt()
    ran = command.ended()
    assert (ran.status, ran.err.splitlines()) == (130, [WAITING, "relay: interrupted"])
    assert time.monotonic() - asked < 5, "the client would go on for eight seconds"


def test_every_command_ends_with_the_cause_in_the_same_words(processes: Processes) -> None:
    begun_all = [processes.begin(*arguments) for arguments in COMMANDS if arguments[0] != "check"]
    for command in begun_all:
        ran = command.ended()
        assert (ran.status, ran.err.splitlines()) == (1, [WAITING, CAUSE])
