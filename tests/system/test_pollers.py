"""A poller as a process: every change at DCL is published once, whatever happens."""

import json
import random
from collections.abc import Callable

import pytest

from tests.support.poller_process import take_transactional_id
from tests.support.relay_process import Relay, at_least
from tests.support.waiting import wait_for
from tests.system.conftest import MakeDcl
from workers.devkit.simulators.server import Answer, Received

pytestmark = pytest.mark.broker


def test_every_change_is_published_once_with_the_state_before_it(make_dcl: MakeDcl) -> None:
    """What was there at the first start is a snapshot, what comes later is created, then updated."""
    rig = make_dcl()
    rig.dcl.put("OLD", 10, age_ms=5_000)  # DCL's stamps are seconds, and the poller may start in this one
    rig.dcl.put("WAITS", 10, age_ms=30 * 86_400_000)  # open, and older than the look back
    relay = rig.start().joined()
    relay.wait(lambda status: status["events_total"] == 2, "the old orders never came")
    rig.dcl.put("NEW", 10)
    relay.wait(lambda status: status["events_total"] == 3, "the new order never came")
    rig.dcl.put("NEW", 15)
    relay.wait(lambda status: status["events_total"] == 4, "the change never came")
    rig.dcl.put("NEW", 60)
    found = rig.wait_for_all()
    assert [event["op"] for event in found["OLD"] + found["WAITS"]] == ["snapshot", "snapshot"]
    assert [event["op"] for event in found["NEW"]] == ["created", "updated", "updated"]
    assert [event["progress"] for event in found["NEW"]] == ["received", "unknown", "shipped"]
    assert found["NEW"][1]["previous"]["progress"] == "received"
    assert {"order_stage", "shipments"} <= set(found["NEW"][2]["changed"])
    package = found["NEW"][2]["shipments"][0]["packages"][0]
    assert (package["tracking_number"], package["items"][0]["serial_numbers"]) == ("1ZNEW", ["SNNEW"])
    record = next(one for one in rig.records() if one.key == b"dcl:NEW")
    headers = dict(record.headers)
    assert headers["ce_type"] == b"orderrelay.v1.OrderStageChanged"
    assert headers["ce_id"].decode() == found["NEW"][0]["event_id"]
    status = relay.wait(lambda status: status["fresh_until"], "it does not say how fresh its events are")
    assert (status["kind"], status["state"], [one["shard"] for one in status["shards"]]) == ("poller", "running", [0])
    assert status["fresh_until"].endswith("Z")
    assert 2.0 <= status["behind_seconds"] < 30.0
    assert relay.stop() == 0


def test_a_window_that_dcl_answers_too_slowly_is_asked_for_in_halves(make_dcl: MakeDcl) -> None:
    rig = make_dcl(keys={"request_timeout": "500ms", "lookback": "1h"})
    for minute in range(50):
        rig.dcl.put(f"O{minute:02}", 10, age_ms=minute * 60_000 + 5_000)

    def between(_: Received, vendor: Callable[[], Answer]) -> Answer:
        answer = vendor()
        return answer._replace(after_s=2.0) if answer.body.count(b'"order_number"') > 8 else answer

    rig.dcl.answer_by(between)
    relay = rig.start().joined()
    assert len(rig.wait_for_all()) == 50
    assert relay.status()["late_found_total"] == 0


@pytest.mark.parametrize("sort", ["ascending", "descending", "id", "unstable"])
def test_a_kill_at_any_moment_misses_and_repeats_no_event(make_dcl: MakeDcl, sort: str) -> None:
    """SIGKILL at random moments, with orders changing while pages are read and showing up to a second late."""
    rig = make_dcl(
        sort=sort, changes_per_page=1, visible_after=1.0, latency=0.05, keys={"page_size": 60, "every": "50ms"}
    )
    rng = random.Random(sort)
    for _ in range(2):
        relay = rig.start().joined()
        rig.dcl.happen(25)
        wanted = rng.randint(1, 6)
        relay.wait(at_least("polls_total", wanted), "it does not poll")
        relay.kill()
    rig.dcl.faults(changes_per_page=0)
    rig.start().joined()
    rig.wait_for_all()


def test_a_second_poller_repeats_nothing_and_takes_over_when_the_first_leaves(make_dcl: MakeDcl) -> None:
    """Two processes, one shard: the one that gets SIGTERM hands it to the other."""
    rig = make_dcl(changes_per_page=1, latency=0.02, keys={"session": "6s"})
    first = rig.start("one").joined()
    first.wait(lambda status: status["polls_total"] > 2, "it does not poll")
    second = rig.start("two").joined()
    owner, standby = wait_for(lambda: owner_of(first, second), "no process owns the shard")
    owner.wait(lambda status: status["polls_total"] > 2, "it does not poll any more")
    assert standby.status()["shards"] == []
    owner.stop()
    # A static member's partitions are kept for it as long as a session lasts.
    standby.wait(lambda status: status["polls_total"] > 2, "the other one does not take over")
    rig.dcl.faults(changes_per_page=0)
    rig.wait_for_all()


def owner_of(one: Relay, other: Relay) -> tuple[Relay, Relay] | None:
    shards = [bool(one.status()["shards"]), bool(other.status()["shards"])]
    if shards == [True, False]:
        return one, other
    return (other, one) if shards == [False, True] else None


