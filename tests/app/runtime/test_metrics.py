"""The names of `/metrics` are a contract with dashboards and alerts."""

from collections.abc import Iterable

import pytest

from workers.app.runtime.metrics import NUMBERS, POLLER, SINK, WORKER, Reading, metrics_text
from workers.core.histograms import LabelledHistograms
from workers.core.metrics import Metric

SINK_NAMES = {
    "delivered_total", "skipped_total", "parked_total", "notes_total", "retries_total", "unknown_total",
    "resends_total", "duplicates_avoided_total", "repeated_total", "key_mismatches_total", "two_partitions_total",
    "passed_unreachable_total", "metadata_ignored_total", "held_total", "held_seconds_total", "reordered_total",
    "rebalances_total", "lag_records", "lag_known", "topic_lag_records", "topic_lag_seconds", "stalled_seconds",
    "assigned_partitions", "oldest_unfinished_seconds", "in_flight", "unfinished", "waiting_orders", "parked_orders",
    "parked_records", "parked_orders_by_reason", "parked_records_by_reason", "parked_oldest_seconds", "parked_full",
    "parked_full_orders", "half_made_orders", "half_made_oldest_seconds", "half_made_life_seconds",
    "append_to_finish_seconds", "batch_records", "anomalies_total",
    "possible_duplicates_total", "orders_in_two_partitions_total", "sent_without_other_topic_total",
    "commit_metadata_ignored_total",
}  # fmt: skip
POLLER_NAMES = {
    "polls_total", "events_total", "late_found_total", "failures_total", "taken_over_total", "rebalances_total",
    "notes_total", "behind_seconds", "orders", "in_flight", "clock_skew_seconds", "tracked_orders", "due_looks",
    "late_looks", "set_behind_seconds", "set_beat_seconds", "set_gate_shut_seconds", "first_reading_seconds",
    "anomalies_total", "events_published_total", "poll_failures_total", "shard_reloads_total", "remembered_orders",
}  # fmt: skip
WORKER_NAMES = {
    "worker_info", "worker_state", "loop_age_seconds", "kafka_up", "kafka_down_seconds", "seconds_since_fetch",
    "gate_state", "gate_reason", "gate_shut_seconds", "stopped_partitions", "request_duration_seconds",
    "look_ups_total", "requests_held_total", "logins_total", "login_failures_total", "budget_left_requests",
    "budget_limit_requests", "spans_lost_total",
}  # fmt: skip


def test_metric_names_stay_as_dashboards_know_them() -> None:
    assert names(SINK) == {f"relay_{name}" for name in SINK_NAMES}
    assert names(WORKER) == {f"relay_{name}" for name in WORKER_NAMES}
    assert names(POLLER) == {f"relay_{name}" for name in POLLER_NAMES}


def test_a_name_that_sinks_and_pollers_share_means_the_same() -> None:
    shared = [metric for metric in SINK if metric.name in {other.name for other in POLLER}]
    assert len(shared) == 3
    assert all(NUMBERS[metric.name] == metric for metric in shared)


@pytest.mark.parametrize("status", [{}, {"delivered_total": None}])
def test_a_number_that_is_unknown_has_no_sample(status: dict[str, None]) -> None:
    text = metrics_text(Reading("1", "a", {"ecdp-sink": status})).decode()
    assert "# HELP relay_delivered_total" in text
    assert "relay_delivered_total{" not in text


def test_a_renamed_metric_has_the_same_sample_by_both_names() -> None:
    status = {"notes": {"unmapped_time_zone": 4}}
    text = metrics_text(Reading("1", "a", {"ecdp-sink": status})).decode()
    for name in ("anomalies", "notes"):
        assert f'relay_{name}_total{{note="unmapped_time_zone",worker="ecdp-sink"}} 4.0' in text


def test_parked_reasons_have_a_sample_before_the_first_record_is_parked() -> None:
    """`increase()` of a series that begins with 1 is 0: the alert for the first parked record would stay silent."""
    text = metrics_text(Reading("1", "a", {"ecdp-sink": {"parked_by_reason": {}}})).decode()
    assert 'relay_parked_total{reason="rejected",worker="ecdp-sink"} 0.0' in text


def test_histogram_has_cumulative_buckets_with_its_labels() -> None:
    found = LabelledHistograms(("operation", "outcome"), (0.1, 1.0), {"vendor": "ecdp"})
    for seconds in (0.05, 0.1, 0.5, 7.0):
        found.record(seconds, "POST /orders", "ok")
    text = metrics_text(Reading("1", "a", {"ecdp-sink": {"request_duration_seconds": found.shown()}})).decode()
    labels = 'operation="POST /orders",outcome="ok",vendor="ecdp",worker="ecdp-sink"'
    for bound, count in (("0.1", 2), ("1.0", 3), ("+Inf", 4)):
        assert f'relay_request_duration_seconds_bucket{{le="{bound}",{labels}}} {count}.0' in text
    assert f"relay_request_duration_seconds_sum{{{labels}}} 7.65" in text


def test_a_process_shows_its_processor_time_and_its_memory() -> None:
    text = metrics_text(Reading("1", "a", {})).decode()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "python_info"):
        assert f"\n{name}" in text


def names(metrics: Iterable[Metric]) -> set[str]:
    """With the former names."""
    return {name for metric in metrics for name in (metric.name, metric.formerly) if name is not None}
