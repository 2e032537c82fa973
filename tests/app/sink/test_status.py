"""A sink's ``/status`` and what ``/metrics`` makes of it: the contract's names, true numbers, no order ids."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.sink_rig import STATUS, Rig
from workers.app.runtime.metrics import COUNTERS, GAUGES, metrics_text
from workers.app.sink.status import sink_status
from workers.core.consume.start_position import NeedsOperator
from workers.core.delivery.outcome import Denied
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
    made.fence("canary-C", Fence(ParkReason.REJECTED, "no", 0, 1))
    made.stats.delivered = 1
    made.stats.parked["rejected"] = 2
    made.gate.report(Denied("401: key refused"), made.now[0], 0.5)
    return made


def test_every_name_of_the_contract_is_there(rig: Rig) -> None:
    assert set(sink_status(rig.context, rig)) >= CONTRACT


def test_the_numbers_are_those_of_the_parts(rig: Rig) -> None:
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


def test_an_open_gate_has_no_reason_and_no_end() -> None:
    assert sink_status(Rig().context, Rig())["gate"] == {"state": "open", "reason": None, "detail": None, "until": None}


def test_the_state_follows_the_assignment_and_the_drain(rig: Rig) -> None:
    assert sink_status(rig.context, rig, is_draining=True)["state"] == "draining"
    rig.ownership.end()
    assert sink_status(rig.context, rig)["state"] == "starting"


def test_a_stopped_partition_says_why_even_before_it_began(rig: Rig) -> None:
    rig.shard.stopped[Partition(STATUS, 0)] = NeedsOperator("expired")
    rig.shard.stopped[Partition("other", 0)] = NeedsOperator("cut")
    rows = {row["topic"]: row["stopped"] for row in sink_status(rig.context, rig)["partitions"]}
    assert (rows[STATUS], rows["other"]) == ("expired", "cut")


def test_metrics_hold_every_number_and_no_order(rig: Rig) -> None:
    """A label for each order would grow without end, and tell who bought."""
    rig.stats.notes["unmapped_time_zone"] = 4
    text = metrics_text({"ecdp-sink": sink_status(rig.context, rig)}, "1.2.3").decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    worker = ("worker", "ecdp-sink")
    assert {f"relay_{name.removesuffix('_total')}" for name in COUNTERS} <= set(families)
    assert {f"relay_{name}" for name in GAUGES} <= set(families)
    assert samples["relay_parked_total", ("reason", "rejected"), worker] == 2
    assert samples["relay_notes_total", ("note", "unmapped_time_zone"), worker] == 4
    assert samples["relay_gate_state", ("state", "shut"), worker] == 1
    assert samples["relay_gate_state", ("state", "open"), worker] == 0
    assert samples["relay_lag_records", worker] == 4
    assert "canary" not in text
    labels = {label for family in families.values() for sample in family.samples for label in sample.labels}
    assert labels <= {"worker", "reason", "note", "state", "version"}
    assert all(family.documentation for family in families.values())
