"""Parked orders put back on a live system: in sequence, through refusals, kills and rebalances."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Sequence
from socket import gethostname

import pytest

from tests.support.group_member import group_member
from tests.support.kafka_side import header, reasons
from tests.support.relay_process import Relay
from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for

pytestmark = pytest.mark.broker

MANY = "100000"  # orders refused in a row without a delivery: no suspicion in these tests


def park(rig: Rig, ids: Sequence[str], *states: str, **settings: str) -> Relay:
    """These orders' creates are refused, their statuses parked behind; the vendor is well afterwards."""
    rig.vendor.faults(bad_ids=list(ids))
    relay = rig.start(SUSPECT_AFTER=MANY, **settings).joined()
    rig.kafka.publish(ids, *states)
    relay.caught_up(90)
    assert relay.status()["parked_orders"] == len(ids)
    rig.vendor.well()
    return relay


def test_a_replay_delivers_an_orders_records_in_their_original_sequence(rig: Rig) -> None:
    relay = park(rig, ["bad"], "placed", "paid")
    listed = rig.parked("list", "--json").lines
    assert [(row["order_id"], row["records"], row["reason"]) for row in listed] == [("bad", 3, "rejected")]
    ran = rig.parked("replay", "bad")
    assert (ran.status, ran.out.split()) == (0, ["bad", "delivered", "3", "records"]), ran.err
    rig.kafka.set("bad", "completed")
    rig.kafka.flush()
    relay.wait(lambda _: "completed" in rig.vendor.of("bad"), "the order is still fenced")
    relay.caught_up()
    rig.assert_each_has_one_end(story(["bad"], "placed", "paid", "completed"))
    assert relay.status()["parked_orders"] == 0
    assert rig.parked("list", "--json").out == ""
    wait_for(lambda: not rig.kafka.fences(), "a row stays behind")


def test_an_order_refused_again_stays_parked_and_counts_its_replays(rig: Rig) -> None:
    park(rig, ["bad"], "paid")
    rig.vendor.faults(bad_ids=["bad"])
    for replays in (1, 2):
        ran = rig.parked("replay", "--all", "--json")
        assert ran.status == 1
        (result,) = ran.lines
        assert (result["result"], result["records"], result["replays"]) == ("parked-again", 2, replays)
    again = [one for one in rig.kafka.all_parked() if any(name == "relay-replays" for name, _ in one.headers)]
    assert [header(one, "relay-replays") for one in again] == ["1", "2"]
    assert {header(one, "relay-source-offset") for one in again} == {
        header(rig.kafka.all_parked()[0], "relay-source-offset")
    }
    (order,) = rig.parked("show", "bad", "--json").lines
    assert [one["replays"] for one in order["parked"]] == [2, 0]
    rig.vendor.well()
    assert rig.parked("replay", "bad").status == 0
    rig.assert_each_has_one_end(story(["bad"], "paid"))


def test_a_replay_of_all_orders_of_a_reason_keeps_the_given_rate(rig: Rig) -> None:
    ids = order_ids(12)
    relay = park(rig, ids)
    began = time.monotonic()
    ran = rig.parked("replay", "--all", "--reason", "rejected", "--rate", "6/s", "--json")
    assert ran.status == 0, ran.err
    assert time.monotonic() - began >= 11 / 6, "they were all asked for at once"
    assert {row["order_id"] for row in ran.lines} == set(ids)
    assert rig.parked("replay", "--all", "--reason", "invalid").status == 0
    relay.caught_up()
    rig.assert_each_has_one_end(story(ids))


def test_a_replay_without_a_running_worker_fails_at_once_and_changes_nothing(rig: Rig) -> None:
    assert park(rig, ["bad"], SESSION="6s").stop() == 0
    wait_for(lambda: not rig.kafka.admin.describe_groups([rig.kafka.group])[rig.kafka.group]["members"], "it stays")
    before = rig.kafka.fences()
    for verb in ("replay", "discard"):
        ran = rig.parked(verb, "bad", *(["--yes"] if verb == "discard" else []))
        assert ran.status == 1
        assert f"relay run {rig.worker}" in ran.err
        assert ran.err.count("\n") == 1
    assert rig.kafka.fences() == before
    assert len(rig.parked("list", "--json").lines) == 1


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_what_no_worker_has_taken_is_withdrawn_by_ctrl_c_and_a_worker_that_starts_later_does_nothing(
    rig: Rig, verb: str
) -> None:
    assert park(rig, ["bad"], SESSION="6s").stop() == 0
    wait_for(lambda: not rig.kafka.admin.describe_groups([rig.kafka.group])[rig.kafka.group]["members"], "it stays")
    with group_member(rig.kafka.bootstrap, rig.kafka.group, rig.kafka.created, rig.kafka.status):
        yes = ["--yes"] if verb == "discard" else []
        asked = rig.begin("parked", verb, "--sink", rig.worker, "bad", "--by", "grace", "--why", "a test", *yes)
        wait_for(lambda: any(key.startswith("\0") for key in rig.kafka.fences()), "the command was not sent")
        (row,) = [row for key, row in rig.kafka.fences().items() if key.startswith("\0")]
        assert (row["kind"], row["by"], row["why"]) == (verb, "grace", "a test")
        asked.interrupt()
        ran = asked.ended()
    assert ran.status == 130
    assert ran.err == "withdrawn: nothing will be done for 1 order\nrelay: interrupted\n"
    relay = rig.start().joined()
    relay.wait(lambda status: status["parked_orders"] == 1, "the order is not parked")
    rig.kafka.create("bad").get(30)
    relay.caught_up()
    assert set(rig.kafka.fences()) == {"bad"}
    assert relay.said("command_taken") == []
    assert rig.vendor.of("bad") == []


