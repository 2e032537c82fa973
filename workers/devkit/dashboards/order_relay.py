"""The dashboard ``Order Relay``: an overview, one row a vendor, pollers, parked orders, processes."""

from __future__ import annotations

from typing import Final

from workers.devkit.dashboards.panels import Dashboard, Panel, Query, Row, Variable, to_json

_OF_WORKER: Final = 'namespace=~"$namespace", worker=~"$worker"'
_PROCESS: Final = "job, namespace, instance"  # two jobs may scrape one process, two clusters have equal addresses
_BY_WORKER: Final = f"{_PROCESS}, worker"  # of each process
_RATE: Final = "$__rate_interval"


def _rate(metric: str, by: str = "worker", more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{_OF_WORKER}{more}}}[{_RATE}]))"


def _most(metric: str, by: str = "worker", more: str = "") -> str:
    return f"max by ({by}) ({metric}{{{_OF_WORKER}{more}}})"


def _sum(metric: str, by: str = "worker") -> str:
    return f"sum by ({by}) ({metric}{{{_OF_WORKER}}})"


def _quantile(share: float, metric: str, by: str, more: str = "") -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', f'{by}, le', more)})"


def _of_vendor(expr: str) -> str:
    """Only of the workers of the row's vendor."""
    return f'{expr} * on ({_PROCESS}, worker) group_left (vendor) relay_worker_info{{vendor=~"$vendor"}}'


def _of_process(expr: str) -> str:
    """Only of the processes that run one of the chosen workers."""
    return f"{expr} and on ({_PROCESS}) relay_worker_info{{{_OF_WORKER}}}"


_OVERVIEW: Final = Row(
    "Overview",
    (
        Panel(
            "Alerts that fire", "short",
            (Query('count(ALERTS{alertname=~"Relay.*", alertstate="firing"}) or vector(0)'),),
            "Each has a section in docs/runbook.md.", "stat", 4, bad_from=1,
        ),
        Panel(
            "Processes", "short", (Query(_sum("relay_worker_info"), "{{worker}}"),),
            "Processes that Prometheus reads, of each worker.", "stat",
        ),
        Panel(
            "Kafka", "short", (Query(f"min by (worker) (relay_kafka_up{{{_OF_WORKER}}})", "{{worker}}"),),
            "1: a broker answers every process of the worker.", "stat", 6,
        ),
        Panel(
            "Version", "short", (Query("count by (version) (relay_build_info)", "{{version}}"),),
            "Processes of each version: more than one only during a rollout.", "stat", 6,
        ),
        Panel(
            "Records finished", "cps", (Query(_rate("relay_append_to_finish_seconds_count"), "{{worker}}"),),
            "Delivered, skipped or parked. 0 with a lag: the vendor's row says why.",
        ),
        Panel(
            "Records that are late (60 s), last hour", "percentunit",
            (
                Query(
                    f"worker:relay_records_late:increase1h{{{_OF_WORKER}}}"
                    f" / worker:relay_records_finished:increase1h{{{_OF_WORKER}}}",
                    "{{worker}}",
                ),
            ),
            "The objective is 1 %; RelayDeliveriesLate fires at 14.4 %.", bad_from=0.144,
        ),
        Panel(
            "From append to finish", "s",
            (
                Query(_quantile(0.5, "relay_append_to_finish_seconds", "worker"), "{{worker}} half"),
                Query(_quantile(0.99, "relay_append_to_finish_seconds", "worker"), "{{worker}} 99 %"),
            ),
            "What an order's customer waits for.",
        ),
        Panel(
            "Lag", "short", (Query(_sum("relay_topic_lag_records", "worker, topic"), "{{worker}} {{topic}}"),),
            "Records that are published and not finished; no line: the ends are not known.",
        ),
        Panel(
            "Age of the oldest unfinished record", "s",
            (Query(_most("relay_topic_lag_seconds", "worker, topic"), "{{worker}} {{topic}}"),),
            "Since when the outage lasts, for the orders: now minus this.", bad_from=1200,
        ),
        Panel(
            "Orders that wait, by what for", "short",
            (Query(_sum("relay_waiting_orders", "worker, reason") + " > 0", "{{worker}} {{reason}}"),),
            "`relay waiting` lists them.",
        ),
    ),
)  # fmt: skip

