"""A worker that is asked to leave, or is killed."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.system.rig import Rig, order_ids, story, wait_for

pytestmark = pytest.mark.broker

SEED = 20_26


def test_sigterm_while_the_vendor_hangs_leaves_in_time_and_loses_nothing(rig: Rig) -> None:
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


def test_a_second_sigterm_leaves_at_once(rig: Rig) -> None:
    rig.vendor.faults(hang=1.0)
    relay = rig.start(DRAIN="60s").joined()
    rig.kafka.publish(order_ids(5))
    relay.wait(lambda status: status["in_flight"] > 0, "nothing was sent")
    relay.term()
    wait_for(lambda: relay.said("draining"), "the first signal drains")
    relay.process.send_signal(signal.SIGTERM)
    assert relay.ended(2) == 1
    assert relay.said("leaving_at_once")


def test_sigterm_while_kafka_cannot_be_reached_leaves_in_time(rig: Rig) -> None:
    rig.kafka.bootstrap = "127.0.0.1:1"
    relay = rig.start(DRAIN="2s")
    wait_for(lambda: relay.said("listening"), "it listens before it has joined")
    assert relay.status()["state"] == "starting"
    relay.term()
    assert relay.ended(2 + 5) == 0


def test_killed_at_any_moment_nothing_is_lost_and_what_is_repeated_is_counted(make_rig: object) -> None:
    """Each order's story may begin anew once per kill, and only for what was unfinished or of the last second."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    rig: Rig = make_rig(4)  # type: ignore[operator]
    rig.vendor.faults(latency=0.02)
    ids = order_ids(1500)
    repeated, kills = 0, 4
    rig.kafka.publish(ids[:300], "placed")
    for number in range(kills):
        relay = rig.start().joined()
        batch = ids[300 + number * 300 : 600 + number * 300]
        rig.kafka.publish(batch, "placed", "paid")
        before = len(rig.vendor.effects)
        more = chance.randint(20, 500)
        wait_for(lambda aim=before + more: len(rig.vendor.effects) >= aim or _idle(rig, aim), "no progress", 20)  # type: ignore[misc]
        repeated += relay.status()["repeated_total"]
        relay.kill()
    last = rig.start().joined()
    last.caught_up()
    repeated += last.status()["repeated_total"]
    assert last.stop() == 0
    wanted = story(ids[:300], "placed") | story(ids[300:], "placed", "paid")
    effects = len(rig.vendor.effects)
    twice = effects - sum(len(states) for states in wanted.values())
    print(f"{effects} effects, {twice} repeated, {repeated} counted")
    rig.assert_each_has_one_end(wanted, repeats=kills * 2000)
    rig.assert_never_back(times=kills)
    rig.assert_no_status_before_its_create()
    rig.assert_committed_to_the_end()
    assert twice <= repeated


def _idle(rig: Rig, aim: int) -> bool:
    """Whether so many effects will never come: everything published has been delivered."""
    return aim > 300 * 2 + 4 * 300 * 3
