"""Rates, processor time and memory of a process at work, read over the middle of its run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from workers.devkit import child
from workers.devkit.demo.parts import DemoError, Part

_FIRST_WITHIN: Final = 30.0  # seconds
_LOOK_EVERY: Final = 0.05
_MIB: Final = 1024.0


@dataclass(frozen=True, slots=True)
class Span:
    """How long a run lasts; seconds."""

    settle: float  # after the first delivery, not measured: connections, caches
    measured: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the bench's table."""

    what: str
    in_flight: int  # requests at once
    together: int = 1  # records in a request
    latency: float  # of the vendor, seconds
    rate: float  # records a second
    cpu_us: float | None  # processor time per record, microseconds; None: this system does not tell
    peak_mib: float | None  # the most memory the process has held
    first: float  # seconds from the process's start to its first delivery

    @property
    def ideal(self) -> float | None:
        """Records a second if every request took the vendor's latency and not a moment more; None: that is no bound."""
        return self.in_flight / self.latency if self.latency and self.together == 1 else None

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        return asdict(self) | {"ideal": self.ideal}


@dataclass(frozen=True, slots=True)
class Vendor:
    """The simulator, asked what it has applied."""

    part: Part
    client: httpx.Client

    def set_latency(self, latency: float) -> None:
        """Set how long it waits before every answer, once a former run's last requests have been answered.

        They would count as the next run's first deliveries, and its start-up would be measured.
        """
        while self._stats()["in_flight"]:
            time.sleep(_LOOK_EVERY)
        self.client.post(f"{self.part.control}/_sim/faults", json={"latency": latency}).raise_for_status()

    def statuses(self) -> int:
        """Status changes that it answered as done."""
        return int(self._stats()["requests"].get("PUT 200", 0))

    def orders(self) -> int:
        """Orders that it took."""
        return int(self._stats()["effects"])

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.client.get(f"{self.part.control}/_sim/stats").raise_for_status().json()
        return stats


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of one run."""

    rate: float
    cpu_us: float | None
    peak_mib: float | None
    first: float

    def as_fields(self) -> dict[str, Any]:
        """The same, for a `Row`."""
        return asdict(self)


def measure(
    start: Callable[[], Any], log: Path, count: Callable[[], int], span: Span, *, patience: float = 30.0
) -> Measured:
    """Start a process, watch ``count`` grow, end the process; raises `DemoError` when nothing comes.

    ``start`` returns the running process; ``log`` is where its last words are.
    """
    before, begun = count(), time.monotonic()
    process: subprocess.Popen[bytes] = start()
    try:
        first = _first(process, log, count, before) - begun
        time.sleep(span.settle)
        cpu, done, at = _cpu(process.pid), count(), time.monotonic()
        time.sleep(span.measured)
        records, seconds = count() - done, time.monotonic() - at
        spent, peak = _cpu(process.pid), peak_memory(process.pid)
    finally:
        child.stop(process, patience=patience)
    if not records:
        raise DemoError(f"nothing was delivered for {span.measured:.0f} s; its log is {log}")
    cpu_us = None if cpu is None or spent is None else (spent - cpu) / records * 1e6
    return Measured(records / seconds, cpu_us, peak, first)


def _first(process: subprocess.Popen[bytes], log: Path, count: Callable[[], int], before: int) -> float:
    deadline = time.monotonic() + _FIRST_WITHIN
    while count() <= before:
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"nothing was delivered: {child.last_words(log)[:300]}; its log is {log}")
        time.sleep(_LOOK_EVERY)
    return time.monotonic()


def _cpu(pid: int) -> float | None:
    """Seconds of processor time so far, all threads; Linux alone tells."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    user, system = 11, 12  # proc(5), counted from the state
    return (int(fields[user]) + int(fields[system])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> float | None:
    """The most resident memory so far, MiB; Linux alone tells."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / _MIB for line in lines if line.startswith("VmHWM:")), None)
