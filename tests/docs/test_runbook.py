"""docs/runbook.md: each alert has its section, and the commands of a section work as typed.

The first commands run before a real Kafka, a worker with a parked order, and simulated vendors. Those of a mitigation
change something that only a fault would have made, so the command line's own parser takes them instead.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import click
import pytest
import yaml

from tests.support.promtool import ROOT, RULES
from tests.support.terminal import Terminal
from workers.app.runtime.metrics import NUMBERS, WORKER
from workers.cli.commands import relay

PAGE = (ROOT / "docs/runbook.md").read_text()
ORDER = "A-1001"
POLLER = "dcl-poller"
SECTION = re.compile(r"^## (Relay\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LABELS = ["**Meaning.**", "**Impact.**", "**First commands.**", "**Mitigation.**"]


class Section(NamedTuple):
    alert: str
    text: str

    @property
    def first_commands(self) -> list[str]:
        return commands_in(self.text.partition(LABELS[2])[2].partition(LABELS[3])[0])

    @property
    def mitigation(self) -> list[str]:
        return commands_in(self.text.partition(LABELS[3])[2])


def commands_in(text: str) -> list[str]:
    return [line for block in BLOCK.findall(text) for line in block.splitlines()]


SECTIONS = [Section(*found) for found in SECTION.findall(PAGE)]


FIRST_COMMANDS = {command.partition("  #")[0].rstrip() for section in SECTIONS for command in section.first_commands}


def test_the_commands_need_only_relay_in_a_pod_and_kubectl_outside() -> None:
    """The image has no other program that asks a worker."""
    assert {command.partition(" ")[0] for command in FIRST_COMMANDS} == {"relay", "kubectl"}


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert [section.alert for section in SECTIONS] == list(dict.fromkeys(section.alert for section in SECTIONS))
    assert {section.alert for section in SECTIONS} == alerts


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.alert)
def test_a_section_says_meaning_impact_three_first_commands_and_mitigation(section: Section) -> None:
    assert [word for word in re.findall(r"\*\*[A-Z][a-z ]+\.\*\*", section.text) if word in LABELS] == LABELS
    assert len(section.first_commands) == 3


def test_each_metric_of_the_page_exists() -> None:
    named = set(re.findall(r"\brelay_\w+", PAGE))
    assert named
    assert named <= {metric.name for metric in (*WORKER, *NUMBERS.values())}


def test_links_within_the_page_lead_to_its_sections() -> None:
    anchors = {section.alert.lower() for section in SECTIONS}
    assert set(re.findall(r"\(#([^)]+)\)", PAGE)) <= anchors


@pytest.mark.broker
@pytest.mark.slow
def test_the_first_commands_of_every_section_work_as_typed(terminal: Terminal) -> None:
    terminal.type("relay topics apply")
    terminal.type("relay run ecdp-sink")
    sample = f"relay sample order-created --order-id {ORDER} --bad"
    terminal.type(f"{sample} | relay publish order-created -")
    terminal.wait_until_parked()
    commands = {command for command in FIRST_COMMANDS if command.startswith("relay ")}
    said = _typed(terminal, {command for command in commands if POLLER not in command})
    assert ORDER in said["relay parked list --sink ecdp-sink"]
    assert "parked" in said[f"relay order {ORDER}"]
    terminal.environ["RELAY_HTTP_ADDR"] = "127.0.0.1:0"
    terminal.type(f"relay run {POLLER}")
    _typed(terminal, {command for command in map(_of_poller, commands) if POLLER in command})


def _typed(terminal: Terminal, commands: set[str]) -> dict[str, str]:
    """In the pod of the worker that has started last."""
    terminal.environ["RELAY_HTTP_ADDR"] = terminal.workers[-1].url.removeprefix("http://")
    return {command: terminal.type(command, _ends(command)) for command in sorted(commands)}


def _of_poller(command: str) -> str:
    """The same, when the alert is about a poller."""
    return re.sub(r"(?<!--sink )ecdp-sink", POLLER, command)


def _ends(command: str) -> tuple[int, ...]:
    """1: it has found something wrong, as it says in its help."""
    return (0, 1) if command.startswith("relay status") else (0,)


@pytest.mark.parametrize("typed", [command for section in SECTIONS for command in section.mitigation])
def test_the_commands_of_a_mitigation_are_those_of_the_command_line(typed: str) -> None:
    command: click.Command = relay
    program, *words = shlex.split(typed, comments=True)
    assert program == "relay"
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, typed
        command = found
    command.make_context(typed, words)


def test_the_runbook_is_in_the_documentation() -> None:
    assert "docs/runbook.md" in Path(ROOT / "README.md").read_text()