def test_a_discard_that_the_operator_declines_discards_nothing(rig: Rig) -> None:
    park(rig, ["bad"])
    before = rig.kafka.fences()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "workers", "parked", "discard", "--sink", rig.worker, "bad"]
    variables = {"KAFKA_BOOTSTRAP_SERVERS": rig.kafka.bootstrap, "RELAY_REPLICATION_FACTOR": "1"}
    environ = os.environ | variables | {"RELAY_TOPOLOGY": str(rig.processes.folder / "topics.yaml")}
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, env=environ, text=True) as process:
        os.write(ours, b"n\n")
        _, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 1
    assert "Give up on 1 record of 1 order for good?" in err
    assert err.endswith("nothing was discarded\n")
    assert rig.kafka.fences() == before


def test_an_expired_command_is_deleted_and_not_executed(rig: Rig) -> None:
    from workers.core.parked.rows import ReplayCommand, command_key, command_row  # noqa: PLC0415 - beside its only use

    assert park(rig, ["bad"]).stop() == 0
    (fence,) = rig.kafka.fences().values()
    number = rig.kafka.all_parked()[0].partition
    old = ReplayCommand("old", {"bad": fence["since"]}, time.time_ns() // 1_000_000 - 1)
    topic = f"{rig.kafka.parked}-state"
    rig.kafka.producer.send(topic, partition=number, key=command_key("old"), value=command_row(old)).get(30)
    relay = rig.start().joined()
    wait_for(lambda: set(rig.kafka.fences()) == {"bad"}, "the command's row stays")
    assert rig.vendor.of("bad") == []
    assert relay.status()["parked_orders"] == 1


def test_a_dry_run_prints_the_requests_and_sends_none(rig: Rig) -> None:
    park(rig, ["bad"], "paid")
    before = rig.vendor.attempts
    ran = rig.parked("replay", "bad", "--dry-run")
    assert ran.status == 0, ran.err
    assert "POST" in ran.out
    assert "PUT" in ran.out
    assert "demo-key" not in ran.out
    (row,) = rig.parked("replay", "--all", "--dry-run", "--json").lines
    assert [one["request"]["method"] for one in row["requests"]] == ["POST", "PUT"]
    assert rig.vendor.attempts == before
    assert len(rig.kafka.fences()) == 1


def test_discarded_records_are_never_delivered_and_leave_a_trace(rig: Rig) -> None:
    relay = park(rig, ["bad", "other"], "paid")
    assert rig.parked("discard", "bad").status == 2, "it did not ask for confirmation"
    ran = rig.parked("discard", "bad", "--yes", "--why", "cancelled by phone")
    assert (ran.status, ran.out.split()[:2]) == (0, ["bad", "discarded"]), ran.err
    trace = rig.kafka.all_parked()
    (trace,) = [one for one in trace if one.value is None]
    assert trace.key == b"bad"
    assert str(header(trace, "relay-discarded-by")).startswith("ada@")
    (taken,) = relay.said("command_taken")
    assert (taken["kind"], taken["by"], taken["why"]) == ("discard", f"ada@{gethostname()}", "cancelled by phone")
    assert header(trace, "relay-discarded-why") == "cancelled by phone"
    rig.kafka.create("bad").get(30)
    relay.wait(lambda _: rig.vendor.of("bad"), "the order is still fenced")
    assert rig.parked("replay", "--all").status == 0
    relay.caught_up()
    rig.assert_each_has_one_end({"bad": ["add"], "other": ["add", "paid"]})


def test_the_first_record_alone_can_be_discarded(rig: Rig) -> None:
    relay = park(rig, ["bad"], "placed", "paid")
    rig.vendor.faults(unknown_order=200)
    ran = rig.parked("discard", "bad", "--first-only", "--yes", "--json")
    assert ran.status == 0, ran.err
    assert [(row["result"], row["records"], row["reason"]) for row in ran.lines] == [("first-discarded", 2, "behind")]
    (order,) = rig.parked("show", "bad", "--json").lines
    assert [one["event"]["status"] for one in order["parked"]] == ["placed", "paid"]
    assert rig.parked("replay", "bad").status == 0
    assert rig.vendor.requests["PUT 200"] == 2
    assert relay.status()["parked_orders"] == 0


def test_parked_show_decodes_records_and_parked_list_holds_no_personal_data(rig: Rig) -> None:
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    rig.vendor.faults(bad_ids=["bad"])
    relay = rig.start().joined()
    rig.kafka.create("bad", headers=[("traceparent", trace)]).get(30)
    broken = rig.kafka.order("cut")
    rig.kafka.send(rig.kafka.created, "cut", broken[:20]).get(30)
    rig.kafka.producer.send(rig.kafka.created, key=None, value=b"\xff\xfe").get(30)
    relay.wait(lambda status: status["parked_total"] == 3, "not all is parked")
    listed = rig.parked("list")
    assert "ada@example.com" not in listed.out + relay.text
    heading, *rows = listed.out.splitlines()[:4]
    assert heading.startswith("order")
    assert {line.split("  ")[0].strip() for line in rows} == {"bad", "cut", "(no key)"}
    assert "3 orders with 3 records parked by" in listed.out
    shown = rig.parked("show", "bad").out
    for word in ("ada@example.com", trace.decode(), "POST http", "400", "refused", "***"):
        assert word in shown
    (cut,) = rig.parked("show", "cut", "--json").lines
    assert bytes.fromhex(cut["parked"][0]["hex"]) == broken[:20]
    assert cut["parked"][0]["fault_at"] == 20
    assert "[ff]" in rig.parked("show", "(no key)").out
    rig.vendor.well()
    ran = rig.parked("replay", "--all", "--json")
    assert {row["order_id"]: row["result"] for row in ran.lines} == {
        "bad": "delivered",
        "cut": "parked-again",
        "(no key)": "parked-again",
    }
    assert rig.parked("discard", "(no key)", "cut", "--yes").status == 0
    assert rig.kafka.fences() == {}


def test_a_replay_of_an_order_that_is_not_parked_says_so(rig: Rig) -> None:
    rig.start().joined()
    for verb in ("replay", "show"):
        ran = rig.parked(verb, "nobody")
        assert ran.status == 1
        assert "not parked" in ran.out + ran.err


def test_a_kill_in_the_middle_of_a_replay_lets_the_next_owner_finish_it(rig: Rig) -> None:
    ids = order_ids(200)
    relay = park(rig, ids, "placed", "paid", BATCH__MAX_ORDERS="5", MAX_IN_FLIGHT="4")
    rig.vendor.faults(latency=0.05)
    replay = rig.begin("parked", "replay", "--sink", rig.worker, "--all", "--json")
    wait_for(lambda: rig.vendor.stats("orders") >= 40, "nothing was delivered")
    relay.kill()
    assert rig.vendor.by_order().keys() < set(ids), "it was over before it was killed"
    again = rig.start(SUSPECT_AFTER=MANY).joined()
    ran = replay.ended()
    assert ran.status == 0, ran.err
    assert {row["order_id"]: row["result"] for row in ran.lines} == dict.fromkeys(ids, "delivered")
    again.caught_up()
    assert again.status()["parked_orders"] == 0
    rig.assert_no_status_before_its_create()
    rig.assert_never_back(times=1)
    rig.assert_each_has_one_end(story(ids, "placed", "paid"), repeats=len(ids))
    wait_for(lambda: not rig.kafka.fences(), "rows stay behind")


def test_a_rebalance_in_the_middle_of_a_replay_loses_repeats_and_reorders_nothing(rig: Rig) -> None:
    ids = order_ids(200)
    relay = park(rig, ids, "placed", "paid", BATCH__MAX_ORDERS="5", MAX_IN_FLIGHT="4")
    rig.vendor.faults(latency=0.05)
    replay = rig.begin("parked", "replay", "--sink", rig.worker, "--all", "--json")
    wait_for(lambda: rig.vendor.stats("orders") >= 40, "nothing was delivered")
    other = rig.start("two", SUSPECT_AFTER=MANY).joined()
    for order_id in ids:
        rig.kafka.set(order_id, "completed")
    rig.kafka.flush()
    ran = replay.ended()
    assert ran.status == 0, ran.err
    wait_for(lambda: sum(effects[-1] == "completed" for effects in rig.vendor.by_order().values()) == len(ids), "left")
    assert other.status()["delivered_total"] > 0
    assert relay.status()["delivered_total"] > 0
    rig.assert_each_has_one_end(story(ids, "placed", "paid", "completed"))
    wait_for(lambda: not rig.kafka.fences(), "rows stay behind")


def test_an_interrupted_replay_command_can_be_given_again_without_loss_or_repeat(rig: Rig) -> None:
    ids = order_ids(100)
    relay = park(rig, ids, "paid", BATCH__MAX_ORDERS="5", MAX_IN_FLIGHT="4")
    rig.vendor.faults(latency=0.1)
    replay = rig.begin("parked", "replay", "--sink", rig.worker, "--all")
    wait_for(lambda: rig.vendor.stats("orders") >= 20, "nothing was delivered")
    replay.interrupt()
    first = replay.ended()
    assert first.status == 130
    assert "the worker goes on" in first.err
    again = rig.parked("replay", "--all")
    assert again.status == 0, again.err
    relay.caught_up()
    rig.assert_each_has_one_end(story(ids, "paid"))
    assert reasons(rig.kafka.all_parked()).count((ids[0], "rejected")) == 1
    assert json.loads(json.dumps(relay.status()))["parked_orders"] == 0