_VENDOR: Final = Row(
    "Vendor: $vendor",
    (
        Panel(
            "Requests, by operation and outcome", "reqps",
            (
                Query(
                    _rate("relay_request_duration_seconds_count", "worker, operation, outcome", ', vendor=~"$vendor"'),
                    "{{worker}} {{operation}} {{outcome}}",
                ),
            ),
            "denied: the key. unavailable, unknown: the vendor is down or loses answers. rejected: the orders.",
        ),
        Panel(
            "Duration of a request", "s",
            (
                Query(
                    _quantile(0.5, "relay_request_duration_seconds", "operation", ', vendor=~"$vendor"'),
                    "{{operation}} half",
                ),
                Query(
                    _quantile(0.95, "relay_request_duration_seconds", "operation", ', vendor=~"$vendor"'),
                    "{{operation}} 95 %",
                ),
            ),
            "RelayVendorSlow fires when 5 % take 5 s or more.", bad_from=5,
        ),
        Panel(
            "Gate: shut for", "s",
            (Query(_of_vendor(_most("relay_gate_shut_seconds", _BY_WORKER)), "{{worker}}"),),
            "The circuit breaker; nothing is parked while it is shut.", bad_from=600,
        ),
        Panel(
            "Gate: why it is shut", "short",
            (
                Query(
                    _of_vendor(_most("relay_gate_reason", f"{_PROCESS}, worker, reason")) + " > 0",
                    "{{worker}} {{reason}}",
                ),
            ),
            "throttled, unavailable: the vendor. denied: our key. suspect: our orders, or our account.",
        ),
        Panel(
            "Requests in flight", "short",
            (Query(_of_vendor(_sum("relay_in_flight", _BY_WORKER)), "{{worker}} {{instance}}"),),
            "At max_in_flight, the vendor is the bottleneck.",
        ),
        Panel(
            "Retries, unknown results, duplicates avoided", "cps",
            (
                Query(_of_vendor(_rate("relay_retries_total", _BY_WORKER)), "{{worker}} retries"),
                Query(_of_vendor(_rate("relay_unknown_total", _BY_WORKER)), "{{worker}} unknown"),
                Query(
                    _of_vendor(_rate("relay_duplicates_avoided_total", _BY_WORKER)),
                    "{{worker}} duplicates avoided",
                ),
            ),
            "Unknown: the request was sent and no answer came.",
        ),
        Panel(
            "Logins", "cps",
            (
                Query(_of_vendor(_rate("relay_logins_total", _BY_WORKER)), "{{worker}} logins"),
                Query(_of_vendor(_rate("relay_login_failures_total", _BY_WORKER)), "{{worker}} failed"),
            ),
            "Of a vendor that has sessions.",
        ),
        Panel(
            "Request budget left", "short",
            (
                Query(_of_vendor(_most("relay_budget_left_requests", _BY_WORKER)), "{{worker}} left"),
                Query(_of_vendor(_most("relay_budget_limit_requests", _BY_WORKER)), "{{worker}} limit"),
            ),
            "Of a vendor that grants so many requests for a time, to all workers together: what this one may send.",
        ),
        Panel(
            "Records in a request", "short",
            (Query(_of_vendor(f"{_quantile(0.95, 'relay_batch_records', _BY_WORKER)}"), "{{worker}} 95 %"),),
            "Batches form under load.",
        ),
    ),
    repeat="vendor",
)  # fmt: skip

