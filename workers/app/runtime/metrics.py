"""``/metrics``: every number of ``/status``, as Prometheus has it; `families` is also what OpenTelemetry exports."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, assert_never

import prometheus_client.core as prometheus
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.registry import Collector

from workers.app.events.client_status import BudgetGauges, LoginCounts, RequestCounts
from workers.app.events.edges_status import TraceCounts
from workers.app.events.kafka_status import KafkaGauges
from workers.app.poll.stats import LookGauges, PollGauges, PollStats
from workers.app.sink.stats import LaneCounts, SinkGauges, SinkStats
from workers.app.sink.status.lag import SinkLag
from workers.core.delivery.gate import GateState, Reason
from workers.core.metrics import Metric, metrics_of

Family: TypeAlias = prometheus.Metric

VENDOR: Final = tuple(
    metric for declared in (RequestCounts, LoginCounts, BudgetGauges) for metric in metrics_of(declared)
)
SINK: Final = tuple(
    metric for declared in (SinkStats, SinkLag, SinkGauges, LaneCounts) for metric in metrics_of(declared)
)
KAFKA: Final = metrics_of(KafkaGauges)
TRACES: Final = metrics_of(TraceCounts)


def _gauge(key: str, name: str, text: str, *labels: str) -> Metric:
    return Metric("", key, f"relay_{name}", "gauge", text, labels)


# What `/status` shows in another form than a number.
BUILD: Final = _gauge("version", "build_info", "Always 1; the label is the version that runs", "version")
INFO: Final = _gauge(
    "kind", "worker_info", "Always 1; two processes with one `instance_id` take each other's place in the group",
    "kind", "vendor", "instance_id",
)  # fmt: skip
STATE: Final = _gauge("state", "worker_state", "1 for the worker's state, else 0", "state")
LOOP: Final = _gauge(
    "loop_age_seconds", "loop_age_seconds",
    "Time since the slower of its loops moved (Kafka polls, the process's own); /livez fails from 60 on. Alert on it",
)  # fmt: skip
GATE: Final = _gauge("gate", "gate_state", "1 for the state of the vendor's gate (circuit breaker), else 0", "state")
GATE_REASON: Final = _gauge("gate", "gate_reason", "1 for why the gate is not open, else 0", "reason")
GATE_SHUT: Final = _gauge("gate", "gate_shut_seconds", "For how long the gate has not been open; 0 while it is")
STOPPED: Final = _gauge(
    "partitions", "stopped_partitions",
    "Partitions that wait until an operator decides with 'relay offsets'. Alert on it",
)  # fmt: skip
SET_GATE: Final = _gauge(
    "sets", "set_gate_shut_seconds",
    "For how long the gate of a set has not been open, and why; without a sample while it is. Alert on it",
    "set", "reason",
)  # fmt: skip
POLLER: Final = (
    *(metric for declared in (PollStats, PollGauges, LookGauges) for metric in metrics_of(declared)),
    SET_GATE,
)
NUMBERS: Final = {metric.name: metric for metric in KAFKA + TRACES + VENDOR + SINK + POLLER}
"""By name. No metric has a label for an order: the number of series would grow for ever."""

STATES: Final = ("starting", "running", "draining")
WORKER: Final = (INFO, STATE, LOOP, *KAFKA, *TRACES, GATE, GATE_REASON, GATE_SHUT, STOPPED, *VENDOR)
PROCESS: Final[tuple[Collector, ...]] = (
    ProcessCollector(registry=None),
    PlatformCollector(registry=None),
    GCCollector(registry=CollectorRegistry()),
)
"""prometheus_client's own: processor time, memory, files, the garbage collector, Python's version."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The workers of a process at one moment."""

    version: str
    instance: str
    statuses: Mapping[str, Mapping[str, Any]]  # by the worker's name; each with its key ``loop_age_seconds``


class Shown(Protocol):
    """A worker that shows its numbers."""

    def status(self) -> dict[str, Any]: ...
    def age(self) -> float: ...


