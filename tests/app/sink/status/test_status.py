"""A sink's ``/status`` and what ``/metrics`` makes of it: the contract's names, true numbers, no order ids."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.sink_rig import STATUS, Rig
from workers.app.events.client_status import LoginCounts, RequestCounts, client_status
from workers.app.runtime.metrics import Reading, metrics_text
from workers.app.sink.assignment import Ownership
from workers.app.sink.stats import LaneCounts, SinkGauges, SinkStats
from workers.app.sink.status.lag import SinkLag
from workers.app.sink.status.status import sink_status
from workers.core.consume.start_position import NeedsOperator
from workers.core.delivery.outcome import Denied
from workers.core.histograms import LabelledHistograms
from workers.core.metrics import metrics_of
from workers.core.parked.fence import Fence, ParkReason
from workers.core.record import CommitPoint, Partition
from workers.edges.http.durations import Durations

CONTRACT = {
    "kind", "state", "partitions", "lag_records", "oldest_unfinished_seconds", "in_flight", "gate", "delivered_total",
    "skipped_total", "parked_total", "parked_orders", "retries_total", "unknown_total", "duplicates_avoided_total",
    "last_error",
}  # fmt: skip

PYTHONS = {"implementation", "generation"}  # labels of prometheus_client's own metrics


@pytest.fixture
def rig() -> Rig:
    """Two records of canary orders, one delivered; one order parked; the gate shut."""
    made = Rig(vendor="komet")
    entries = made.add("canary-A", "canary-B")
    made.finisher.finish(entries[0])
    made.shard.committed[Partition(STATUS, 0)] = CommitPoint(1, "")
    made.shard.ends[Partition(STATUS, 0)] = 5
    made.shard.ends_at.update(dict.fromkeys((Partition(topic, 0) for topic in made.context.spec.consumes), made.now[0]))
    made.fence("canary-C", Fence(ParkReason.REJECTED, "no", 0, 1))
    made.stats.delivered = 1
    made.stats.parked["rejected"] = 2
    made.gate.report(Denied("401: key refused"), made.now[0], 0.5)
    return made


def test_status_has_every_name_of_the_contract(rig: Rig) -> None:
    assert set(sink_status(rig.context, rig)) >= CONTRACT


def test_status_shows_the_numbers_of_shards_lanes_and_gate(rig: Rig) -> None:
    status = sink_status(rig.context, rig)
    assert (status["kind"], status["state"], status["in_flight"]) == ("sink", "running", 0)
    row = next(row for row in status["partitions"] if row["topic"] == STATUS)
    assert row == {"topic": STATUS, "partition": 0, "committed": 1, "end": 5, "stopped": None}
    assert (status["lag_records"], status["unfinished"], status["parked_orders"]) == (4, 1, 1)
    assert (status["delivered_total"], status["parked_total"]) == (1, 2)
    assert status["oldest_unfinished_seconds"] == pytest.approx(999.0, abs=0.01)
    gate = status["gate"]
    assert (gate["state"], gate["reason"], gate["detail"]) == ("shut", "denied", "401: key refused")
    assert gate["until"].endswith("Z")
    assert gate["since"].endswith("Z")


def test_open_gate_has_neither_reason_nor_end() -> None:
    assert sink_status(Rig().context, Rig())["gate"] == {
        "state": "open",
        "reason": None,
        "detail": None,
        "since": None,
        "shut_seconds": 0.0,
        "until": None,
    }


def test_sink_is_starting_until_its_first_assignment_and_running_through_each_rebalance(rig: Rig) -> None:
    assert sink_status(rig.context, rig, is_draining=True)["state"] == "draining"
    rig.ownership.end()
    assert sink_status(rig.context, rig)["state"] == "running"
    rig.ownership = Ownership(rig.lanes)
    assert sink_status(rig.context, rig)["state"] == "starting"


def test_stopped_partition_shows_its_reason_even_before_it_began(rig: Rig) -> None:
    rig.shard.stopped[Partition(STATUS, 0)] = NeedsOperator("expired")
    rig.shard.stopped[Partition("other", 0)] = NeedsOperator("cut")
    rows = {row["topic"]: row["stopped"] for row in sink_status(rig.context, rig)["partitions"]}
    assert (rows[STATUS], rows["other"]) == ("expired", "cut")


def test_client_adds_its_look_ups_its_held_requests_and_where_there_is_a_login_its_logins() -> None:
    found = {"look_ups_total": 5, "requests_held_total": 3, "request_duration_seconds": []}
    assert client_status(client(logins=None)) == found
    assert client_status(client(logins=2)) == found | {"logins_total": 2, "login_failures_total": 1}


def test_metrics_have_a_sample_of_every_number_of_a_sink(rig: Rig) -> None:
    rig.stats.notes["unmapped_time_zone"] = 4
    found = samples(sink_status(rig.context, rig) | client_status(client(logins=2)))
    declared = [
        metric
        for kind in (SinkStats, SinkLag, SinkGauges, LaneCounts, RequestCounts, LoginCounts)
        for metric in metrics_of(kind)
        if metric.kind != "histogram"
    ]
    names = {name for one in declared for name in (one.name, one.formerly) if name is not None}
    assert {name for name, _ in found} >= names
    assert found["relay_parked_total", ("reason", "rejected")] == 2
    assert found["relay_notes_total", ("note", "unmapped_time_zone")] == 4
    assert found["relay_gate_state", ("state", "shut")] == 1
    assert found["relay_gate_state", ("state", "open")] == 0
    assert found["relay_lag_records", ()] == 4


def test_lag_by_an_old_end_is_unknown_and_has_no_sample(rig: Rig) -> None:
    rig.now[0] += 5
    status = sink_status(rig.context, rig)
    assert (status["lag_records"], status["lag_known"]) == (4, False)
    found = samples(status)
    assert ("relay_lag_records", ()) not in found
    assert found["relay_lag_known", ()] == 0


def test_a_partition_that_has_committed_before_its_end_is_known_is_not_stalled() -> None:
    """A new owner of a partition commits within 200 ms, and asks for ends every second."""
    rig = Rig()
    rig.add("A-1")
    rig.shard.note_committed(Partition(STATUS, 0), CommitPoint(1, ""), rig.now[0])
    rig.now[0] += 60
    assert sink_status(rig.context, rig)["stalled_seconds"] == 0
    rig.shard.note_end(Partition(STATUS, 0), 5, rig.now[0])
    assert sink_status(rig.context, rig)["stalled_seconds"] == 60


def test_an_end_that_was_asked_before_the_last_commit_hides_no_other_partitions_lag() -> None:
    rig = Rig()
    rig.assign(0, 1)
    rig.shards[0].note_end(Partition(STATUS, 0), 3, rig.now[0])
    rig.shards[0].note_committed(Partition(STATUS, 0), CommitPoint(7, ""), rig.now[0])
    rig.shards[1].note_end(Partition(STATUS, 1), 5, rig.now[0])
    assert sink_status(rig.context, rig)["lag_records"] == 5


def test_metrics_have_no_label_for_an_order(rig: Rig) -> None:
    """The number of series would grow for ever, and `/metrics` would show who bought."""
    status = sink_status(rig.context, rig)
    assert "canary" not in metrics_text(Reading("1.2.3", "a", {"ecdp-sink": status})).decode()
    labels = {label[0] for _, label in samples(status) if label}
    assert labels <= {"reason", "note", "state", "version", "topic", "instance_id", "kind", "le"} | PYTHONS


def test_a_sink_in_the_worst_of_days_has_at_most_200_series() -> None:
    """Every reason, every outcome, and the series of the process, for a worker with a process of its own."""
    rig, durations = Rig(), Durations("ecdp").histograms
    for number, reason in enumerate(ParkReason):
        rig.fence(f"order-{number}", Fence(reason, "no", 0, 1))
    for name in ("unmapped_time_zone", "clock_off"):
        rig.stats.notes[name] += 1
    for operation in ("create", "status", "get", "delete", "login"):
        for outcome in ("ok", "denied", "throttled", "unavailable", "unknown", "rejected", "unknown_order"):
            durations.record(1.0, operation, outcome)
    found = client(logins=1)
    found.durations = durations
    status = sink_status(rig.context, rig) | client_status(found)
    text = metrics_text(Reading("1.2.3", "a", {"ecdp-sink": status})).decode()
    assert len([line for line in text.splitlines() if 'worker="' in line]) <= 200


def client(*, logins: int | None) -> Any:
    session = None if logins is None else SimpleNamespace(logins=logins, failed_logins=1)
    durations = LabelledHistograms(("operation",), (1.0,), {})
    return SimpleNamespace(
        look_ups=5, membership=SimpleNamespace(held=3), session=session, durations=durations, budget=None
    )


def samples(status: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and own label (name, value)."""
    text = metrics_text(Reading("1.2.3", "a", {"ecdp-sink": status})).decode()
    return {
        (
            sample.name,
            tuple(part for pair in sample.labels.items() if pair[0] != "worker" for part in pair),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_broker_whose_clock_is_ahead_makes_no_time_to_finish_negative() -> None:
    """Prometheus would take a sum that falls for a restart."""
    ahead = Rig()
    ahead.finisher.delivered(ahead.entry("A", ms=2_000_000_000))
    times = ahead.stats.append_to_finish_seconds
    assert (times.count, times.sum) == (1, 0.0)
