"""A worker as a process: everything arrives, once, in its sequence."""

import pytest

from tests.support.sink_process import Rig, order_ids, story

pytestmark = pytest.mark.broker


def test_every_record_is_delivered_once_and_a_restart_repeats_none(rig: Rig) -> None:
    ids = order_ids(500)
    rig.kafka.publish(ids, "paid", "completed")
    first = rig.start().joined()
    status = first.caught_up()
    assert status["delivered_total"] == 1500
    assert status["lag_records"] == 0
    assert first.stop() == 0
    assert first.said("released"), "it gave its partitions away, and waited for no time-out"
    rig.assert_each_has_one_end(story(ids, "paid", "completed"))
    rig.assert_committed_to_the_end()
    before = rig.vendor.attempts
    second = rig.start().joined()
    second.caught_up()
    rig.kafka.publish(["last"])
    second.wait(lambda status: status["delivered_total"] == 1, "the one new order never came")
    assert second.status()["repeated_total"] == 0
    assert rig.vendor.attempts == before + 1
    assert second.stop() == 0
