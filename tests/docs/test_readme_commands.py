"""Each command of the README does what its comment says, as typed, against a real Kafka and simulated vendors.

Only addresses are the test's own: `export` lines give way to its environment, and port 8080 or 8081 to a free one.
A shell runs what a shell must, pipes and `curl`; a plain `relay` command is forked, as `fork` explains.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.relay_process import Command, Ran, Relay, fork, launch
from tests.support.vendor import Vendor
from tests.support.waiting import wait_for
from workers.devkit.broker.broker import Broker
from workers.devkit.simulators.dcl import USERNAME

pytestmark = [pytest.mark.broker, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line and not line.startswith("export ")]
NOT_TYPED = ("python3 -m venv ", "relay dev-kafka ", "relay simulate ")
"""Make's own set-up, and this test's broker and vendor, stand for these."""
ORDER = "A-1001"
ENDLESS = "relay tail "  # follows the topic: Ctrl-C ends it


class Terminal:
    """A shell in which `relay` is this checkout's, with the variables that the README's `export` lines stand for."""

    def __init__(self, folder: Path, broker: Broker, ecdp: Vendor, dcl: Vendor) -> None:
        (folder / "bin").mkdir()
        relay = folder / "bin/relay"
        relay.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m workers "$@"\n')
        relay.chmod(0o755)
        self.folder = folder
        self.ecdp = ecdp
        self.workers: list[Relay] = []
        self.typed = 0
        self.environ = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
            "RELAY_REPLICATION_FACTOR": "1",
            "RELAY_HTTP_ADDR": "127.0.0.1:0",
            **ecdp.variables,
            "DCL_BASE_URL": dcl.url,
            "DCL_USERNAME": USERNAME,
            "DCL_PASSWORD": ecdp.variables["ECDP_API_KEY"],
            "RELAY__DCL_POLLER__EVERY": "1s",
            "RELAY__DCL_POLLER__SETTLE_LAG": "1s",
            "no_proxy": "*",
        }

    def type(self, command: str) -> str:
        """Run a command to its end; return its output. A worker goes on in the background."""
        if found := re.search(r"relay run (\S+)", command):
            worker = launch([found[1]], self.environ, self.folder / f"{found[1]}.log")
            self.workers.append(worker)
            worker.joined()
            return worker.text
        if self.workers:
            command = command.replace("localhost:8080", self.workers[0].url.removeprefix("http://"))
        if command.startswith(ENDLESS):
            command = command.partition("#")[0] + " --max 1"
        words = shlex.split(command, comments=True)
        done = self._run_relay(words[1:]) if words[0] == "relay" and "|" not in words else self._run_shell(command)
        assert done.status == 0, f"{command}\n{done.out[-2000:]}\n{done.err[-2000:]}"
        return done.out

    def _run_relay(self, arguments: list[str]) -> Ran:
        self.typed += 1
        out, err = self.folder / f"{self.typed}.out", self.folder / f"{self.typed}.err"
        return Command(fork(arguments, self.environ, out, err), out, err).ended()

    def _run_shell(self, command: str) -> Ran:
        shell = ["bash", "-o", "pipefail", "-c", command]
        done = subprocess.run(
            shell, cwd=ROOT, env=self.environ, capture_output=True, text=True, timeout=90, check=False
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def wait_until_parked(self) -> None:
        wait_for(lambda: self.workers[0].status()["parked_orders"], "the order was not parked")


@pytest.fixture
def terminal(tmp_path: Path, broker: Broker) -> Iterator[Terminal]:
    with ExitStack() as stack:
        ecdp, dcl = Vendor("ecdp"), Vendor("dcl")
        stack.callback(ecdp.stop)
        stack.callback(dcl.stop)
        opened = Terminal(tmp_path, broker, ecdp, dcl)
        yield opened
        for worker in opened.workers:
            assert worker.stop() == 0


def test_every_command_of_the_readme_works_as_typed(terminal: Terminal) -> None:
    typed = [command for command in COMMANDS if not command.startswith(NOT_TYPED)]
    assert len(COMMANDS) - len(NOT_TYPED) == len(typed) >= 15
    said = {}
    for command in typed:
        if command.startswith("relay parked list"):
            terminal.wait_until_parked()
        said[command] = terminal.type(command)
    published = next(out for command, out in said.items() if f"--order-id {ORDER} | relay publish" in command)
    assert re.fullmatch(rf"{ORDER} -> order-created/\d+@\d+\n", published)
    listed = next(out for command, out in said.items() if command.startswith("relay parked list"))
    assert ORDER in listed
    assert "invalid: currency" in listed
    (started,) = terminal.workers[0].said("started")
    assert started["kafka"] == [terminal.environ["KAFKA_BOOTSTRAP_SERVERS"]]
    assert started["vendors"] == {"ecdp-sink": terminal.environ["ECDP_BASE_URL"]}
    assert started["modes"] == {"ecdp-sink": "AddOrReplace"}


def test_readme_exports_only_variables_that_the_configuration_knows() -> None:
    names = set(re.findall(r"^export (\w+)=", README, re.MULTILINE)) - {"PATH"}
    known = (ROOT / "docs/configuration.md").read_text()
    assert {name for name in names if name.removesuffix("_FILE") not in known} == set()
    assert names
