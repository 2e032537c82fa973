"""Child processes are ended, whatever state they are in."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from workers.devkit import child

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = child.spawn([sys.executable, "-c", "print('first'); print('last')"], log=log)
    assert process.wait() == 0
    assert child.last_words(log) == "last"
    assert child.last_words(log, lines=2) == "first / last"


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = child.spawn([sys.executable, "-c", STUBBORN], log=tmp_path / "log", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert child.stop(process, patience=0.1) == -signal.SIGKILL


def test_a_stopped_process_is_ended_too(tmp_path: Path) -> None:
    process = child.spawn(["sleep", "60"], log=tmp_path / "log")
    process.send_signal(signal.SIGSTOP)
    assert child.stop(process) == -signal.SIGTERM


def test_unread_input_does_not_delay_the_end(tmp_path: Path) -> None:
    process = child.spawn(["sleep", "60"], log=tmp_path / "log", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"unread")
    assert child.stop(process) == -signal.SIGTERM


def test_a_missing_log_has_no_last_words(tmp_path: Path) -> None:
    assert child.last_words(tmp_path / "none") == ""


def test_a_ctrl_c_while_a_child_starts_is_raised_when_the_child_is_known() -> None:
    known = []

    def start() -> None:
        with child.signals_deferred():
            signal.raise_signal(signal.SIGINT)
            known.append("child")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert known == ["child"]
