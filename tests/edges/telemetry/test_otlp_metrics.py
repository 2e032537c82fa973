"""Metrics by OTLP are those of `/metrics`: the same names, numbers and labels."""

from collections.abc import Iterable
from typing import Any

import prometheus_client.core as prometheus
from opentelemetry.sdk.metrics.export import HistogramDataPoint, MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource

from workers.edges.telemetry.otlp_metrics import open_export


class Collector(MetricExporter):
    """Keeps what is exported."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[dict[str, Any]] = []

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **_: Any) -> MetricExportResult:  # noqa: ARG002
        (resource,) = metrics_data.resource_metrics
        assert resource.resource.attributes["service.name"] == "order-relay"
        self.taken.append({one.name: one.data for scope in resource.scope_metrics for one in scope.metrics})
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:  # noqa: ARG002
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:  # noqa: ARG002
        return


def families(buckets: list[tuple[str, float]]) -> Iterable[prometheus.Metric]:
    counter = prometheus.CounterMetricFamily("relay_delivered", "Delivered", labels=["worker"])
    counter.add_metric(["a"], 7)
    gauge = prometheus.GaugeMetricFamily("relay_lag_records", "Lag", labels=["worker"])
    gauge.add_metric(["a"], 3)
    histogram = prometheus.HistogramMetricFamily("relay_append_to_finish_seconds", "Time", labels=["worker"])
    histogram.add_metric(["a"], buckets, sum_value=2.5)
    return [counter, gauge, histogram]


def test_counters_gauges_and_histograms_are_exported_as_prometheus_has_them() -> None:
    collector, resource = Collector(), Resource({"service.name": "order-relay"})
    buckets = [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
    open_export(lambda: families(buckets), collector, resource, {}).close()
    (found,) = collector.taken
    delivered, lag, time = (found[f"relay_{name}"] for name in ("delivered", "lag_records", "append_to_finish_seconds"))
    assert ([(p.value, p.attributes) for p in delivered.data_points], delivered.is_monotonic) == (
        [(7, {"worker": "a"})],
        True,
    )
    assert [p.value for p in lag.data_points] == [3]
    (point,) = time.data_points
    assert isinstance(point, HistogramDataPoint)
    assert (point.count, point.sum, point.explicit_bounds, point.bucket_counts) == (4, 2.5, [0.1, 1.0], [2, 1, 1])
    assert point.attributes == {"worker": "a"}
