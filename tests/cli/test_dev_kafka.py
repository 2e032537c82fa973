"""`relay dev-kafka` as a user starts it: a Kafka in the foreground, until Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.broker
ROOT = Path(__file__).parents[2]


def test_the_line_that_it_prints_leads_other_commands_to_it_until_ctrl_c(
    relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "workers", "dev-kafka", "--port", "0"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"export KAFKA_BOOTSTRAP_SERVERS=(\S+) RELAY_REPLICATION_FACTOR=1\n", line)
        assert found, line
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", found[1])
        monkeypatch.setenv("RELAY_REPLICATION_FACTOR", "1")
        planned = relay("topics", "plan")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert planned.status == 0
    assert (process.returncode, err.splitlines()[-1]) == (0, "stopping")


def test_a_taken_port_is_named_with_what_to_do_and_leaves_no_folder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "workers", "dev-kafka", "--port", port]
        environ = os.environ | {"TMPDIR": str(tmp_path)}
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"port {port} is taken" in ran.stderr
    assert "--port" in ran.stderr
    assert list(tmp_path.iterdir()) == []
