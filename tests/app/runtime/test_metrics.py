"""The names of `/metrics` are a contract with dashboards and alerts."""

import pytest

from workers.app.runtime.metrics import KAFKA, NUMBERS, POLLER, SINK, metrics_text

SINK_NAMES = {
    "delivered_total", "skipped_total", "parked_total", "notes_total", "retries_total", "unknown_total",
    "resends_total", "duplicates_avoided_total", "repeated_total", "key_mismatches_total", "two_partitions_total",
    "passed_unreachable_total", "metadata_ignored_total", "held_total", "held_seconds_total", "reordered_total",
    "rebalances_total", "look_ups_total", "requests_held_total", "logins_total", "lag_records", "lag_known",
    "oldest_unfinished_seconds", "in_flight", "unfinished", "parked_orders", "parked_records", "parked_full",
    "parked_full_orders",
}  # fmt: skip
POLLER_NAMES = {
    "polls_total", "events_total", "late_found_total", "failures_total", "taken_over_total", "rebalances_total",
    "notes_total", "behind_seconds", "orders", "in_flight", "clock_skew_seconds", "tracked_orders", "due_looks",
    "late_looks",
}  # fmt: skip


def test_metric_names_stay_as_dashboards_know_them() -> None:
    assert {metric.name for metric in SINK} == {f"relay_{name}" for name in SINK_NAMES}
    assert {metric.name for metric in KAFKA} == {"relay_kafka_up", "relay_seconds_since_fetch"}
    assert {metric.name for metric in POLLER} == {f"relay_{name}" for name in POLLER_NAMES}


def test_a_name_that_sinks_and_pollers_share_means_the_same() -> None:
    shared = [metric for metric in SINK if metric.name in {other.name for other in POLLER}]
    assert len(shared) == 3
    assert all(NUMBERS[metric.name] == metric for metric in shared)


@pytest.mark.parametrize("status", [{}, {"delivered_total": None}])
def test_a_number_that_is_unknown_has_no_sample(status: dict[str, None]) -> None:
    text = metrics_text({"ecdp-sink": status}, "1").decode()
    assert "# HELP relay_delivered_total" in text
    assert "relay_delivered_total{" not in text
