"""``/metrics``: every number of ``/status``, as Prometheus text."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import prometheus_client.core as prometheus
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from workers.app.events.kafka_status import KafkaGauges
from workers.app.poll.stats import LookGauges, PollGauges, PollStats
from workers.app.sink.stats import LaneCounts, LoginCounts, RequestCounts, SinkGauges, SinkStats
from workers.core.delivery.gate import GateState
from workers.core.metrics import Metric, metrics_of

SINK: Final = tuple(
    metric
    for declared in (SinkStats, SinkGauges, LaneCounts, RequestCounts, LoginCounts)
    for metric in metrics_of(declared)
)
POLLER: Final = tuple(metric for declared in (PollStats, PollGauges, LookGauges) for metric in metrics_of(declared))
KAFKA: Final = metrics_of(KafkaGauges)
NUMBERS: Final = {metric.name: metric for metric in KAFKA + SINK + POLLER}
"""By name. No metric has a label for an order: the number of series would grow for ever."""

# What `/status` shows in another form than a number.
BUILD: Final = Metric(
    "", "version", "relay_build_info", "gauge", "Always 1; the label is the version that runs", "version"
)
GATE: Final = Metric(
    "", "gate", "relay_gate_state", "gauge", "1 for the state of the vendor's gate (circuit breaker), else 0", "state"
)
STOPPED: Final = Metric(
    "", "partitions", "relay_stopped_partitions", "gauge",
    "Partitions that wait until an operator decides with 'relay offsets'. Alert on it",
)  # fmt: skip


def metrics_text(statuses: Mapping[str, Mapping[str, Any]], version: str) -> bytes:
    """The exposition text of these workers' statuses."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Statuses(statuses, version))
    return generate_latest(registry)


class _Statuses(Collector):
    def __init__(self, statuses: Mapping[str, Mapping[str, Any]], version: str) -> None:
        self._statuses = statuses
        self._version = version

    def collect(self) -> Iterator[prometheus.Metric]:
        info = prometheus.GaugeMetricFamily(BUILD.name, BUILD.help, labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        for metric in (*NUMBERS.values(), GATE, STOPPED):
            yield self._family(metric)

    def _family(self, metric: Metric) -> prometheus.Metric:
        family = _new_family(metric)
        for worker, status in self._statuses.items():
            for labels, value in _samples(metric, status):
                family.add_metric([worker, *labels], value)
        return family


def _new_family(metric: Metric) -> prometheus.CounterMetricFamily | prometheus.GaugeMetricFamily:
    labels = ["worker"] if metric.label is None else ["worker", metric.label]
    if metric.kind == "counter":
        return prometheus.CounterMetricFamily(metric.name, metric.help, labels=labels)
    return prometheus.GaugeMetricFamily(metric.name, metric.help, labels=labels)


def _samples(metric: Metric, status: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], float]]:
    """(values of its own label, value) of one worker."""
    value = status.get(metric.key)
    if metric is STOPPED:
        yield (), sum(1 for row in status.get("partitions", ()) if row.get("stopped"))
    elif value is None or (metric.key == "lag_records" and not status.get("lag_known", True)):
        return  # a lag by an old end would read as "all is well" while Kafka is out of reach
    elif metric is GATE:
        yield from (((state.value,), float(value["state"] == state.value)) for state in GateState)
    elif metric.label is not None:
        yield from (((name,), count) for name, count in value.items())
    else:
        yield (), value
