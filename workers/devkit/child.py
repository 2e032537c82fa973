"""Child processes that never outlive us.

A child runs in its own session, so that Ctrl-C reaches us alone and we stop
things in their order. Should we die without a word (SIGKILL), the kernel ends
the child: on Linux it asks for that itself, before it becomes the command.
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

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_BECOME = """
import ctypes, os, sys
death_signal, parent, *command = sys.argv[1:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(death_signal), 0, 0, 0)
if os.getppid() == int(parent):
    os.execvp(command[0], command)
"""


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start the command, its output appended to ``log``; raises `OSError` when it cannot.

    Call it from a thread that lives as long as the child should: Linux counts
    the end of the starting thread as the parent's death.
    """
    become = [sys.executable, "-I", "-S", "-c", _BECOME, str(int(death_signal)), str(os.getpid())]
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
def undisturbed() -> Iterator[None]:
    """Hold back what would end us for the length of a ``with`` block: a child that has been started is then known.

    Only the main thread is ever disturbed by a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in _ENDINGS}
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
        process.send_signal(signal.SIGCONT)  # a paused child would not see the first signal
    try:
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):  # what was not written is of no use to a process that has ended
            if pipe is not None:
                pipe.close()


def last_words(log: Path, lines: int = 1) -> str:
    """Return the last lines of a log that say something, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    said = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return " / ".join(said[-lines:])
