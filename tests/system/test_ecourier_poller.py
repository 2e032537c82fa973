"""The e-Courier poller as a process: every stage and every OrderEvent is published once, whatever happens."""

import json
import random
import signal
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.kafka_side import delivery
from tests.support.poller_process import EcourierRig, open_ecourier_rig, take_transactional_id
from tests.support.relay_process import Relay, at_least
from tests.support.sink_process import order_ids
from tests.support.waiting import wait_for
from tests.system.conftest import MakeEcourier
from workers.devkit.broker.broker import Broker

pytestmark = pytest.mark.broker

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())
TRACESTATE = ("tracestate", b"shop=x1")
LIVELY = {"changes": 40, "late_events": 0.3, "events_without_id": 0.2, "visible_after": 1.0, "sort": "unstable"}


@pytest.fixture
def rig(make_ecourier: MakeEcourier) -> EcourierRig:
    return make_ecourier()


class Running(NamedTuple):
    """The sink and the poller run in one process, for tests that begin with an order of their own."""

    rig: EcourierRig
    poller: Relay


@pytest.fixture(scope="module")
def both(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with open_ecourier_rig(broker.bootstrap, tmp_path_factory.mktemp("ecourier")) as rig:
        yield Running(rig, rig.start(rig.poller, rig.sink).joined())


@pytest.fixture
def running(both: Running) -> Iterator[Running]:
    yield both
    both.rig.vendor.well()


def test_each_change_of_a_saved_order_is_published_once_on_the_orders_trace(rig: EcourierRig) -> None:
    """Tracked before the poller's first start: a snapshot; later: created. Each on the trace of what was published."""
    sink = rig.start(rig.sink).joined()
    rig.kafka.create("old", headers=[TRACEPARENT, TRACESTATE]).get(10)
    sink.caught_up()
    poller = rig.start().joined()
    wait_for(lambda: rig.stages().get("OR-old"), f"the old order never came; {rig.logs()}")
    rig.kafka.create("new", headers=[TRACEPARENT, TRACESTATE]).get(10)
    wait_for(lambda: rig.stages().get("OR-new"), f"the new order never came; {rig.logs()}")
    rig.move("OR-new", "A", EventType="Pickup", EventDateTime="7/4/2026 9:30:00 AM", EventNote="at the dock")
    wait_for(lambda: len(rig.stages()["OR-new"]) == 2, f"the change never came; {rig.logs()}")
    rig.move("OR-new", "I", EventType="POD", UserName="Ada")
    stages, events = rig.wait_for_all()
    assert [event["op"] for event in stages["OR-old"]] == ["snapshot"]
    assert [event["op"] for event in stages["OR-new"]] == ["created", "updated", "updated"]
    assert [event["progress"] for event in stages["OR-new"]] == ["received", "in_transit", "delivered"]
    assert [event["changed"] for event in stages["OR-new"]][1:] == [["OrderStatus", "OrderEvents"]] * 2
    assert {event["order_id"] for event in (*stages["OR-new"], *events["OR-new"])} == {"new"}
    pickup, pod = events["OR-new"][1:]
    assert (pickup["event_type"], pickup["event_note"]) == ("Pickup", "at the dock")
    assert (pickup["occurred_at"], pickup["occurred_at_text"]) == (1_783_171_800_000, "7/4/2026 9:30:00 AM")
    assert (pod["event_type"], pod["user_name"], pod["order_status"]) == ("POD", "Ada", "I")
    assert_on_the_trace(rig)
    assert poller.stop() == 0


def assert_on_the_trace(rig: EcourierRig) -> None:
    for topic, kind in ((rig.stages_topic, "OrderStageChanged"), (rig.events_topic, "CourierOrderEvent")):
        for record in rig.records(topic):
            headers = dict(record.headers)
            assert headers["ce_type"].decode() == f"orderrelay.v1.{kind}"
            assert headers["ce_id"].decode() == rig.codec.decode_any(topic, record.value)["event_id"]
            assert headers["traceparent"].decode().split("-")[1] == TRACE
            assert headers["tracestate"] == b"shop=x1"


def test_a_kill_at_any_moment_misses_and_repeats_no_event(make_ecourier: MakeEcourier) -> None:
    """SIGKILL at random moments, while drivers move orders, and events come late, backdated or without an id."""
    rig = make_ecourier(every="50ms", max_in_flight=8)
    rng = random.Random(20_26)
    rig.start(rig.sink, instance="sink").joined()
    ids = order_ids(60)
    rig.vendor.faults(**LIVELY, deleted=0.02)
    for few in (ids[:20], ids[20:40], ids[40:]):
        poller = rig.start().joined()
        rig.save(*few)
        wait_for_events(poller, rng.randint(5, 80))
        poller.kill()
    rig.vendor.faults(changes=0)
    rig.start().joined()
    stages, _ = rig.wait_for_all()
    assert len(stages) == 60
    assert {stage["stage"] for listed in stages.values() for stage in listed} >= {"A", "X"}


def wait_for_events(poller: Relay, more: int) -> None:
    poller.wait(at_least("events_total", poller.status()["events_total"] + more), "it publishes nothing")


@pytest.mark.parametrize("successor_name", ["one", "two"], ids=["same-id", "other-id"])
def test_a_paused_owner_that_wakes_up_after_its_successor_started_publishes_nothing(
    make_ecourier: MakeEcourier, successor_name: str
) -> None:
    """A frozen container that was replaced, or one whose session ran out: it wakes up, and its writes are refused."""
    rig = make_ecourier(session="6s")
    rig.start(rig.sink, instance="sink").joined()
    rig.vendor.faults(**LIVELY)
    frozen = rig.start().joined()
    rig.save(*order_ids(20))
    wait_for_events(frozen, 20)
    frozen.signal(signal.SIGSTOP)
    successor = rig.start(instance=successor_name).joined()
    wait_for(lambda: shards(successor) == [0, 1, 2], "the successor does not get all shards")
    wait_for_events(successor, 10)
    frozen.signal(signal.SIGCONT)
    rig.save(*order_ids(20, "later"))
    wait_for_events(successor, 10)
    rig.vendor.faults(changes=0)
    rig.wait_for_all()


def test_a_fenced_owner_reads_its_state_again_and_goes_on(running: Running) -> None:
    """Another writer of the same name: the next write is refused, the state is read again, nothing is repeated."""
    rig, poller = running
    rig.save("fenced")
    wait_for(lambda: rig.stages().get("OR-fenced"), "the order never came")
    before = poller.status()["taken_over_total"]
    for shard in range(rig.kafka.partitions):
        take_transactional_id(rig.kafka.bootstrap, f"{rig.poller}-{shard}")
    rig.move("OR-fenced", "A", EventType="Pickup")
    poller.wait(at_least("taken_over_total", before + 1), "it has not noticed")
    rig.wait_for_all()


def test_two_instances_share_the_shards_and_each_order_is_polled_by_one(make_ecourier: MakeEcourier) -> None:
    rig = make_ecourier(partitions=4)
    rig.start(rig.sink, instance="sink").joined()
    pollers = [rig.start(instance=name).joined() for name in ("one", "two")]
    wait_for(lambda: sorted(map(len, map(shards, pollers))) == [2, 2], "the shards are not shared out")
    assert set(shards(pollers[0])) | set(shards(pollers[1])) == {0, 1, 2, 3}
    rig.vendor.faults(**LIVELY)
    rig.save(*order_ids(40))
    wait_for(lambda: sum(relay.status()["events_total"] for relay in pollers) > 100, "they publish nothing")
    rig.vendor.faults(changes=0)
    rig.wait_for_all()
    assert all(relay.status()["events_total"] for relay in pollers)
    assert sum(relay.status()["tracked_orders"] for relay in pollers) == 40


def shards(relay: Relay) -> list[int]:
    return [shard["shard"] for shard in relay.status()["shards"]]


def test_a_finished_order_is_untracked_and_continues_its_sequence_when_saved_again(make_ecourier: MakeEcourier) -> None:
    """Its row is ended after `grace`, by the poller alone; known events are not published again, sequences go on."""
    rig = make_ecourier(grace="1s")
    poller = rig.start(rig.poller, rig.sink).joined()
    rig.save("a", "b")
    rig.move("OR-a", "A", EventType="pod")
    wait_for(lambda: rig.tombstones() == ["OR-a"], f"its row is still there; {rig.logs()}")
    assert rig.still_tracked() == {"OR-b"}
    stages, events = rig.wait_for_all()
    rig.kafka.create("a", delivery=delivery("a", notes="the other door")).get(10)
    wait_for(lambda: len(rig.events()["OR-a"]) > len(events["OR-a"]), f"the update is not published; {rig.logs()}")
    rig.move("OR-a", "X", EventType="Order delete")
    again, _ = rig.wait_for_all()
    assert len(again["OR-a"]) == len(stages["OR-a"]) + 1
    assert [stage["progress"] for stage in again["OR-a"]][-2:] == ["delivered", "cancelled"]
    wait_for(lambda: rig.tombstones() == ["OR-a", "OR-a"], f"its second row is still there; {rig.logs()}")
    rig.move("OR-b", "A")
    rig.wait_for_all()
    assert poller.status()["last_error"] is None


def test_an_order_saved_again_while_it_is_untracked_is_polled_again(make_ecourier: MakeEcourier) -> None:
    """Rows and tombstones cross: whatever the sink saved last is published, and in the end no order is tracked."""
    rig = make_ecourier(grace="100ms", every="50ms")
    sink = rig.start(rig.sink, rig.poller).joined()
    ids = order_ids(6)
    rig.save(*ids)
    for order_id in ids:
        rig.move(f"OR-{order_id}", "A", EventType="POD")
    rng = random.Random(20_26)
    for number in range(40):
        chosen = rng.choice(ids)
        rig.kafka.create(chosen, delivery=delivery(chosen, notes=f"door {number}")).get(10)
    sink.caught_up()
    rig.wait_for_all()
    wait_for(lambda: not rig.still_tracked(), f"some are tracked still; {rig.logs()}")
    saves = [event for events in rig.events().values() for event in events if event["event_type"] == "Order update"]
    assert len(saves) == 40


def test_the_next_owner_does_not_poll_a_finished_order(make_ecourier: MakeEcourier) -> None:
    rig = make_ecourier(grace="500ms")
    sink, poller = rig.start(rig.sink, instance="sink").joined(), rig.start().joined()
    rig.save("a", "b")
    rig.move("OR-a", "X")
    wait_for(lambda: rig.tombstones() == ["OR-a"], f"its row is still there; {rig.logs()}")
    poller.kill()
    sink.stop()
    successor = rig.start().joined()
    successor.wait(lambda status: status.get("tracked_orders") == 1, "it looks at the wrong ones")
    rig.move("OR-b", "A")
    rig.wait_for_all()


def test_a_vanished_order_is_published_as_deleted_once(running: Running) -> None:
    """One answer is no proof; two, a while apart, are. One that was never seen is only counted."""
    rig, poller = running
    rig.save("gone")
    wait_for(lambda: rig.stages().get("OR-gone"), "the order never came")
    rig.save("stays")
    rig.vendor.faults(hidden_ids=["OR-gone"])
    listed = wait_for(lambda: rig.stages()["OR-gone"][1:], f"the deletion was not published; {rig.logs()}")
    assert [(one["op"], one["progress"]) for one in listed] == [("deleted", "cancelled")]
    rig.move("OR-stays", "A", EventType="Pickup")
    wait_for(lambda: len(rig.stages()["OR-stays"]) == 2, "the other order is not looked at any more")
    assert len(rig.stages()["OR-gone"]) == 2
    assert poller.status()["notes"].get("not_found")


def test_vendor_faults_delay_events_and_lose_none(running: Running) -> None:
    """Throttled, errors, a proxy's page, lost answers, refused connections, ended sessions, a refused login."""
    rig, poller = running
    rig.save("faults")
    wait_for(lambda: rig.stages().get("OR-faults"), "the order never came")
    for knob in ("throttle", "error_rate", "html_200", "empty_200", "reset_after", "down"):
        rig.vendor.faults(**{knob: True if knob == "down" else 1})
        rig.move("OR-faults", "A" if rig.orders()["OR-faults"]["@OrderStatus"] == "N" else "N", EventType=knob)
        seen = poller.status()["failures_total"]
        poller.wait(at_least("failures_total", seen + 1), f"no failure by {knob}")
        rig.vendor.well()
        rig.wait_for_all()
    rig.vendor.faults(token_uses=3)
    logins = rig.vendor.stats("logins")
    wait_for(lambda: rig.vendor.stats("logins") > logins + 2, "no login follows an ended session")
    rig.vendor.faults(token_uses=None)
    rig.move("OR-faults", "I", EventType="POD")
    rig.wait_for_all()
    rig.vendor.faults(deny=401)
    assert poller.wait(lambda status: status["gate"]["state"] != "open", "it stays open")["gate"]["reason"] == "denied"
    rig.move("OR-faults", "A", EventType="Pickup")
    rig.vendor.well()
    rig.wait_for_all()


def test_a_dry_run_of_relay_poll_prints_events_and_publishes_none(rig: EcourierRig) -> None:
    """Before the poller's first start all is news; afterwards, what it has published is none."""
    rig.start(rig.sink, instance="sink").joined()
    rig.save("a")
    rig.move("OR-a", "A", EventType="Pickup")
    start = ("poll", "ecourier", "--from", "2020-01-01T00:00:00Z")
    first = rig.command(*start)
    assert first.status == 0, first.err
    printed = [json.loads(line) for line in first.out.splitlines()]
    assert [event.get("stage") or event["event_type"] for event in printed] == ["A", "Order create", "Pickup"]
    assert rig.stages() == rig.events() == {}
    rig.start().joined()
    rig.wait_for_all()
    assert rig.command(*start).out == ""
    nothing = rig.command("poll", "ecourier", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-02T00:00:00Z")
    assert (nothing.status, nothing.out) == (0, "")


def test_a_poller_reset_polls_every_order_and_publishes_only_unknown_events(make_ecourier: MakeEcourier) -> None:
    rig = make_ecourier(partitions=1, every="10m")
    poller = rig.start(rig.poller, rig.sink).joined()
    rig.save(*order_ids(5))
    rig.wait_for_all()
    rig.save("o00005")
    poller.wait(lambda status: (status["behind_seconds"] or 100) < 60, "it never says how fresh it is")
    rig.move("OR-o00003", "A", EventType="Pickup")
    ran = rig.command("poller", "reset", rig.poller, "--to", "2026-01-01T00:00:00Z", "--json")
    assert ran.status == 0, ran.err
    rig.save("o00006")  # by the write that it leads to the shard finds out, else by its next heartbeat
    stages, _ = rig.wait_for_all()
    assert sum(map(len, stages.values())) == 7 + 1


def test_the_events_of_an_order_of_many_megabytes_are_published(rig: EcourierRig) -> None:
    """Signatures come as text, inside the order; its news must not stop when there are many."""
    rig.start(rig.poller, rig.sink).joined()
    rig.save("a")
    for stop in range(6):
        rig.move("OR-a", EventType="Stop", Note=f"{stop}" + "x" * 900_000)
    _, events = rig.wait_for_all()
    assert len([one for one in events["OR-a"] if one["event_type"] == "Stop"]) == 6


def test_relay_check_reaches_e_courier_by_a_harmless_read(running: Running) -> None:
    rig = running.rig
    ran = rig.command("check", rig.poller, "--json")
    reached = {one["what"]: one for one in json.loads(ran.out)["reached"]}
    assert reached[rig.poller]["ok"], ran.out
    rig.vendor.faults(deny=401)
    ran = rig.command("check", rig.poller)
    assert ran.status == 1
    assert "refuses the credentials" in " ".join(ran.out.split())
