"""Child processes that never outlive this one.

A child runs in its own session, so that Ctrl-C reaches only this process, which then stops its children in their order.
If this process gets SIGKILL, the kernel ends the child (Linux: PR_SET_PDEATHSIG, which the child sets before its exec).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_DEFERRED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_BECOME = """
import ctypes, os, sys
parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() == int(parent):
    os.execvp(command[0], command)
"""


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start the command, its output appended to ``log``; raises `OSError`.

    The calling thread must live as long as the child should: for Linux its end is the parent's death.
    """
    become = [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid())]
    with log.open("ab") as sink:
        return subprocess.Popen(
            [*become, *command],
            stdin=stdin,
            stdout=sink if stdout is None else stdout,
            stderr=sink,
            env=environ,
            start_new_session=True,
        )


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer SIGINT, SIGTERM and SIGHUP for the length of a ``with`` block, in which a child is started and recorded.

    Python runs signal handlers in the main thread only, so in other threads there is nothing to defer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in _DEFERRED}
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
        for late in held:
            signal.raise_signal(late)


def stop(process: subprocess.Popen[bytes], *, patience: float = 10.0) -> int:
    """End the child: SIGTERM, and SIGKILL after ``patience`` seconds; returns its exit status."""
    if process.poll() is None:
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a stopped child gets SIGTERM only when it continues
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):  # the process has ended
            if pipe is not None:
                pipe.close()


def last_words(log: Path, lines: int = 1) -> str:
    """Return the last lines of a log, without stack traces, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    said = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return " / ".join(said[-lines:])