def read(workers: Mapping[str, Shown], version: str, instance: str) -> Reading:
    """Read the workers; to be called in the loop that owns them."""
    found = {name: one.status() | {"loop_age_seconds": round(one.age(), 1)} for name, one in workers.items()}
    return Reading(version, instance, found)


class _Sample(NamedTuple):
    """One series of a worker, or the whole of a histogram."""

    labels: tuple[str, ...]  # values of the metric's own labels
    value: Any  # a number; of a histogram its row in `/status`


def metrics_text(reading: Reading) -> bytes:
    """The exposition text of the process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(reading))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Family]:
        return families(self._reading)


def families(reading: Reading) -> Iterator[Family]:
    """Every metric of the process, with its samples."""
    build = prometheus.GaugeMetricFamily(BUILD.name, BUILD.help, labels=["version"])
    build.add_metric([reading.version], 1)
    yield build
    for metric in dict.fromkeys((*WORKER, *NUMBERS.values())):
        yield _family(metric, metric.name, reading)
        if metric.formerly is not None:
            yield _family(metric, metric.formerly, reading)
    for collector in PROCESS:
        yield from collector.collect()


def _family(metric: Metric, name: str, reading: Reading) -> Family:
    text = metric.help if name == metric.name else f"{metric.name} by the name that it had: gone in the next release"
    labels = ["worker", *metric.labels]
    match metric.kind:
        case "counter":
            family: Family = prometheus.CounterMetricFamily(name, text, labels=labels)
        case "gauge":
            family = prometheus.GaugeMetricFamily(name, text, labels=labels)
        case "histogram":
            family = prometheus.HistogramMetricFamily(name, text, labels=labels)
        case _:
            assert_never(metric.kind)
    for worker, status in reading.statuses.items():
        for sample in _samples(metric, status, reading.instance):
            _add(family, [worker, *sample.labels], sample.value)
    return family


def _add(family: Any, labels: list[str], value: Any) -> None:
    if isinstance(family, prometheus.HistogramMetricFamily):
        family.add_metric(labels, list(value["buckets"].items()), value["sum"])
    else:
        family.add_metric(labels, value)


def _samples(metric: Metric, status: Mapping[str, Any], instance: str) -> Iterator[_Sample]:
    value = status.get(metric.key)
    if metric is STOPPED:
        yield _Sample((), sum(1 for row in status.get("partitions", ()) if row.get("stopped")))
    elif value is None or (metric.key in {"lag_records", "topic_lag_records"} and not status.get("lag_known", True)):
        return  # a lag by an old end would read as "all is well" while Kafka is out of reach
    elif metric is INFO:
        yield _Sample((value, status.get("vendor", ""), instance), 1)
    elif metric is STATE:
        yield from _one_of(STATES, value)
    elif metric in {GATE, GATE_REASON, GATE_SHUT}:
        yield from _of_gate(metric, value)
    elif metric is SET_GATE:
        shut = ((name, one["gate"]) for name, one in value.items() if one["gate"]["reason"] is not None)
        yield from (_Sample((name, gate["reason"]), gate["shut_seconds"]) for name, gate in shut)
    else:
        yield from _numbers(metric, value)


def _of_gate(metric: Metric, gate: Mapping[str, Any]) -> Iterator[_Sample]:
    if metric is GATE:
        yield from _one_of([state.value for state in GateState], gate["state"])
    elif metric is GATE_REASON:
        yield from _one_of([reason.value for reason in Reason], gate["reason"])
    else:
        yield _Sample((), gate["shut_seconds"])


def _numbers(metric: Metric, value: Any) -> Iterator[_Sample]:
    match metric:
        case Metric(kind="histogram", labels=()):
            yield _Sample((), value)
        case Metric(kind="histogram"):
            yield from (_Sample(tuple(row[label] for label in metric.labels), row) for row in value)
        case Metric(labels=()):
            yield _Sample((), value)
        case _:
            yield from (_Sample((name,), number) for name, number in (dict.fromkeys(metric.values, 0) | value).items())


def _one_of(names: Iterable[str], present: str | None) -> Iterator[_Sample]:
    return (_Sample((name,), float(name == present)) for name in names)
