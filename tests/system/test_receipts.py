"""Receipts: what became of each record, for whoever reads the topic."""

import random

import pytest

from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.core.receipt import Receipt

pytestmark = pytest.mark.broker


def receipts_of(rig: Rig, order_id: str) -> list[list[Receipt]]:
    """What became of each record of an order, one after the other."""
    found = rig.kafka.receipts_by_place()
    return [receipts for _, receipts in sorted(found.items()) if receipts[0].order_id == order_id]


def outcomes(rig: Rig, order_id: str) -> list[list[str]]:
    return [[one.outcome for one in receipts] for receipts in receipts_of(rig, order_id)]


def test_each_record_has_a_receipt_of_what_became_of_it(make_rig: MakeRig) -> None:
    """Delivered, parked, replayed, discarded, a tombstone skipped."""
    rig = make_rig()
    rig.vendor.faults(bad_ids=["bad", "worse"])
    relay = rig.start().joined()
    ids = order_ids(20)
    rig.kafka.publish([*ids, "bad", "worse"], "paid")
    rig.kafka.send(rig.kafka.created, "gone", None)
    rig.kafka.flush()
    relay.caught_up()
    rig.vendor.well()
    assert rig.parked("replay", "bad").status == 0
    assert rig.parked("discard", "worse", "--yes", "--why", "cancelled").status == 0
    wait_for(lambda: outcomes(rig, "worse") == [["parked", "discarded"]] * 2, "a discard without receipts")
    assert outcomes(rig, "bad") == [["parked", "delivered"]] * 2
    assert outcomes(rig, "gone") == [["skipped"]]
    (created, paid) = [
        receipts for place, receipts in sorted(rig.kafka.receipts_by_place().items()) if receipts[0].order_id == ids[0]
    ]
    assert [(one.outcome, one.http_status, one.attempts) for one in created + paid] == [
        ("delivered", 201, 1),
        ("delivered", 200, 1),
    ]
    rig.assert_each_has_one_end(story([*ids, "bad"], "paid"))


def test_a_courier_has_the_vendors_number_and_an_order_without_delivery_its_reason(make_rig: MakeRig) -> None:
    rig = make_rig(vendor="ecourier")
    relay = rig.start().joined()
    rig.kafka.create("sent")
    rig.kafka.create("nothing", delivery=None)
    rig.kafka.flush()
    relay.caught_up()
    found = {one.order_id: one for receipts in rig.kafka.receipts_by_place().values() for one in receipts}
    assert (found["sent"].outcome, found["sent"].vendor_ref) == ("delivered", "OR-sent")
    assert (found["nothing"].outcome, found["nothing"].reason) == ("skipped", "no delivery")


def test_no_receipt_is_missing_after_kills_at_any_time(make_rig: MakeRig) -> None:
    """Between a receipt and its commit, too: the next owner writes another one."""
    rig = make_rig(2)
    rig.vendor.faults(bad_ids=["o00007", "o00100"])
    chance, ids = random.Random(7), order_ids(600)
    for part in range(4):
        relay = rig.start().joined()
        rig.kafka.publish(ids[part * 150 : part * 150 + 150], "paid")
        wait_for(lambda: len(rig.kafka.receipts_by_place()) > part * 250 + chance.randrange(60), "it wrote no receipts")  # noqa: B023
        relay.kill()
        assert rig.kafka.without_receipt() == set()
    rig.start().joined().caught_up()
    assert rig.kafka.without_receipt() == set()
    last = {place: receipts[-1].outcome for place, receipts in rig.kafka.receipts_by_place().items()}
    assert len(last) == 1_200
    assert sorted(place.topic for place, outcome in last.items() if outcome == "parked") == [
        rig.kafka.created,
        rig.kafka.created,
        rig.kafka.status,
        rig.kafka.status,
    ]


def test_without_the_receipts_topic_a_worker_does_not_begin_and_says_what_to_do(make_rig: MakeRig) -> None:
    rig = make_rig(2, topics=False)
    kafka = rig.kafka
    kafka.create_topics(kafka.created, kafka.status, kafka.parked, f"{kafka.parked}-state")
    kafka.publish(order_ids(5))
    relay = rig.start()
    relay.wait(
        lambda status: f"no {kafka.receipts}; run 'relay topics apply'" in (status["last_error"] or ""), "no word"
    )
    assert rig.vendor.by_order() == {}
    kafka.create_topics(kafka.receipts)
    relay.caught_up()
    rig.assert_each_has_one_end(story(order_ids(5)))
