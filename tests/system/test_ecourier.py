"""The engine's promises for a vendor with sessions, look-ups and marks: a courier is sent once, in any weather."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.kafka_side import delivery, header, reasons
from tests.support.relay_process import Relay
from tests.support.sink_process import Rig, order_ids
from tests.support.vendor import KEY
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.devkit.simulators.server import Answer, Received

pytestmark = pytest.mark.broker

SEED = 20_26
QUICK = {"RETRY__FIRST": "50ms", "RETRY__MAX": "500ms"}


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    return make_rig(vendor="ecourier", **QUICK)


def told(ids: list[str], *effects: str) -> dict[str, list[str]]:
    """What e-Courier should have applied to each, under the number that it has there."""
    return {f"OR-{order_id}": list(effects) for order_id in ids}


def counts(rig: Rig) -> dict[str, int]:
    names = ("creates", "updates", "duplicates", "repeats")
    return {name: rig.vendor.stats(name) for name in names}


def test_each_order_is_saved_once_and_a_restart_knows_it(rig: Rig) -> None:
    ids = order_ids(100)
    gone, kept = ids[:50], ids[50:]
    rig.kafka.publish(ids, "paid")
    for order_id in [*gone, "never-saved"]:
        rig.kafka.set(order_id, "canceled")
    rig.kafka.create("nothing-to-deliver", delivery=None)
    rig.kafka.flush()
    first = rig.start().joined()
    status = first.caught_up()
    assert (status["delivered_total"], status["skipped_total"], status["parked_total"]) == (150, 102, 0)
    assert first.stop() == 0
    expected = told(gone, "create", "cancel") | told(kept, "create")
    rig.assert_each_has_one_end(expected)
    rig.assert_committed_to_the_end()
    rows = rig.kafka.tracked()
    assert {row["order_id"]: row["canceled_at"] is not None for row in rows.values()} == {
        order_id: order_id in gone for order_id in ids
    }
    _assert_an_unchanged_delivery_is_skipped(rig, kept, rig.vendor.attempts)


def test_a_cancellation_appended_before_its_create_leaves_nothing_open(rig: Rig) -> None:
    ids = order_ids(20)
    relay = rig.start().joined()
    rig.kafka.publish_statuses_first(ids, "canceled")
    relay.caught_up()
    rig.assert_each_has_one_end(told(ids, "create", "cancel"))


def test_weights_go_out_as_plain_decimals_and_an_absurd_one_parks_its_order_by_name(rig: Rig) -> None:
    bodies: list[bytes] = []

    def between(request: Received, vendor: Callable[[], Answer]) -> Answer:
        bodies.append(request.body)
        return vendor()

    rig.vendor.answer_by(between)
    for order_id, weight in {"light": 0.00005, "absurd": 1e16, "negative": -1.0}.items():
        piece = {"sequence": 1, "quantity": 1, "reference": None, "description": None, "weight": weight}
        rig.kafka.create(order_id, delivery=delivery(order_id, pieces=[piece]))
    rig.kafka.flush()
    assert rig.start().joined().caught_up()["parked_total"] == 2
    saved = b"".join(bodies)
    assert b'"0.00005"' in saved
    assert b"e-05" not in saved
    details = {record.key: header(record, "relay-detail") for record in rig.kafka.all_parked()}
    assert details.keys() == {b"absurd", b"negative"}
    assert all("delivery.pieces[0].weight" in one and "0.000001" in one for one in details.values())


def _assert_an_unchanged_delivery_is_skipped(rig: Rig, kept: list[str], before: int) -> None:
    """The marks are read back: not even a look-up is needed. A changed one is an update, without a look-up."""
    again = rig.start().joined()
    rig.kafka.publish(kept)
    assert again.caught_up()["skipped_total"] == 50
    assert rig.vendor.attempts == before
    rig.kafka.create(kept[0], delivery=delivery(kept[0], notes="the other door")).get(30)
    again.caught_up()
    assert rig.vendor.of(f"OR-{kept[0]}") == ["create", "update"]
    assert rig.vendor.attempts <= before + 3, "a login, for the token was the former process's; and the save"
    assert again.stop() == 0


def test_each_orders_events_arrive_in_their_sequence(make_rig: MakeRig) -> None:
    rig = make_rig(4, vendor="ecourier", **QUICK)
    ids = order_ids(150)
    relay = rig.start().joined()
    for start in range(0, len(ids), 5):
        group = ids[start : start + 5]
        for sent in [rig.kafka.create(order_id) for order_id in group]:
            sent.get(10)
        for sent in [rig.kafka.create(one, delivery=delivery(one, notes="changed")) for one in group]:
            sent.get(10)
        for order_id in group:
            rig.kafka.set(order_id, "canceled")
    rig.kafka.flush()
    assert relay.caught_up()["parked_total"] == 0
    rig.assert_each_has_one_end(told(ids, "create", "update", "cancel"))


def test_sigterm_while_the_vendor_hangs_ends_the_worker_in_time_and_loses_no_record(rig: Rig) -> None:
    rig.vendor.faults(hang=1.0)
    relay = rig.start(DRAIN="1s").joined()
    ids = order_ids(30)
    rig.kafka.publish(ids)
    relay.wait(lambda status: status["in_flight"] > 0, "nothing was sent")
    relay.term()
    assert relay.ended(1 + 5) == 0
    assert not relay.said("library"), "a login that nobody waits for any more is no error"
    rig.vendor.well()
    again = rig.start().joined()
    again.caught_up()
    assert again.stop() == 0
    rig.assert_each_has_one_end(told(ids, "create"))


def test_a_kill_under_load_sends_no_courier_twice_and_tracks_each_order_before_its_commit(make_rig: MakeRig) -> None:
    rng = random.Random(SEED)
    rig = make_rig(3, vendor="ecourier", MAX_IN_FLIGHT="16", **QUICK)
    rig.vendor.faults(latency=0.03)
    ids, places = order_ids(300), {}
    for order_id in ids:
        places[order_id] = rig.kafka.create(order_id)
    rig.kafka.flush()
    for _ in range(2):
        relay = rig.start().joined()
        _kill_after(relay, rig, effects=rng.randint(30, 120))
        committed, rows = rig.kafka.committed(), rig.kafka.tracked()
        for order_id, place in places.items():
            at = place.get(30)
            if at.offset < committed.get((at.topic, at.partition), 0):
                assert f"OR-{order_id}" in rows, "committed without its mark: it would be saved blindly"
    last = rig.start().joined()
    for order_id in ids[::2]:
        rig.kafka.set(order_id, "canceled")
    rig.kafka.flush()
    assert last.caught_up()["parked_total"] == 0
    assert last.stop() == 0
    rig.assert_each_has_one_end(told(ids[::2], "create", "cancel") | told(ids[1::2], "create"))
    assert counts(rig)["duplicates"] == 0


def _kill_after(relay: Relay, rig: Rig, effects: int) -> None:
    aim = len(rig.vendor.effects) + effects
    wait_for(lambda: len(rig.vendor.effects) >= aim, "no progress")
    relay.kill()
    wait_for(lambda: rig.vendor.stats("in_flight") == 0, "the vendor does not end what it has begun")


def test_a_refusal_fences_its_order_unless_only_an_update_came_too_late(rig: Rig) -> None:
    rig.vendor.faults(bad_ids=["OR-bad"])
    relay = rig.start().joined()
    rig.kafka.publish(["bad", "locked", *order_ids(5)])
    rig.kafka.set("bad", "canceled").get(30)
    relay.caught_up()
    assert reasons(rig.kafka.all_parked()) == [("bad", "rejected"), ("bad", "behind")]
    rig.vendor.well()
    rig.vendor.faults(locked_ids=["OR-locked"])
    rig.kafka.create("locked", delivery=delivery("locked", notes="too late")).get(30)
    relay.wait(lambda status: status["parked_total"] == 3, "the update was not parked")
    rig.vendor.well()
    rig.kafka.set("locked", "canceled").get(30)
    relay.caught_up()
    assert rig.vendor.of("OR-locked") == ["create", "cancel"], "nothing waits behind an update that came too late"
    assert ("locked", "rejected") in reasons(rig.kafka.all_parked())
    fences = rig.kafka.fences()
    assert {order_id: (fence["records"], fence["passes"]) for order_id, fence in fences.items()} == {
        "bad": (2, False),
        "locked": (1, True),
    }
    assert "Order Unable to Modify" in fences["locked"]["detail"]
    assert relay.stop() == 0


def test_a_site_that_wraps_its_answers_and_cuts_references_gets_each_order_once_and_its_cancellation(rig: Rig) -> None:
    lost: list[str] = []

    def between(request: Received, vendor: Callable[[], Answer]) -> Answer:
        answer = vendor()
        body = answer.body.replace(b'"R&D / PO ', b'"R&amp;D / P')
        if request.path.endswith("SaveOrder") and not lost:
            lost.append(request.path)
            body = b"null"
        return answer._replace(body=orjson.dumps({"d": body.decode()}))

    rig.vendor.answer_by(between)
    relay = rig.start().joined()
    rig.kafka.create("cut", delivery=delivery("cut", reference="R&D / PO 0000012345 / Dock 7")).get(30)
    rig.kafka.set("cut", "canceled").get(30)
    status = relay.caught_up()
    assert (status["delivered_total"], status["parked_total"]) == (2, 0)
    assert rig.vendor.of("OR-cut") == ["create", "update", "cancel"]
    assert counts(rig)["duplicates"] == 0


def test_a_token_that_expires_after_50_uses_costs_one_login_each_time(make_rig: MakeRig) -> None:
    rig = make_rig(4, vendor="ecourier", MAX_IN_FLIGHT="64", **QUICK)
    rig.vendor.faults(token_uses=50, latency=0.01)
    ids = order_ids(400)
    rig.kafka.publish(ids)
    status = rig.start().joined().caught_up()
    assert (status["delivered_total"], status["parked_total"], status["retries_total"]) == (400, 0, 0)
    assert rig.vendor.stats("most_in_flight") > 32
    assert rig.vendor.stats("logins") in {rig.vendor.stats("dead_tokens"), rig.vendor.stats("dead_tokens") + 1}
    assert status["logins_total"] == rig.vendor.stats("logins")
    assert counts(rig) == {"creates": 400, "updates": 0, "duplicates": 0, "repeats": 0}


def test_each_order_is_created_once_though_a_fifth_of_the_answers_is_lost(make_rig: MakeRig) -> None:
    rig = make_rig(4, vendor="ecourier", **QUICK)
    rig.vendor.faults(reset_after=0.2)
    ids = order_ids(1000)
    rig.kafka.publish(ids)
    relay = rig.start().joined()
    status = relay.caught_up(60)
    assert (status["delivered_total"], status["parked_total"]) == (1000, 0)
    assert "gate_shut" not in relay.text, "four of five answers come: it is not down"
    assert counts(rig) == {"creates": 1000, "updates": 0, "duplicates": 0, "repeats": 0}
    assert status["duplicates_avoided_total"] > 100, "a lost answer of a save is found, not saved again"
    assert status["look_ups_total"] > 1000
    assert status["unknown_total"] > 100
    rig.assert_each_has_one_end(told(ids, "create"))


def test_a_refused_login_shuts_the_gate_after_few_logins(rig: Rig, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("canary-wrong\n")
    relay = rig.start(ecourier_password="", ecourier_password_file=str(secret)).joined()
    ids = order_ids(60)
    rig.kafka.publish(ids)
    status = relay.wait(lambda status: status["gate"]["reason"] == "denied", "the gate never shut")
    assert "login" in status["gate"]["detail"]
    assert status["logins_total"] <= 3
    secret.write_text(f"{KEY}\n")
    status = relay.caught_up(20)
    assert (status["parked_total"], status["gate"]["state"]) == (0, "open")
    rig.assert_each_has_one_end(told(ids, "create"))
    assert "canary" not in relay.text
    assert KEY not in relay.text


def test_a_vendor_that_is_down_does_not_stop_the_other_sink_of_the_process(make_rig: MakeRig) -> None:
    rig = make_rig(3, vendor="ecourier", beside="ecdp", **QUICK)
    assert rig.vendor_beside is not None
    assert rig.kafka.beside is not None
    rig.vendor.faults(down=True)
    relay = rig.start().joined()
    ecdp = Relay(relay.process, rig.kafka.beside.worker, relay.file, rig.kafka.ends)
    ids = order_ids(100)
    rig.kafka.publish(ids, "paid")
    status: dict[str, Any] = ecdp.caught_up()
    assert (status["delivered_total"], status["gate"]["state"]) == (200, "open")
    shut = relay.wait(lambda status: status["gate"]["reason"] == "unavailable", "the gate never shut")
    assert (shut["delivered_total"], shut["parked_total"]) == (0, 0)
    rig.vendor.well()
    status = relay.caught_up()
    assert (status["delivered_total"], status["parked_total"], status["gate"]["state"]) == (100, 0, "open")
    rig.assert_each_has_one_end(told(ids, "create"))
    assert rig.vendor_beside.by_order() == {order_id: ["add", "paid"] for order_id in ids}