_POLLERS: Final = Row(
    "Pollers",
    (
        Panel(
            "Behind the vendor", "s",
            (
                Query(
                    f"max by (worker) (relay_behind_seconds{{{_OF_WORKER}}}"
                    f" unless ignoring (set) relay_set_behind_seconds{{{_OF_WORKER}}})",
                    "{{worker}}",
                ),
                Query(
                    f"clamp_min(max by (worker, set) (relay_set_behind_seconds{{{_OF_WORKER}}}"
                    f" - relay_set_beat_seconds{{{_OF_WORKER}}}), 0)",
                    "{{worker}} {{set}}",
                ),
            ),
            "Age of the time up to which every change has been published; of a set, what is beyond its beat.",
            bad_from=1800,
        ),
        Panel(
            "Changes published", "cps", (Query(_rate("relay_events_published_total"), "{{worker}}"),),
            "0 is normal where nothing changes: look at the polls.",
        ),
        Panel(
            "Polls and failures", "cps",
            (
                Query(_rate("relay_polls_total"), "{{worker}} polls"),
                Query(_rate("relay_poll_failures_total"), "{{worker}} failures"),
            ),
            "Polls completed, and requests that were not answered or could not be read.",
        ),
        Panel(
            "Changes found late", "short",
            (Query(f"sum by (worker) (increase(relay_late_found_total{{{_OF_WORKER}}}[1h]))", "{{worker}}"),),
            "In the last hour, by a slower sweep: the vendor shows changes later than settle_lag.",
        ),
        Panel(
            "Orders that are due, and late", "short",
            (
                Query(_sum("relay_due_looks"), "{{worker}} due"),
                Query(_sum("relay_late_looks"), "{{worker}} late"),
                Query(_sum("relay_tracked_orders"), "{{worker}} tracked"),
            ),
            "Of a poller that asks for single orders; late: raise max_in_flight.",
        ),
        Panel(
            "Clock of the vendor", "s", (Query(_most("relay_clock_skew_seconds"), "{{worker}}"),),
            "How far it is ahead of ours.", from_zero=False,
        ),
    ),
)  # fmt: skip

_PARKED: Final = Row(
    "Parked orders",
    (
        Panel(
            "Parked orders, by reason", "short",
            (Query(_sum("relay_parked_orders_by_reason", "worker, reason") + " > 0", "{{worker}} {{reason}}"),),
            "`relay parked list --sink SINK` lists them.",
        ),
        Panel(
            "Records parked", "cps",
            (Query(_rate("relay_parked_total", "worker, reason") + " > 0", "{{worker}} {{reason}}"),),
            "behind: later records of an order that is parked.",
        ),
        Panel(
            "Age of the oldest parked order", "s", (Query(_most("relay_parked_oldest_seconds"), "{{worker}}"),),
            "RelayParkedOrdersWait fires at 4 hours.", bad_from=14_400,
        ),
        Panel(
            "Age of the oldest half-made order", "s",
            (Query(_most("relay_half_made_oldest_seconds") + " > 0", "{{worker}}"),),
            "Begun at the vendor and not finished. RelayOrderHalfMade fires at two thirds of the time for which the"
            " vendor keeps it: Komet Sales at 2 days.",
        ),
    ),
)  # fmt: skip

_PROCESSES: Final = Row(
    "Processes",
    (
        Panel(
            "Partitions of each process", "short",
            (Query(_sum("relay_assigned_partitions", "worker, instance"), "{{worker}} {{instance}}"),),
            "They should be spread evenly.",
        ),
        Panel(
            "Rebalances", "short",
            (Query(f"sum by (worker) (increase(relay_rebalances_total{{{_OF_WORKER}}}[10m]))", "{{worker}}"),),
            "In 10 minutes. A rollout makes some; many: a process starts again and again.",
        ),
        Panel(
            "Age of the slower loop", "s",
            (Query(_most("relay_loop_age_seconds", "worker, instance"), "{{worker}} {{instance}}"),),
            "/livez fails from 60 s on.", bad_from=60,
        ),
        Panel(
            "Processor", "percentunit",
            (Query(_of_process(f"rate(process_cpu_seconds_total[{_RATE}])"), "{{instance}}"),),
            "Of one core.",
        ),
        Panel(
            "Memory", "bytes",
            (Query(_of_process("process_resident_memory_bytes"), "{{instance}}"),),
            "Resident.",
        ),
        Panel(
            "Anomalies", "cps",
            (Query(_rate("relay_anomalies_total", "worker, note") + " > 0", "{{worker}} {{note}}"),),
            "In events and in vendors' answers, by name.",
        ),
    ),
)  # fmt: skip

DASHBOARD: Final = Dashboard(
    "order-relay",
    "Order Relay",
    tuple(Variable(label, "relay_worker_info") for label in ("namespace", "worker", "vendor")),
    (_OVERVIEW, _VENDOR, _POLLERS, _PARKED, _PROCESSES),
)


def text() -> str:
    """The file of the chart."""
    return to_json(DASHBOARD)