def test_a_fenced_owner_reads_its_state_again_and_goes_on(make_dcl: MakeDcl) -> None:
    """Another writer of the same name: the next write is refused, the state is read again, nothing is repeated."""
    rig = make_dcl()
    relay = rig.start().joined()
    rig.dcl.put("A", 10)
    relay.wait(lambda status: status["events_total"] == 1, "the order never came")
    take_transactional_id(rig.processes.bootstrap, f"{rig.worker}-0")
    rig.dcl.put("A", 20)
    relay.wait(lambda status: status["taken_over_total"] >= 1, "it has not noticed")
    rig.wait_for_all()


def test_vendor_faults_delay_events_and_lose_none(make_dcl: MakeDcl) -> None:
    rig = make_dcl()
    relay = rig.start().joined()
    relay.wait(lambda status: status["polls_total"] > 0, "it does not poll")
    rig.dcl.put("A", 10)
    for knobs in ({"error_rate": 1}, {"html_200": 1}, {"errors_in_200": 1}, {"reset_after": 1}, {"throttle": 1}):
        rig.dcl.faults(**knobs)
        before = relay.status()["failures_total"]
        relay.wait(at_least("failures_total", before + 1), f"no failure by {knobs}")
        polls = relay.status()["polls_total"]
        rig.dcl.put("A", 20 if rig.dcl.stages()["A"] == 10 else 10)
        rig.dcl.faults(**{name: None if name == "throttle" else 0 for name in knobs})
        relay.wait(at_least("polls_total", polls + 1), f"no recovery from {knobs}")
    rig.wait_for_all()
    rig.dcl.faults(deny=401)
    status = relay.wait(lambda status: status["gate"]["state"] != "open", "the gate stays open")
    assert status["gate"]["reason"] == "denied"
    assert "DCL refuses the login" in status["last_error"]


def test_a_sweep_finds_and_counts_the_changes_that_no_window_showed(make_dcl: MakeDcl) -> None:
    """A change that shows with an old stamp, long after the cursor has passed it."""
    rig = make_dcl(keys={"settle_lag": "100ms", "sweep_every": "2s"})
    relay = rig.start().joined()
    rig.dcl.put("A", 10)
    relay.wait(lambda status: status["events_total"] == 1, "the order never came")
    rig.dcl.put("A", 20, shows_after_ms=6_000)
    status = relay.wait(lambda status: status["late_found_total"] == 1, "the sweep has not found it")
    assert status["events_total"] == 2
    rig.wait_for_all()


def test_a_dry_run_of_a_window_prints_events_and_publishes_none(make_dcl: MakeDcl) -> None:
    """Before the poller's first start all is news; afterwards, what it has published is none."""
    rig = make_dcl()
    rig.dcl.put("A", 10)
    start = ("poll", "dcl", "--from", "2020-01-01T00:00:00Z")
    first = rig.command(*start)
    assert (first.status, first.err) == (0, "1 event; nothing was published\n")
    event = json.loads(first.out)
    assert (event["order_number"], event["stage_code"], event["sequence"]) == ("A", 10, 1)
    assert rig.events() == []
    relay = rig.start().joined()
    relay.wait(lambda status: status["events_total"] == 1, "the order never came")
    assert rig.command(*start).out == ""


def test_a_cursor_that_is_moved_back_publishes_only_unknown_changes(make_dcl: MakeDcl) -> None:
    """While the poller runs: it is fenced, reads its state again, and goes on from there."""
    rig = make_dcl(keys={"lookback": "1s"})
    rig.dcl.put("BEFORE", 10, age_ms=3_600_000)
    relay = rig.start().joined()
    relay.wait(lambda status: status["polls_total"] > 1, "it does not poll")
    rig.dcl.put("KNOWN", 10)
    relay.wait(lambda status: status["events_total"] == 1, "the order never came")
    forward = rig.command("poller", "reset", rig.worker, "--to", "2030-01-01T00:00:00Z")
    assert forward.status == 1
    assert "would lose changes" in forward.err
    ran = rig.command("poller", "reset", rig.worker, "--to", "2026-01-01T00:00:00Z", "--json")
    assert ran.status == 0, ran.err
    assert json.loads(ran.out)["moved"][0]["after"] == "2026-01-01T00:00:00.000Z"
    relay.wait(lambda status: status["events_total"] == 2, "it has not begun again")
    found = rig.wait_for_all()
    assert [event["op"] for event in found["BEFORE"]] == ["snapshot"]
    assert len(found["KNOWN"]) == 1


def test_each_account_is_a_shard_and_two_accounts_may_use_one_number(make_dcl: MakeDcl) -> None:
    rig = make_dcl(shards=2, keys={"accounts": ["10501", "10502"]})
    relay = rig.start().joined()
    rig.dcl.put("A", 10)
    rig.dcl.put("10502/A", 20)
    status = relay.wait(lambda status: status["events_total"] == 2, "the two orders never came")
    assert [shard["orders"] for shard in status["shards"]] == [1, 1]
    found = {event["account"]: (event["order_number"], event["stage_code"]) for event in rig.events()}
    assert found == {"10501": ("A", 10), "10502": ("A", 20)}


def test_relay_check_reaches_dcl_by_a_harmless_read(make_dcl: MakeDcl) -> None:
    rig = make_dcl()
    ran = rig.command("check", rig.worker, "--json")
    reached = {one["what"]: one for one in json.loads(ran.out)["reached"]}
    assert reached[rig.worker]["ok"], ran.out
    rig.dcl.faults(deny=401)
    ran = rig.command("check", rig.worker)
    assert ran.status == 1
    assert "refuses the credentials" in " ".join(ran.out.split())
    shown = rig.command("offsets", rig.worker)
    assert (shown.status, "relay poller reset" in shown.err) == (0, True)
    refused = rig.command("offsets", rig.worker, "--to", "earliest")
    assert (refused.status, "relay poller reset" in refused.err) == (2, True)
