"""A recording: each series of a run, value by value, in a small text file; and the same on Prometheus's time.

Time is scaled, because an alert that waits ten minutes would take a run of that length: one recorded second stands
for ``scale`` seconds. So each sample comes ``scale`` times later, and each number of seconds is ``scale`` times
larger: gauges and counters of seconds, the bounds and the sum of histograms of seconds. Nothing else is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

Value: TypeAlias = float | None  # None: the series had no sample
Name: TypeAlias = str  # of a series, with its labels: relay_kafka_up{instance="a",worker="ecdp-sink"}

_SECONDS: Final = re.compile(r"_seconds(_total|_sum)?(?=\{|$)")
_BOUND: Final = re.compile(r'(_seconds_bucket\{.*?le=")([0-9.]+)"')
_MISSING: Final = "_"


class Run(NamedTuple):
    """Equal samples one after the other."""

    value: Value
    times: int


@dataclass(frozen=True, slots=True)
class Recording:
    """One run; every series has a value or None for each time it was read."""

    scene: str
    scale: int
    every_s: float  # between two readings, as they were made
    series: Mapping[Name, Sequence[Value]]

    @property
    def interval_s(self) -> int:
        """Between two samples, on Prometheus's time."""
        return round(self.every_s * self.scale)

    @property
    def samples(self) -> int:
        return max(map(len, self.series.values()), default=0)

    def scaled(self) -> Iterator[tuple[Name, list[Value]]]:
        """Each series on Prometheus's time."""
        for name, values in self.series.items():
            factor = self.scale if _SECONDS.search(name) else 1
            yield self._bound(name), [None if value is None else value * factor for value in values]

    def _bound(self, name: Name) -> Name:
        return _BOUND.sub(lambda found: f'{found[1]}{round(float(found[2]) * self.scale, 6)}"', name)


def runs_of(values: Sequence[Value]) -> Iterator[Run]:
    for value, equal in groupby(values):
        yield Run(value, sum(1 for _ in equal))


def write(recording: Recording, file: Path, what: str) -> None:
    """``what``: one sentence for people."""
    lines = [
        f"# {recording.scene}: {what}",
        f"# python -m workers.devkit.recordings {recording.scene} has recorded it; 5*3 is the value 5 three times.",
        f"scale {recording.scale}",
        f"every_s {recording.every_s:g}",
        *(f"{name} {' '.join(map(_token, runs_of(values)))}" for name, values in sorted(recording.series.items())),
    ]
    file.write_text("\n".join(lines) + "\n")


def read(file: Path) -> Recording:
    """Read what `write` has written."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    scale, every_s = (line.split()[1] for line in lines[:2])
    series = {}
    for line in lines[2:]:
        end = line.rindex("}") + 1  # a label may hold braces, a value none
        series[line[:end]] = [value for token in line[end:].split() for value in _values(token)]
    return Recording(file.stem, int(scale), float(every_s), series)


def _token(run: Run) -> str:
    value = _MISSING if run.value is None else f"{run.value:.12g}"
    return value if run.times == 1 else f"{value}*{run.times}"


def _values(token: str) -> list[Value]:
    value, _, count = token.partition("*")
    return [None if value == _MISSING else float(value)] * int(count or 1)
