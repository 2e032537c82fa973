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
from workers.devkit.demo.processes import DemoError, Server

_FIRST_WITHIN_S: Final = 30.0
_POLL_INTERVAL_S: Final = 0.05
_MIB: Final = 1024.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a run lasts."""

    warm_up_s: float  # after the first delivery, not measured: connections, caches
    measured_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the bench's table."""

    what: str
    in_flight: int  # requests at once
    together: int = 1  # records in a request
    latency: float  # of the vendor, seconds
    rate: float  # records a second
    cpu_us: float | None  # processor time a record; None where it cannot be measured
    peak_mib: float | None  # the most memory the process has held
    first: float  # seconds from the process's start to its first delivery

    @property
    def ideal(self) -> float | None:
        """Records a second if every request took exactly the vendor's latency; None where that is no bound."""
        return self.in_flight / self.latency if self.latency and self.together == 1 else None

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return asdict(self) | {"ideal": self.ideal}


@dataclass(frozen=True, slots=True)
class Vendor:
    """The simulator, and its count of what it has applied."""

    part: Server
    client: httpx.Client

    def set_latency(self, latency: float) -> None:
        """Set the time before every answer, after the last requests of the run before are answered.

        Otherwise these would count as the next run's first deliveries, and its start would be measured.
        """
        while self._stats()["in_flight"]:
            time.sleep(_POLL_INTERVAL_S)
        self.client.post(f"{self.part.control}/_sim/faults", json={"latency": latency}).raise_for_status()

    def statuses(self) -> int:
        """Status changes that it has accepted."""
        return int(self._stats()["requests"].get("PUT 200", 0))

    def orders(self) -> int:
        """Orders that it has accepted."""
        return int(self._stats()["effects"])

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.client.get(f"{self.part.control}/_sim/stats").raise_for_status().json()
        return stats


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurements of one run."""

    rate: float
    cpu_us: float | None
    peak_mib: float | None
    first: float

    def as_fields(self) -> dict[str, Any]:
        """Return them as fields of a `Row`."""
        return asdict(self)


def measure(
    start: Callable[[], Any], log: Path, count: Callable[[], int], timing: Timing, *, patience: float = 30.0
) -> Measured:
    """Start a process, measure how fast ``count`` grows, end the process; raises `DemoError` when it does not grow.

    ``start`` returns the running process; ``log`` is its log.
    """
    before, begun = count(), time.monotonic()
    process: subprocess.Popen[bytes] = start()
    try:
        first = _first(process, log, count, before) - begun
        time.sleep(timing.warm_up_s)
        cpu, done, at = _cpu(process.pid), count(), time.monotonic()
        time.sleep(timing.measured_s)
        records, seconds = count() - done, time.monotonic() - at
        spent, peak = _cpu(process.pid), peak_memory(process.pid)
    finally:
        child.stop(process, patience=patience)
    if not records:
        raise DemoError(f"nothing was delivered for {timing.measured_s:.0f} s; its log is {log}")
    cpu_us = None if cpu is None or spent is None else (spent - cpu) / records * 1e6
    return Measured(records / seconds, cpu_us, peak, first)


def _first(process: subprocess.Popen[bytes], log: Path, count: Callable[[], int], before: int) -> float:
    deadline = time.monotonic() + _FIRST_WITHIN_S
    while count() <= before:
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"nothing was delivered: {child.last_words(log)[:300]}; its log is {log}")
        time.sleep(_POLL_INTERVAL_S)
    return time.monotonic()


def _cpu(pid: int) -> float | None:
    """Return the seconds of processor time so far, all threads; None where the system is not Linux."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    user, system = 11, 12  # proc(5), counted from the state
    return (int(fields[user]) + int(fields[system])) / os.sysconf("SC_CLK_TCK")


def peak_memory(pid: int) -> float | None:
    """Return the most resident memory so far, MiB; None where the system is not Linux."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / _MIB for line in lines if line.startswith("VmHWM:")), None)
