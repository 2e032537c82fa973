"""A sink's ``/status`` and what ``/metrics`` makes of it: the contract's names, true numbers, no order ids."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.sink_rig import STATUS, Rig
from workers.app.runtime.metrics import metrics_text
from workers.app.sink.stats import LaneCounts, LoginCounts, RequestCounts, SinkGauges, SinkStats
from workers.app.sink.status import client_status, sink_status
from workers.core.consume.start_position import NeedsOperator
from workers.core.delivery.outcome import Denied
from workers.core.metrics import metrics_of
from workers.core.parked.fence import Fence, ParkReason
from workers.core.record import CommitPoint, Partition

CONTRACT = {
    "kind", "state", "partitions", "lag_records", "oldest_unfinished_seconds", "in_flight", "gate", "delivered_total",
    "skipped_total", "parked_total", "parked_orders", "retries_total", "unknown_total", "duplicates_avoided_total",
    "last_error",
}  # fmt: skip


@pytest.fixture
def rig() -> Rig:
    """Two records of canary orders, one delivered; one order parked; the gate shut."""
    made = Rig()
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
        "until": None,
    }


def test_state_follows_assignment_and_drain(rig: Rig) -> None:
    assert sink_status(rig.context, rig, is_draining=True)["state"] == "draining"
    rig.ownership.end()
    assert sink_status(rig.context, rig)["state"] == "starting"


def test_stopped_partition_shows_its_reason_even_before_it_began(rig: Rig) -> None:
    rig.shard.stopped[Partition(STATUS, 0)] = NeedsOperator("expired")
    rig.shard.stopped[Partition("other", 0)] = NeedsOperator("cut")
    rows = {row["topic"]: row["stopped"] for row in sink_status(rig.context, rig)["partitions"]}
    assert (rows[STATUS], rows["other"]) == ("expired", "cut")


def test_client_adds_its_look_ups_its_held_requests_and_where_there_is_a_login_its_logins() -> None:
    found = {"look_ups_total": 5, "requests_held_total": 3}
    assert client_status(client(logins=None)) == found
    assert client_status(client(logins=2)) == found | {"logins_total": 2}


def test_metrics_have_a_sample_of_every_number_of_a_sink(rig: Rig) -> None:
    rig.stats.notes["unmapped_time_zone"] = 4
    found = samples(sink_status(rig.context, rig) | client_status(client(logins=2)))
    declared = {
        metric.name
        for kind in (SinkStats, SinkGauges, LaneCounts, RequestCounts, LoginCounts)
        for metric in metrics_of(kind)
    }
    assert {name for name, _ in found} == declared | {
        "relay_build_info",
        "relay_gate_state",
        "relay_stopped_partitions",
    }
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


def test_metrics_have_no_label_for_an_order(rig: Rig) -> None:
    """The number of series would grow for ever, and `/metrics` would show who bought."""
    status = sink_status(rig.context, rig)
    assert "canary" not in metrics_text({"ecdp-sink": status}, "1.2.3").decode()
    labels = {label[0] for _, label in samples(status) if label}
    assert labels <= {"reason", "note", "state", "version"}


def client(*, logins: int | None) -> Any:
    session = None if logins is None else SimpleNamespace(logins=logins)
    return SimpleNamespace(look_ups=5, membership=SimpleNamespace(held=3), session=session)


def samples(status: dict[str, Any]) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and own label (name, value)."""
    text = metrics_text({"ecdp-sink": status}, "1.2.3").decode()
    return {
        (
            sample.name,
            tuple(part for pair in sample.labels.items() if pair[0] != "worker" for part in pair),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
