"""What a worker counts and measures: declared once, at the field that holds the number.

A field ``retries: Annotated[int, counted("...")]`` is ``retries_total`` in ``/status`` and ``relay_retries_total`` in
``/metrics``, with its help text in both the exposition and the documentation. No number is looked up by a string.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_type_hints

Kind = Literal["counter", "gauge"]


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The annotation of a field."""

    kind: Kind
    help: str
    label: str | None = None
    key: str | None = None


def counted(text: str, *, label: str | None = None, key: str | None = None) -> _Meaning:
    """Annotate a number that only grows.

    ``label``: the field is a `Counter`, and each of its keys is a series with this label. Without a label a `Counter`
    is shown as its total. ``key``: the name in ``/status``, where it is not ``<field>_total``.
    """
    return _Meaning("counter", text, label, key)


def measured(text: str) -> _Meaning:
    """Annotate a number that rises and falls; None: unknown now, and then without a sample."""
    return _Meaning("gauge", text)


@dataclass(frozen=True, slots=True)
class Metric:
    """One name of ``/metrics``; every sample has the label ``worker``, except the build's."""

    field: str
    key: str  # in a worker's part of /status
    name: str  # in /metrics
    kind: Kind
    help: str
    label: str | None = None  # in addition to ``worker``


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
    suffixed = f"{field}_total" if meaning.kind == "counter" else field
    return Metric(field, meaning.key or suffixed, f"relay_{suffixed}", meaning.kind, meaning.help, meaning.label)


def status_of(numbers: Any) -> dict[str, Any]:
    """The annotated fields of an instance as ``/status`` shows them."""
    return {metric.key: _shown(metric, getattr(numbers, metric.field)) for metric in metrics_of(numbers.__class__)}


def _shown(metric: Metric, value: Any) -> Any:
    if isinstance(value, Counter):
        return value.total() if metric.label is None else dict(value)
    return value
