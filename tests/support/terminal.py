"""A shell in which a page's commands are typed: `relay` is this checkout's, the addresses are the test's.

A shell runs what a shell must, pipes and `curl`; a plain `relay` command is forked, as `fork` explains.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.support.relay_process import ROOT, Command, Ran, Relay, fork, launch
from tests.support.vendor import Vendor
from tests.support.waiting import wait_for
from workers.devkit.broker.broker import Broker
from workers.devkit.simulators.dcl import USERNAME

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

    def type(self, command: str, ends_with: tuple[int, ...] = (0,)) -> str:
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
        assert done.status in ends_with, f"{command}\n{done.out[-2000:]}\n{done.err[-2000:]}"
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
