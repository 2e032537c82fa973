"""`relay topics` on a real cluster: plan changes nothing, apply reads its changes back, check finds differences."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.broker


def test_plan_changes_nothing_and_its_json_has_the_same_changes(project: Any, relay: Any) -> None:
    first, second = relay("topics", "plan"), relay("topics", "plan", "--json")
    assert first.status == second.status == 0
    assert second.json["apply"] == 5
    assert all(change["topic"] in first.out for change in second.json["changes"])
    assert max(map(len, first.out.splitlines())) <= 80
    assert relay("topics", "check").status == 1


def test_apply_makes_the_changes_and_a_second_apply_makes_none(project: Any, relay: Any) -> None:
    first = relay("topics", "apply")
    assert (first.status, first.err) == (0, "")
    assert f"{project.created}: topic: missing -> 3 partitions, 1 replica" in first.out
    assert relay("topics", "apply").out == "no changes\n"
    assert relay("topics", "check").status == 0


def test_a_changed_setting_is_shown_with_both_values_and_read_back(project: Any, relay: Any) -> None:
    relay("topics", "apply")
    project.edit("retention.ms: 604800000", "retention.ms: 86400000")
    assert relay("topics", "check").status == 1
    ran = relay("topics", "apply")
    assert f"{project.created}: retention.ms: 604800000 -> 86400000" in ran.out
    assert relay("topics", "check").status == 0


def test_impossible_changes_are_named_and_the_others_are_made(project: Any, relay: Any) -> None:
    relay("topics", "apply")
    project.edit("partitions: 3", "partitions: 2")
    project.edit("retention.ms: 604800000", "retention.ms: 86400000")
    assert relay("topics", "plan").status == 1
    ran = relay("topics", "apply", "--allow-repartition", "--json")
    assert ran.status == 1
    assert {change["key"] for change in ran.json["made"]} == {"retention.ms"}
    assert {change["verdict"] for change in ran.json["left"]} == {"impossible"}
    assert "cannot take partitions away" in ran.err


def test_partitions_of_topics_without_parked_orders_are_raised_on_request(project: Any, relay: Any) -> None:
    relay("topics", "apply")
    text = project.file.read_text()
    workers = text.index("\nworkers:")
    project.file.write_text(text[:workers].replace("partitions: 3", "partitions: 5") + "\nworkers: {}\n")
    assert relay("topics", "apply").status == 1
    ran = relay("topics", "apply", "--allow-repartition")
    assert f"{project.created}: partitions: 3 -> 5" in ran.out
    assert ran.status == 0


def test_a_setting_that_the_broker_refuses_is_named_and_the_others_are_made(project: Any, relay: Any) -> None:
    relay("topics", "apply")
    project.edit("retention.bytes: -1", "retention.bytes: many")
    project.edit("retention.ms: 604800000", "retention.ms: 86400000")
    ran = relay("topics", "apply")
    assert ran.status == 1
    assert "retention.bytes: not changed" in ran.err
    assert "retention.ms: 604800000 -> 86400000" in ran.out


def test_check_names_a_break_by_topic_and_field(project: Any, relay: Any) -> None:
    relay("topics", "apply")
    file = project.folder / f"schemas/{project.status}.avsc"
    schema = json.loads(file.read_text())
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "order_id"]
    file.write_text(json.dumps(schema))
    ran = relay("topics", "check")
    assert ran.status == 1
    assert f"{project.status}: order_id" in ran.err
    machine = relay("topics", "check", "--json")
    assert machine.json["schemas"][0]["path"] == "order_id"


def test_a_plan_says_that_the_brokers_are_too_few_once_for_all_topics(
    project: Any, relay: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELAY_REPLICATION_FACTOR", "3")
    planned = relay("topics", "plan")
    assert planned.status == 1
    assert "no changes to apply, 5 that apply will not make" in planned.out
    assert planned.err.count("\n") <= 2  # topics of 3 partitions; no other kind is missing
    assert "set RELAY_REPLICATION_FACTOR=1, or add brokers" in planned.err
    applied = relay("topics", "apply")
    assert (applied.status, applied.out) == (1, "no changes\n")
    assert "RELAY_REPLICATION_FACTOR=1" in applied.err
