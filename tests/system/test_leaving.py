"""A worker that is asked to leave, or is killed."""

import random
import signal
import socket
import time

import pytest

from tests.support.relay_process import Relay, is_caught_up
from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig

pytestmark = pytest.mark.broker

SEED = 20_26


def test_sigterm_while_the_vendor_hangs_ends_the_worker_in_time_and_loses_no_record(rig: Rig) -> None:
    ids = order_ids(60)
    rig.vendor.faults(hang=1.0)
    relay = rig.start(DRAIN="2s").joined()
    rig.kafka.publish(ids, "paid")
    relay.wait(lambda status: status["in_flight"] > 0, "nothing was sent")
    asked = time.monotonic()
    relay.term()
    assert relay.ended(2 + 5) == 0
    assert time.monotonic() - asked >= 2
    rig.vendor.well()
    again = rig.start().joined()
    again.caught_up()
    assert again.stop() == 0
    rig.assert_each_has_one_end(story(ids, "paid"))


def test_a_second_sigterm_ends_the_worker_at_once(rig: Rig) -> None:
    rig.vendor.faults(hang=1.0)
    relay = rig.start(DRAIN="60s").joined()
    rig.kafka.publish(order_ids(5))
    relay.wait(lambda status: status["in_flight"] > 0, "nothing was sent")
    relay.term()
    wait_for(lambda: relay.said("draining"), "the first signal drains")
    relay.signal(signal.SIGTERM)
    assert relay.ended(20) == 1
    assert relay.said("leaving_at_once")


def test_sigterm_while_kafka_is_unreachable_ends_the_worker_in_time(rig: Rig) -> None:
    rig.kafka.bootstrap = "127.0.0.1:1"
    relay = rig.start(DRAIN="2s")
    wait_for(lambda: relay.said("listening"), "it listens before it has joined")
    assert relay.status()["state"] == "starting"
    relay.term()
    assert relay.ended(2 + 5) == 0
    assert "never retrieved" not in relay.text


def test_sigterm_while_the_trace_collector_hangs_ends_the_worker_in_time(rig: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as collector:
        url = f"http://127.0.0.1:{collector.getsockname()[1]}"
        relay = rig.start(DRAIN="1s", otel_exporter_otlp_endpoint=url).joined()
        rig.kafka.publish(order_ids(20), "paid")
        relay.wait(lambda status: status["delivered_total"] == 40, "spans hold up deliveries")
        assert relay.stop(within_s=1 + 5) == 0
    assert relay.said("spans_lost")


def test_a_kill_at_any_moment_repeats_only_what_no_commit_held(make_rig: MakeRig) -> None:
    """Each order's story may be repeated once per kill, and only what had not finished at the last commit."""
    rng = random.Random(SEED)
    rig = make_rig(4, MAX_IN_FLIGHT="16")
    rig.vendor.faults(latency=0.1)
    ids, kills, uncommitted = order_ids(400), 4, 0
    for number in range(kills):
        relay = rig.start().joined()
        rig.kafka.publish(ids[number * 80 : 80 + number * 80], "placed", "paid")
        _kill_after(relay, rig, effects=rng.randint(10, 250))
        uncommitted += _done(rig) - rig.kafka.told()
    last = rig.start().joined()
    rig.kafka.publish(ids[kills * 80 :], "placed", "paid")
    last.caught_up()
    assert last.stop() == 0
    rig.assert_each_has_one_end(story(ids, "placed", "paid"), repeats=uncommitted)
    rig.assert_never_back(times=kills)
    rig.assert_no_status_before_its_create()
    rig.assert_committed_to_the_end()
    assert uncommitted < _done(rig), "the last commits hold most of them"


def _kill_after(relay: Relay, rig: Rig, effects: int) -> None:
    aim = len(rig.vendor.effects) + effects
    wait_for(lambda: len(rig.vendor.effects) >= aim or is_caught_up(relay.status(), relay.ends()), "no progress")
    relay.kill()
    wait_for(lambda: rig.vendor.stats("in_flight") == 0, "the vendor does not end what it has begun")


def _done(rig: Rig) -> int:
    """Records whose effect the vendor has, however often."""
    stories = rig.vendor.by_order().values()
    return sum(len({"add" if what == "replace" else what for what in found}) for found in stories)
