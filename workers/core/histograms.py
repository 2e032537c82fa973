"""Distributions as plain counters: OpenTelemetry's own recording takes a hundred times as long as this one."""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

OTHER: Final = "other"
"""The label of what would be one series too many."""

_MOST_OF_THEIR_OWN: Final = 5  # combinations of labels; each is a series for every bucket


class Histogram:
    """Counts values by the first bound that they do not exceed; the last count is of those beyond all bounds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def record(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)

    def shown(self) -> dict[str, Any]:
        """As ``/status`` has it: the counts are cumulative, by bound, as Prometheus wants them."""
        names = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return {
            "count": self.count,
            "sum": round(self.sum, 6),
            "buckets": dict(zip(names, accumulate(self.counts), strict=True)),
        }


class LabelledHistograms:
    """One histogram for each combination of labels; beyond `_MOST_OF_THEIR_OWN` the first label becomes `OTHER`.

    The further labels have few values, all known beforehand, and keep them: they say what went wrong.
    """

    __slots__ = ("_bounds", "_constant", "_found", "_labels")

    def __init__(self, labels: tuple[str, ...], bounds: tuple[float, ...], constant: Mapping[str, str]) -> None:
        """``constant``: labels that have the same value in all of them."""
        self._labels = labels
        self._bounds = bounds
        self._constant = constant
        self._found: dict[tuple[str, ...], Histogram] = {}

    def record(self, value: float, *values: str) -> None:
        """``values``: of the labels, in their sequence."""
        found = self._found.get(values)
        if found is None:
            found = self._found.setdefault(self._known(values), Histogram(self._bounds))
        found.record(value)

    def _known(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """The labels of a combination that is new: the number of series must stay bounded."""
        return values if len(self._found) < _MOST_OF_THEIR_OWN else (OTHER, *values[1:])

    def shown(self) -> list[dict[str, Any]]:
        """As ``/status`` has it: one row for each combination."""
        rows = sorted(self._found.items())
        return [
            {**self._constant, **dict(zip(self._labels, values, strict=True)), **one.shown()} for values, one in rows
        ]
