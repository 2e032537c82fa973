"""`relay offsets` on a real Kafka: showing committed offsets, moving them, and when a move is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.group_member import group_member

pytestmark = pytest.mark.broker


@pytest.fixture
def sink(project: Any, relay: Any) -> str:
    """The worker's name; its topics exist and hold six statuses."""
    assert relay("topics", "apply").status == 0
    text = project.file.read_text()
    name: str = text[text.index("\n  sink-") :].split(":")[0].strip()
    lines = Path("in.jsonl")
    lines.write_text("".join(json.dumps(event(number)) + "\n" for number in range(6)))
    assert relay("publish", project.status, str(lines)).status == 0
    return name


def event(number: int) -> dict[str, Any]:
    at = "2026-03-02T08:33:00Z"
    return {"event_id": str(number), "occurred_at": at, "order_id": f"A-{number}", "status": "paid"}


def test_a_new_group_lags_by_every_record(sink: str, project: Any, relay: Any) -> None:
    shown = relay("offsets", sink, "--json").json
    assert shown["group"] == f"relay.{sink}"
    assert shown["members"] == []
    assert len(shown["partitions"]) == 6
    assert sum(row["lag"] for row in shown["partitions"]) == 6
    assert {row["state"] for row in shown["partitions"]} == {"new"}
    table = relay("offsets", sink)
    assert "lag 6" in table.out
    assert max(map(len, table.out.splitlines())) <= 80


def test_a_move_skips_records_or_delivers_them_again(sink: str, project: Any, relay: Any) -> None:
    """A time before the first record is the earliest, one after the last is the latest; one partition may go alone."""
    moved = relay("offsets", sink, "--to", "latest", "--yes")
    assert (moved.status, moved.out.count(" -> ")) == (0, len(partitions_with_records(project, relay, sink)))
    for to, lag in (("earliest", 6), ("2100-01-01T00:00:00Z", 0), ("2020-01-01T00:00:00+02:00", 6), ("latest", 0)):
        assert relay("offsets", sink, "--to", to, "--yes").status == 0
        assert sum(row["lag"] for row in relay("offsets", sink, "--json").json["partitions"]) == lag, to
    number = min(partitions_with_records(project, relay, sink))
    one = relay("offsets", sink, "--to", "earliest", "--partition", f"{project.status}/{number}", "--json", "--yes")
    assert [(row["topic"], row["partition"], row["after"]) for row in one.json["moved"]] == [
        (project.status, number, 0)
    ]


def partitions_with_records(project: Any, relay: Any, sink: str) -> set[int]:
    rows = relay("offsets", sink, "--json").json["partitions"]
    return {row["partition"] for row in rows if row["topic"] == project.status and row["end"]}


def test_without_an_answer_nothing_moves_and_what_would_be_passed_over_is_named(sink: str, relay: Any) -> None:
    before = relay("offsets", sink, "--json").json
    refused = relay("offsets", sink, "--to", "latest")
    assert (refused.status, refused.out) == (2, "")
    assert "passes over 6 unfinished records of 6 orders (" in refused.err
    assert all(f"A-{number}" in refused.err for number in range(6))
    assert "give --yes" in refused.err
    assert relay("offsets", sink, "--json").json == before


def test_each_record_that_is_passed_over_has_a_receipt_with_who_and_why(sink: str, project: Any, relay: Any) -> None:
    passed = relay("offsets", sink, "--to", "latest", "--yes", "--by", "grace", "--why", "sent by hand", "--json").json
    assert (passed["passed_over"]["records"], passed["passed_over"]["orders"]) == (6, 6)
    batches = relay("tail", project.receipts, "--from-beginning", "--max", str(len(passed["moved"]))).lines
    receipts = [one for batch in batches for one in batch["value"]["receipts"]]
    assert {one["order_id"] for one in receipts} == {f"A-{number}" for number in range(6)}
    assert {(one["outcome"], one["reason"]) for one in receipts} == {("passed_over", "by grace: sent by hand")}
    assert {batch["value"]["worker"] for batch in batches} == {sink}


def test_a_move_back_tells_how_many_finished_records_are_delivered_again(sink: str, relay: Any) -> None:
    assert relay("offsets", sink, "--to", "latest", "--yes").status == 0
    refused = relay("offsets", sink, "--to", "earliest")
    assert refused.status == 2
    assert "delivers 6 finished records of 6 orders (" in refused.err
    again = relay("offsets", sink, "--to", "latest")
    assert (again.status, again.out) == (0, ""), "nothing moves, so nothing is asked"


def test_only_partitions_with_a_lag_are_shown_on_request(sink: str, project: Any, relay: Any) -> None:
    shown = relay("offsets", sink, "--lagging", "--json").json["partitions"]
    assert {row["partition"] for row in shown} == partitions_with_records(project, relay, sink)
    assert {row["topic"] for row in shown} == {project.status}


def test_a_time_without_a_zone_and_a_partition_that_is_not_the_workers_move_nothing(sink: str, relay: Any) -> None:
    before = relay("offsets", sink, "--json").json
    for to in ("now", "2026-11-22", "2026-11-22T06:00:00", ""):
        assert relay("offsets", sink, "--to", to).status == 2, to
    for partition in ("order/99", "order-status", "/1"):
        assert relay("offsets", sink, "--to", "latest", "--yes", "--partition", partition).status in {1, 2}, partition
    assert relay("offsets", sink, "--json").json == before


def test_a_move_is_refused_while_a_worker_runs_and_names_the_worker(
    sink: str, project: Any, relay: Any, broker: Any
) -> None:
    with group_member(broker.bootstrap, f"relay.{sink}", project.status, instance="host-1"):
        ran = relay("offsets", sink, "--to", "latest")
        shown = relay("offsets", sink)
    assert ran.status == 1
    assert "in use by host-1" in ran.err
    assert ran.err.count("\n") == 1
    assert "in use by host-1" in shown.out


def test_a_committed_offset_outside_the_log_is_reported(sink: str, project: Any, relay: Any, broker: Any) -> None:
    from workers.core.record import Partition  # noqa: PLC0415 - imports kafka: after pytest_configure
    from workers.edges.kafka.admin import open_admin  # noqa: PLC0415
    from workers.edges.kafka.client import KafkaConnection  # noqa: PLC0415

    with open_admin(KafkaConnection(bootstrap=(broker.bootstrap,))) as admin:
        admin.commit(f"relay.{sink}", {Partition(project.created, 0): 5})
    row = relay("offsets", sink, "--json").json["partitions"][0]
    assert row["committed"] == 5
    assert "beyond the log's end" in row["state"]


def test_an_unknown_worker_is_wrong_configuration(sink: str, relay: Any) -> None:
    ran = relay("offsets", "ecdp-snik")
    assert ran.status == 2
    assert sink in ran.err
