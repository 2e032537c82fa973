"""Sends the metrics of ``/metrics`` by OTLP too, through OpenTelemetry's SDK, where its variables name a collector.

Counters and gauges are observable instruments. OpenTelemetry has no observable histogram, and its own `record` takes
19 us (ours: 0.2), so the exporter is given our histograms together with what the SDK has collected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family
    from prometheus_client.samples import Sample

Read = Callable[[], Iterable["Family"]]

_TEMPORALITY: Final = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
_SCOPE: Final = "order_relay"
_UNKNOWN: Final[Any] = None  # OTLP's fields for it are optional
_SAME_READING_S: Final = 1.0  # the instruments of one export are asked one after the other


class MetricsExport:
    """Exports every ``OTEL_METRIC_EXPORT_INTERVAL`` (60 s), in the SDK's own thread."""

    def __init__(self, provider: MeterProvider) -> None:
        self._provider = provider

    def close(self) -> None:
        """Send the numbers once more."""
        self._provider.shutdown()


def open_export(read: Read, exporter: MetricExporter, resource: Any, environ: Mapping[str, str]) -> MetricsExport:
    """Begin to export what ``read`` gives; it is called in the SDK's thread."""
    reading = _Reading(read)
    reader = PeriodicExportingMetricReader(
        _WithHistograms(exporter, reading, environ.get(_TEMPORALITY, "").strip().lower())
    )
    provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter(_SCOPE)
    for family in reading.families():
        observe = [partial(_observed, reading, family.name)]
        if family.type == "counter":
            meter.create_observable_counter(family.name, callbacks=observe, description=family.documentation)
        elif family.type != "histogram":
            meter.create_observable_gauge(family.name, callbacks=observe, description=family.documentation)
    return MetricsExport(provider)


class _Reading:
    """One reading serves all instruments of an export."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._found: dict[str, Family] = {}
        self._read_at = float("-inf")

    def families(self) -> Iterable[Family]:
        if time.monotonic() - self._read_at > _SAME_READING_S:
            self._found = {family.name: family for family in self._read()}
            self._read_at = time.monotonic()
        return self._found.values()

    def samples(self, name: str) -> list[Sample]:
        self.families()
        found = self._found.get(name)
        return [] if found is None else found.samples


def _observed(reading: _Reading, name: str, _: CallbackOptions) -> Iterator[Observation]:
    return (Observation(float(sample.value), sample.labels) for sample in reading.samples(name))


class _WithHistograms(MetricExporter):
    """Adds our histograms to each export, as the SDK would have collected them."""

    def __init__(self, inner: MetricExporter, reading: _Reading, temporality: str) -> None:
        """``temporality``: cumulative, delta or lowmemory, as OpenTelemetry's variable has it."""
        delta: dict[type, AggregationTemporality] = {ObservableCounter: AggregationTemporality.DELTA}
        counters = delta if temporality == "delta" else None
        super().__init__(preferred_temporality=counters)
        self._inner = inner
        self._reading = reading
        self._is_delta = temporality in {"delta", "lowmemory"}
        self._began_ns = time.time_ns()
        self._sent: dict[Any, HistogramDataPoint] = {}

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        ours = [self._histogram(one) for one in self._reading.families() if one.type == "histogram"]
        resource, *others = metrics_data.resource_metrics
        scope, *scopes = resource.scope_metrics
        scope = replace(scope, metrics=[*scope.metrics, *(one for one in ours if one.data.data_points)])
        resource = replace(resource, scope_metrics=[scope, *scopes])
        return self._inner.export(MetricsData([resource, *others]), timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._inner.shutdown(timeout_millis, **kwargs)

    def _histogram(self, family: Family) -> Metric:
        now_ns = time.time_ns()
        points = [self._since_last(family.name, point) for point in _points(family, self._began_ns, now_ns)]
        temporality = AggregationTemporality.DELTA if self._is_delta else AggregationTemporality.CUMULATIVE
        return Metric(family.name, family.documentation, "", Histogram(points, temporality))

    def _since_last(self, name: str, point: HistogramDataPoint) -> HistogramDataPoint:
        if not self._is_delta:
            return point
        key = name, frozenset((point.attributes or {}).items())
        before, self._sent[key] = self._sent.get(key), point
        if before is None:
            return point
        return replace(
            point,
            start_time_unix_nano=before.time_unix_nano,
            count=point.count - before.count,
            sum=point.sum - before.sum,
            bucket_counts=[new - old for new, old in zip(point.bucket_counts, before.bucket_counts, strict=True)],
        )


def _points(family: Family, began_ns: int, now_ns: int) -> Iterator[HistogramDataPoint]:
    """One for each combination of labels. Prometheus's buckets are cumulative, OpenTelemetry's are not."""
    buckets: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    sums: dict[frozenset[tuple[str, str]], float] = {}
    for sample in family.samples:
        labels = frozenset((name, value) for name, value in sample.labels.items() if name != "le")
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, found in buckets.items():
        counts = [int(count) for _, count in found]
        own = [count - before for count, before in zip(counts, [0, *counts], strict=False)]
        bounds = [bound for bound, _ in found[:-1]]
        yield HistogramDataPoint(
            dict(labels), began_ns, now_ns, counts[-1], sums.get(labels, 0.0), own, bounds, min=_UNKNOWN, max=_UNKNOWN
        )
