"""What is parked, with which words; the fence that follows; how parked statuses find their way again."""

import os
from datetime import datetime

import pytest

from tests.support.kafka_side import header, reasons
from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig

pytestmark = pytest.mark.broker

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_refused_order_is_parked_unchanged_with_all_its_later_records_behind_it(rig: Rig) -> None:
    rig.vendor.faults(bad_ids=["bad"])
    own = [("traceparent", TRACE), ("x-binary", b"\x00\xff"), ("x-none", None), ("x-twice", b"1"), ("x-twice", b"2")]
    place = rig.kafka.create("bad", headers=own)
    rig.kafka.publish(order_ids(20), "paid")
    relay = rig.start().joined()
    relay.caught_up()
    value = rig.kafka.order("bad")
    (record,) = rig.kafka.all_parked()
    source = place.get(30)
    assert (record.key, record.value, record.partition) == (b"bad", value, source.partition)
    assert [one for one in record.headers if not one[0].startswith("relay-")] == own
    assert header(record, "relay-sink") == rig.worker
    assert header(record, "relay-source-topic") == rig.kafka.created
    assert header(record, "relay-source-partition") == str(source.partition)
    assert header(record, "relay-source-offset") == str(source.offset)
    assert header(record, "relay-source-timestamp") == str(source.timestamp)
    assert header(record, "relay-reason") == "rejected"
    assert "refused" in header(record, "relay-detail")
    assert header(record, "relay-http-status") == "400"
    assert header(record, "relay-attempts") == "1"
    assert datetime.fromisoformat(header(record, "relay-parked-at")).tzinfo is not None
    assert relay.stop() == 0
    _assert_the_fence_survives(rig)


def _assert_the_fence_survives(rig: Rig) -> None:
    """A restart, a vendor that would take it now, a status and a create: all behind, in sequence."""
    rig.vendor.well()
    relay = rig.start().joined()
    rig.kafka.set("bad", "paid").get(30)
    rig.kafka.create("bad").get(30)
    rig.kafka.publish(["other"], "paid")
    relay.caught_up()
    assert reasons(rig.kafka.all_parked()) == [("bad", "rejected"), ("bad", "behind"), ("bad", "behind")]
    status = relay.status()
    assert status["parked_orders"] == 1
    assert status["parked_total"] == 2
    rig.assert_each_has_one_end(story([*order_ids(20), "other"], "paid"))


def test_a_worker_ends_before_it_passes_an_order_whose_row_it_cannot_read(rig: Rig) -> None:
    """A later release has written it. Once the row is lifted, the worker goes on."""
    unreadable = b'{"version":99,"kind":"fence"}'
    place = rig.kafka.send(f"{rig.kafka.parked}-state", "A", unreadable).get(30)
    rig.kafka.send_to(place.partition, "A")
    relay = rig.start()
    assert relay.ended() == 1
    said = f"{place.topic}/{place.partition}, offset {place.offset}: the row of a parked order cannot be read ("
    assert said in relay.text
    assert rig.vendor.by_order() == {}
    rig.kafka.producer.send(place.topic, key=b"A", value=None, partition=place.partition).get(30)
    relay = rig.start().joined()
    relay.caught_up()
    assert rig.vendor.by_order() == {"A": ["add"]}


def test_a_refusal_of_every_order_shuts_the_gate_and_parks_only_the_first_ones(rig: Rig) -> None:
    """A wrong account setting: at most suspect_after orders are parked; once mended, all others are delivered."""
    ids = order_ids(120)
    rig.vendor.faults(error_rate=1.0, error_statuses=[422])
    relay = rig.start(SUSPECT_AFTER="10").joined()
    rig.kafka.publish(ids)
    relay.wait(lambda status: status["gate"]["reason"] == "suspect" and not status["in_flight"], "the gate never shut")
    assert relay.status()["parked_total"] <= 10
    assert len(relay.said("gate_shut")) == 1
    rig.vendor.well()
    status = relay.caught_up()
    assert status["gate"]["state"] == "open"
    assert status["parked_total"] <= 10
    parked = {key for key, _ in reasons(rig.kafka.all_parked())}
    rig.assert_each_has_one_end(story(set(ids) - parked))


def test_a_late_create_overtakes_its_waiting_statuses(rig: Rig) -> None:
    relay = rig.start(UNKNOWN_ORDER_WAIT="60s").joined()
    rig.kafka.set("late", "paid").get(30)
    rig.kafka.set("late", "completed").get(30)
    relay.wait(lambda _: rig.vendor.requests.get("PUT 400"), "the status was never tried")
    rig.kafka.create("late").get(30)
    assert relay.caught_up()["parked_total"] == 0
    rig.assert_each_has_one_end(story(["late"], "paid", "completed"))


