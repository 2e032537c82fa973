"""The input of ``promtool test rules``, made of recordings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from workers.devkit.recordings.series import Recording, Run, Value, runs_of

EVALUATED_EVERY_S: Final = 30  # as the Prometheus operator does
_ENDS_AFTER_S: Final = 120  # Prometheus ends the series of a pod that is gone two scrapes after its last sample
_LOOK_EVERY_S: Final = 60  # promtool holds only so many samples of a query
FIRED: Final = 'group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[7d]))'
"""Every alert that fired at any time of a run."""


def document(rules: Path, tests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A whole file of ``promtool test rules``, to be written as YAML or JSON."""
    return {"rule_files": [str(rules)], "evaluation_interval": f"{EVALUATED_EVERY_S}s", "tests": list(tests)}


def alerts_test(recording: Recording, fired: Collection[str]) -> dict[str, Any]:
    """Exactly these alerts fire in the run, at some time of it."""
    return _test(recording, [_check(recording, FIRED, [f'{{alertname="{name}"}}' for name in sorted(fired)])])


def data_test(recording: Recording, queries: Collection[str]) -> dict[str, Any]:
    """Each query gives a series at some time of the run."""
    longest = f"{recording.samples * recording.interval_s}s:{_LOOK_EVERY_S}s"
    return _test(
        recording, [_check(recording, f"group(count_over_time(({query})[{longest}]))", ["{}"]) for query in queries]
    )


def _test(recording: Recording, checks: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": recording.scene,
        "interval": f"{recording.interval_s}s",
        "input_series": [
            {"series": name, "values": _values(values, recording.interval_s)} for name, values in recording.scaled()
        ],
        "promql_expr_test": checks,
    }


def _check(recording: Recording, expr: str, labels: Sequence[str]) -> dict[str, Any]:
    at_s = recording.samples * recording.interval_s
    return {"expr": expr, "eval_time": f"{at_s}s", "exp_samples": [{"labels": one, "value": 1} for one in labels]}


def _values(values: Sequence[Value], interval_s: int) -> str:
    late = round(_ENDS_AFTER_S / interval_s)
    return " ".join(text for run in runs_of(values) for text in _run(run, late))


def _run(run: Run, late: int) -> Iterator[str]:
    """In promtool's notation: ``5+0x2`` is 5 three times, ``stale`` ends a series, ``_`` is no sample."""
    if run.value is not None:
        yield f"{run.value:.12g}+0x{run.times - 1}"
        return
    if run.times <= late:
        yield f"_x{run.times}"
        return
    yield from (f"_x{late}", "stale")
    if run.times > late + 1:
        yield f"_x{run.times - late - 1}"
