"""What a worker counts and measures: declared once, at the field that holds the number.

A field ``retries: Annotated[int, counted("...")]`` is ``retries_total`` in ``/status`` and ``relay_retries_total`` in
``/metrics``, with its help text in both the exposition and the documentation. No number is looked up by a string.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_type_hints

from workers.core.histograms import Histogram, LabelledHistograms

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The annotation of a field."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    key: str | None = None
    name: str | None = None


def counted(
    text: str,
    *,
    label: str | None = None,
    values: tuple[str, ...] = (),
    key: str | None = None,
    name: str | None = None,
) -> _Meaning:
    """Annotate a number that only grows.

    ``label``: the field is a `Counter`, and each of its keys is a series with this label. Without a label a `Counter`
    is shown as its total. ``values``: keys whose series exist from the start: Prometheus sees no growth of a series
    that begins with 1. ``key``: the name in ``/status``, where it is not ``<field>_total``. ``name``: the metric's,
    where the field's does not explain itself; the field's name is a second metric until the next release.
    """
    return _Meaning("counter", text, () if label is None else (label,), values, key, name)


def measured(text: str, *, label: str | None = None, name: str | None = None) -> _Meaning:
    """Annotate a number that rises and falls; None: unknown now, and then without a sample."""
    return _Meaning("gauge", text, () if label is None else (label,), name=name)


def distributed(text: str, *labels: str) -> _Meaning:
    """Annotate a `Histogram`, or `LabelledHistograms` of these labels."""
    return _Meaning("histogram", text, labels)


@dataclass(frozen=True, slots=True)
class Metric:
    """One name of ``/metrics``; every sample has the label ``worker``, except those of the process."""

    field: str
    key: str  # in a worker's part of /status
    name: str  # in /metrics
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()  # in addition to ``worker``
    values: tuple[str, ...] = ()  # of its label, that have a sample from the start
    formerly: str | None = None  # a second name with the same samples, for this release


@cache
def metrics_of(declaring: type) -> tuple[Metric, ...]:
    """Every annotated field of a dataclass, in the order of their declaration."""
    hints = get_type_hints(declaring, include_extras=True)
    return tuple(
        _metric(field, meaning)
        for field, hint in hints.items()
        for meaning in getattr(hint, "__metadata__", ())
        if isinstance(meaning, _Meaning)
    )


def _metric(field: str, meaning: _Meaning) -> Metric:
    suffix = "_total" if meaning.kind == "counter" else ""
    return Metric(
        field,
        meaning.key or f"{field}{suffix}",
        f"relay_{meaning.name or field}{suffix}",
        meaning.kind,
        meaning.help,
        meaning.labels,
        meaning.values,
        None if meaning.name is None else f"relay_{field}{suffix}",
    )


def status_of(numbers: Any) -> dict[str, Any]:
    """The annotated fields of an instance as ``/status`` shows them."""
    return {metric.key: _shown(metric, getattr(numbers, metric.field)) for metric in metrics_of(numbers.__class__)}


def _shown(metric: Metric, value: Any) -> Any:
    if isinstance(value, Histogram | LabelledHistograms):
        return value.shown()
    if isinstance(value, Counter):
        return dict(value) if metric.labels else value.total()
    return value
