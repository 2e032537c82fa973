"""A publisher's control characters reach no operator's terminal, through whatever command they are shown."""

import json
from pathlib import Path

import pytest

from tests.support.relay_process import Ran
from tests.support.sink_process import Rig

pytestmark = pytest.mark.broker

EVIL = "SO-\x1b[31mRED\x1b]0;pwn\x07\x9b2J\u202e"


def assert_harmless(ran: Ran, *arguments: str) -> None:
    assert ran.status in {0, 1, 2}, (arguments, ran.err)
    for text in (ran.out, ran.err):
        assert "RED" not in text or all(line.isprintable() for line in text.split("\n")), (arguments, text)


def test_no_command_that_prints_data_prints_a_control_character_of_it(rig: Rig, tmp_path: Path) -> None:
    kafka, sink = rig.kafka, rig.worker
    relay = rig.start().joined()
    kafka.create(EVIL, currency="EURO").get(30)
    relay.wait(lambda status: status["parked_orders"] == 1, "it was not parked")
    sample = json.loads(rig.command("sample", kafka.created, "--order-id", EVIL).out)
    assert sample["order"]["order_id"] == EVIL
    event, broken = tmp_path / "event.json", tmp_path / "broken.json"
    event.write_text(json.dumps(sample))
    broken.write_text(json.dumps(sample | {EVIL: 1}))
    commands = [
        ("sample", kafka.created, "--order-id", EVIL),
        ("publish", kafka.created, str(event), "--check"),
        ("publish", kafka.created, str(event), "--json"),
        ("publish", kafka.created, str(event)),
        ("publish", kafka.created, str(broken)),
        ("tail", kafka.created, "--from-beginning", "--max", "1"),
        ("tail", kafka.parked, "--from-beginning", "--max", "1"),
        ("tail", f"{kafka.parked}-state", "--from-beginning", "--max", "1"),
        ("order", EVIL),
        ("order", EVIL, "--json"),
        ("order", EVIL, "--partition", "9"),
        *(("parked", *rest, "--sink", sink) for rest in PARKED),
    ]
    for arguments in commands:
        assert_harmless(rig.command(*arguments), *arguments)
    assert relay.stop() == 0
    kafka.create(EVIL).get(30)
    moved = ("offsets", sink, "--to", "earliest")
    assert_harmless(rig.command(*moved), *moved)


PARKED = [
    ("list",),
    ("list", "--json"),
    ("show", EVIL),
    ("show", EVIL, "--json"),
    ("show", EVIL + "2"),
    ("replay", "--all", "--dry-run"),
    ("replay", "--all", "--dry-run", "--json"),
    ("replay", EVIL, EVIL + "2"),
    ("discard", EVIL, "--yes", "--by", EVIL, "--why", EVIL),
]