def test_statuses_parked_for_an_unknown_order_follow_its_create(rig: Rig) -> None:
    relay = rig.start(UNKNOWN_ORDER_WAIT="500ms").joined()
    rig.kafka.set("late", "placed").get(30)
    relay.wait(lambda status: status["parked_total"] == 1, "the first status was never parked")
    rig.kafka.set("late", "paid").get(30)
    relay.wait(lambda status: status["parked_total"] == 2, "the second was not parked behind")
    assert reasons(rig.kafka.all_parked()) == [("late", "unknown-order"), ("late", "behind")]
    rig.kafka.create("late").get(30)
    rig.kafka.set("late", "completed").get(30)
    relay.wait(lambda status: status["parked_orders"] == 0, "the fence never ended")
    relay.caught_up()
    rig.assert_each_has_one_end(story(["late"], "placed", "paid", "completed"))
    wait_for(lambda: not rig.kafka.fences(), "the fence's row stays")
    rig.kafka.set("late", "canceled").get(30)
    relay.wait(lambda _: rig.vendor.of("late")[-1] == "canceled", "the order is still fenced")


def test_a_kill_right_after_the_create_loses_no_parked_status(rig: Rig) -> None:
    relay = rig.start(UNKNOWN_ORDER_WAIT="200ms").joined()
    ids = order_ids(30)
    for order_id in ids:
        rig.kafka.set(order_id, "placed")
        rig.kafka.set(order_id, "paid")
    rig.kafka.flush()
    relay.wait(lambda status: status["parked_total"] == 60, "the statuses were never parked")
    for order_id in ids:
        rig.kafka.create(order_id)
    rig.kafka.flush()
    wait_for(lambda: rig.vendor.stats("orders") >= 1, "no create arrived")
    relay.kill()
    again = rig.start().joined()
    again.caught_up()
    again.wait(lambda status: status["parked_orders"] == 0, "the fences never ended")
    rig.assert_never_back(times=1)
    rig.assert_each_has_one_end(story(ids, "placed", "paid"), repeats=90)


def test_a_missing_parked_topic_stops_the_commits_until_it_exists(make_rig: MakeRig) -> None:
    rig = make_rig(2, topics=False)
    rig.kafka.create_topics(rig.kafka.created, rig.kafka.status, f"{rig.kafka.parked}-state", rig.kafka.receipts)
    rig.vendor.faults(bad_ids=["bad"])
    place = rig.kafka.create("bad").get(30)
    relay = rig.start().joined()
    ids = order_ids(20)
    rig.kafka.publish(ids)
    status = relay.wait(lambda status: "topics apply" in (status["last_error"] or ""), "it never said what to do")
    assert status["delivered_total"] == 20
    assert len(relay.said("parking_failed")) <= 2
    assert rig.kafka.committed().get((rig.kafka.created, place.partition), 0) <= place.offset
    rig.kafka.create_topics(rig.kafka.parked)
    relay.caught_up()
    assert reasons(rig.kafka.all_parked()) == [("bad", "rejected")]
    rig.assert_each_has_one_end(story(ids))


def test_a_record_too_large_to_park_stops_only_its_partition_until_it_fits(make_rig: MakeRig) -> None:
    """Another partition's record is parked meanwhile, and its offsets are committed."""
    rig = make_rig(2)
    rig.kafka.configure(rig.kafka.parked, {"max.message.bytes": 20_000})
    big, small = "bad-big", "bad-small"
    rig.vendor.faults(bad_ids=[big, small])
    large = rig.kafka.send_to(0, big, attributes=[{"name": str(i), "value": os.urandom(50).hex()} for i in range(900)])
    rig.kafka.send_to(1, small)
    relay = rig.start().joined()
    status = relay.wait(lambda status: "max.message.bytes" in (status["last_error"] or ""), "it never said why")
    relay.wait(lambda status: status["parked_total"] == 1, "the other partition's record was never parked")
    wait_for(lambda: rig.kafka.committed().get((rig.kafka.created, 1)) == 1, "nor its offset committed")
    assert (status["gate"]["state"], reasons(rig.kafka.all_parked())) == ("open", [(small, "rejected")])
    assert rig.kafka.committed().get((rig.kafka.created, 0), 0) <= large.offset
    rig.kafka.configure(rig.kafka.parked, {"max.message.bytes": 2_000_000})
    relay.caught_up()
    assert sorted(reasons(rig.kafka.all_parked())) == [(big, "rejected"), (small, "rejected")]
