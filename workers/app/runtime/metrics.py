"""``/metrics``: every number of ``/status``, as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# Name in /status -> what it means. Nothing here is labelled by order: a label a record would never end.
COUNTERS: Final = {
    "delivered_total": "Records that the vendor applied, or had already",
    "skipped_total": "Records with nothing to send",
    "retries_total": "Attempts that are tried again",
    "unknown_total": "Attempts whose result is not known",
    "look_ups_total": "Requests that only asked a vendor for an order that it may have",
    "resends_total": "Records delivered by one more request after an attempt whose result is not known",
    "logins_total": "Logins to a vendor that has sessions",
    "duplicates_avoided_total": "Records found at the vendor instead of being sent again",
    "repeated_total": "Records that a former owner may have sent before it ended",
    "key_mismatches_total": "Records whose key is missing or is not their order id",
    "two_partitions_total": "Orders seen in two partitions",
    "passed_unreachable_total": "Records that went on without the sink's other topic, which could not be fetched",
    "metadata_ignored_total": "Commits whose metadata was written for another offset, and was ignored",
    "rebalances_total": "Assignments taken",
    "polls_total": "Polls completed: everything up to their start has been read",
    "events_total": "Changes published",
    "late_found_total": "Changes that a poller's windows had missed, and a slower look found",
    "failures_total": "Requests of a poller that read nothing",
    "taken_over_total": "Times that a shard began anew, from its state in Kafka",
}
GAUGES: Final = {
    "lag_records": "Records not committed yet",
    "oldest_unfinished_seconds": "Age of the oldest unfinished record",
    "in_flight": "Vendor requests under way",
    "unfinished": "Records fetched and unfinished",
    "parked_orders": "Orders that have parked records",
    "parked_records": "Records that are parked",
    "parked_full": "1 when max_parked records or more are parked: alert on it",
    "parked_full_orders": "Orders that have max_parked_per_order parked records or more: alert on it",
    "behind_seconds": "Age of the time up to which a poller's news is complete",
    "clock_skew_seconds": "How far the vendor's clock is ahead of ours",
    "orders": "Orders that a poller remembers",
    "tracked_orders": "Orders that a poller looks at one by one",
    "due_looks": "Orders whose next look is due",
    "late_looks": "Orders whose next look should have been made: see max_in_flight",
}
GATE_STATES: Final = ("open", "shut", "probing")


class _Statuses(Collector):
    def __init__(self, statuses: Mapping[str, Mapping[str, Any]], version: str) -> None:
        self._statuses = statuses
        self._version = version

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("relay_build_info", "The version that runs", labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        for name, meaning in COUNTERS.items():
            yield self._family(CounterMetricFamily(f"relay_{name}", meaning, labels=["worker"]), name)
        for name, meaning in GAUGES.items():
            yield self._family(GaugeMetricFamily(f"relay_{name}", meaning, labels=["worker"]), name)
        yield self._by("parked", "Records parked", "reason", "parked_by_reason")
        yield self._by("notes", "Peculiar events, by what is peculiar about them", "note", "notes")
        yield self._gates()
        yield self._stopped()

    def _family(self, family: Any, name: str) -> Metric:
        for worker, status in self._statuses.items():
            if status.get(name) is not None:
                family.add_metric([worker], status[name])
        metric: Metric = family
        return metric

    def _by(self, name: str, meaning: str, label: str, key: str) -> Metric:
        family = CounterMetricFamily(f"relay_{name}_total", meaning, labels=["worker", label])
        for worker, status in self._statuses.items():
            for value, count in status.get(key, {}).items():
                family.add_metric([worker, value], count)
        return family

    def _gates(self) -> Metric:
        family = GaugeMetricFamily(
            "relay_gate_state", "1 for the state that the vendor's gate is in", labels=["worker", "state"]
        )
        for worker, status in self._statuses.items():
            for state in GATE_STATES if "gate" in status else ():
                family.add_metric([worker, state], float(status["gate"]["state"] == state))
        return family

    def _stopped(self) -> Metric:
        family = GaugeMetricFamily(
            "relay_stopped_partitions", "Partitions that wait for a person ('relay offsets')", labels=["worker"]
        )
        for worker, status in self._statuses.items():
            family.add_metric([worker], sum(1 for row in status.get("partitions", ()) if row.get("stopped")))
        return family


def metrics_text(statuses: Mapping[str, Mapping[str, Any]], version: str) -> bytes:
    """The exposition text of these workers' statuses."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Statuses(statuses, version))
    return generate_latest(registry)
