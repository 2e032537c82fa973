"""What is parked stays bounded: an alert at the bound, and nothing kept that is settled."""

import pytest

from tests.support.sink_process import Rig
from tests.support.waiting import wait_for

pytestmark = pytest.mark.broker


def test_a_full_parked_order_raises_an_alert_and_parking_goes_on(rig: Rig) -> None:
    rig.vendor.faults(bad_ids=["bad"])
    relay = rig.start(MAX_PARKED_PER_ORDER="3", MAX_PARKED="4").joined()
    rig.kafka.publish(["bad"], "placed", "paid", "completed")
    relay.caught_up()
    status = relay.status()
    assert (status["parked_total"], status["parked_records"]) == (4, 4)
    assert (status["parked_full_orders"], status["parked_full"]) == (1, 1)
    assert [line["order_id"] for line in relay.said("parked_order_full")] == ["bad"]


def test_parked_records_before_the_oldest_open_one_are_deleted(rig: Rig) -> None:
    ids = [f"bad{number}" for number in range(12)]
    rig.vendor.faults(bad_ids=ids)
    relay = rig.start(PARKED_HISTORY="100ms").joined()
    rig.kafka.publish(ids, "paid")
    relay.caught_up()
    before = {one.key.decode(): one for one in rig.kafka.all_parked()}
    rig.vendor.well()
    assert rig.parked("replay", *ids[:10]).status == 0
    open_ids = set(ids[10:])

    settled = {one.partition for one in before.values()} - {before[name].partition for name in open_ids}
    wait_for(lambda: all(rig.kafka.oldest_parked()[number] > 0 for number in settled), "nothing is removed")
    assert {one.key.decode() for one in rig.kafka.all_parked()} >= open_ids
    assert rig.parked("replay", "--all").status == 0
    relay.caught_up()
    assert {name: rig.vendor.of(name) for name in ids} == {name: ["add", "paid"] for name in ids}
