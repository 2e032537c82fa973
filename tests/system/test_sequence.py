"""No status before its create, however close and however long the backlog."""

import pytest

from tests.support.sink_process import order_ids, story
from tests.system.conftest import MakeRig

pytestmark = pytest.mark.broker


def test_a_status_sent_right_after_its_create_never_arrives_before_it(make_rig: MakeRig) -> None:
    """The status is sent as soon as the create is acknowledged: it is often fetched before it."""
    rig = make_rig(4)
    ids = order_ids(400)
    relay = rig.start().joined()
    for start in range(0, len(ids), 4):
        group = ids[start : start + 4]
        for sent in [rig.kafka.create(order_id) for order_id in group]:
            sent.get(10)
        for order_id in group:
            rig.kafka.set(order_id, "paid")
    rig.kafka.flush()
    status = relay.caught_up()
    assert status["passed_unreachable_total"] == 0
    assert status["retries_total"] == 0
    rig.assert_each_has_one_end(story(ids, "paid"))
    rig.assert_no_status_before_its_create()
    assert rig.vendor.requests.get("PUT 400", 0) == 0, "a status was tried before its create"


def test_a_first_start_on_a_backlog_keeps_each_orders_sequence(make_rig: MakeRig) -> None:
    rig = make_rig(4)
    ids = order_ids(1600)
    rig.kafka.publish(ids[:800], "paid")
    for order_id in ids[800:]:
        rig.kafka.create(order_id)
        rig.kafka.set(order_id, "paid")
    rig.kafka.flush()
    relay = rig.start(MAX_UNFINISHED="800").joined()
    status = relay.wait(lambda status: status["delivered_total"] == 2 * len(ids), "the backlog never ended", 90)
    assert status["passed_unreachable_total"] == 0
    relay.caught_up()
    rig.assert_no_status_before_its_create()
    rig.assert_each_has_one_end(story(ids, "paid"))


def test_a_status_appended_before_its_create_is_delivered_after_it(make_rig: MakeRig) -> None:
    rig = make_rig(4)
    ids = order_ids(40)
    relay = rig.start().joined()
    rig.kafka.publish_statuses_first(ids, "paid")
    status = relay.caught_up()
    assert status["reordered_total"] == status["held_total"] == len(ids)
    rig.assert_each_has_one_end(story(ids, "paid"))
    assert rig.vendor.requests.get("PUT 400", 0) == 0, "a status was tried before its create"
    for order_id in ids:
        rig.kafka.set(order_id, "completed", later_ms=2)
    rig.kafka.flush()
    assert relay.caught_up()["held_total"] == len(ids), "statuses of orders that were delivered do not wait"
    rig.assert_each_has_one_end(story(ids, "paid", "completed"))
