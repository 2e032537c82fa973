"""A commit that cannot be trusted: its partition stops and says so, the others go on."""

from datetime import UTC, datetime

import pytest
from kafka import TopicPartition

from tests.support.relay_process import Relay
from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from workers.devkit.broker.broker import Broker

pytestmark = pytest.mark.broker


def stopped(relay: Relay) -> list[tuple[str, int]]:
    return [(row["topic"], row["partition"]) for row in relay.status()["partitions"] if row["stopped"]]


def test_expired_records_stop_their_partition_until_the_operator_decides(rig: Rig) -> None:
    kafka = rig.kafka
    relay = rig.start(MERGE_WAIT="500ms").joined()
    kafka.publish(order_ids(30, "early"))
    relay.caught_up()
    assert relay.stop() == 0
    places = {order_id: kafka.create(order_id) for order_id in order_ids(60)}
    kafka.flush()
    at = TopicPartition(kafka.created, 0)
    gone = kafka.ends()[kafka.created, 0] - 1
    kafka.admin.delete_records({at: gone})
    lost = {key for key, place in places.items() if place.get().partition == 0 and place.get().offset < gone}
    assert lost
    relay = rig.start(MERGE_WAIT="500ms").joined()
    relay.wait(lambda _: stopped(relay) == [(kafka.created, 0)], "it does not say that it stopped")
    others = [order_id for order_id, place in places.items() if place.get().partition != 0]
    relay.wait(lambda status: status["delivered_total"] == len(others), "the others do not go on")
    wait_for(lambda: relay.said("partition_stopped"), "its log does not say that it stopped")
    (said,) = relay.said("partition_stopped")
    assert "relay offsets" in said["detail"]
    assert kafka.committed()[kafka.created, 0] < gone
    _decide(rig, "earliest")
    relay.wait(lambda _: not stopped(relay), "it never restarted the partition")
    relay.caught_up()
    rig.assert_each_has_one_end(story([*order_ids(30, "early"), *(set(places) - lost)]))


def test_a_record_damaged_on_the_brokers_disk_stops_its_partition_until_the_operator_skips_it(
    broker: Broker, rig: Rig
) -> None:
    kafka = rig.kafka
    kafka.create("before").get(30)
    damaged = kafka.create("damaged").get(30)
    places = {order_id: kafka.create(order_id).get(30) for order_id in order_ids(30)}
    at = (kafka.created, damaged.partition)
    log = broker.folder / "data" / f"{at[0]}-{at[1]}" / f"{0:020}.log"
    log.write_bytes(log.read_bytes().replace(b"damaged", b"DAMAGED"))
    relay = rig.start(MERGE_WAIT="500ms").joined()
    relay.wait(lambda _: stopped(relay) == [at], "it does not say that it stopped")
    wait_for(lambda: relay.said("partition_stopped"), "its log does not say that it stopped")
    (said,) = relay.said("partition_stopped")
    assert f"offset {damaged.offset} cannot be read" in said["detail"]
    behind = {one for one, place in places.items() if place.partition == at[1]}
    relay.wait(lambda _: set(places) - behind <= rig.vendor.by_order().keys(), "the others do not go on")
    assert not behind & rig.vendor.by_order().keys()
    wait_for(lambda: _states(rig)[at] not in {"ok", "new"}, "`relay offsets` does not see it")
    assert f"offset {damaged.offset} cannot be read" in _states(rig)[at]
    assert kafka.committed()[at] == damaged.offset
    later = datetime.fromtimestamp((damaged.timestamp + 1) / 1000, UTC).isoformat()
    _decide(rig, later)
    relay.caught_up()
    assert set(_states(rig).values()) == {"ok"}
    rig.assert_each_has_one_end(story(["before", *places]), readable=False)


def _states(rig: Rig) -> dict[tuple[str, int], str]:
    ran = rig.command("offsets", rig.worker, "--json")
    return {(row["topic"], row["partition"]): row["state"] for row in ran.json["partitions"]}


def _decide(rig: Rig, to: str, *only: str) -> None:
    ran = rig.command("offsets", rig.worker, "--to", to, "--yes", *only)
    assert ran.status == 0, ran.err


@pytest.mark.parametrize("noticed", [False, True])
def test_a_topic_recreated_under_a_running_worker_stops_only_its_own_partitions(rig: Rig, *, noticed: bool) -> None:
    """Whether the worker sees that it is gone, and its commits with it, or only the new one."""
    kafka = rig.kafka
    relay = rig.start(MERGE_WAIT="500ms").joined()
    kafka.publish(order_ids(60), "paid")
    relay.caught_up()
    kafka.admin.delete_topics([kafka.created])
    if noticed:
        wait_for(lambda: relay.said("released"), "it does not notice that the topic is gone", 60)
    kafka.create_topics(kafka.created)
    relay.wait(lambda _: len(stopped(relay)) == 3, "it does not say that it stopped")
    assert {topic for topic, _ in stopped(relay)} == {kafka.created}
    for order_id in order_ids(60):
        kafka.set(order_id, "completed")
    kafka.flush()
    relay.wait(lambda status: status["delivered_total"] == 180, "the statuses do not go on")
    rig.assert_each_has_one_end(story(order_ids(60), "paid", "completed"))
    _decide(rig, "earliest", *(f"--partition={kafka.created}/{number}" for number in range(3)))
    relay.wait(lambda _: not stopped(relay), "a person's decision does not reach it")
    assert {kafka.committed()[kafka.created, number] for number in range(3)} == {0}


def test_metadata_copied_to_another_offset_makes_no_unsent_record_count_as_finished(rig: Rig) -> None:
    """MirrorMaker 2 translates a group's offsets and copies their metadata unchanged."""
    kafka, ids = rig.kafka, order_ids(20)
    rig.vendor.faults(broken_ids=[ids[5]])
    relay = rig.start(RETRY__GIVE_UP_AFTER="1h", SESSION="10s").joined()
    for order_id in ids:
        kafka.send_to(0, order_id)
    relay.wait(lambda status: status["delivered_total"] == 19, "the others were not delivered")
    assert relay.stop() == 0
    at = TopicPartition(kafka.created, 0)
    commit = kafka.admin.list_group_offsets(kafka.group)[kafka.group][at]
    assert commit.offset == 5
    assert commit.metadata

    def is_moved() -> bool:  # only once the broker has forgotten the static member
        kafka.admin.alter_group_offsets(kafka.group, {at: commit._replace(offset=3)})
        return kafka.committed()[kafka.created, 0] == 3

    wait_for(is_moved, "the commit cannot be moved")
    assert kafka.admin.list_group_offsets(kafka.group)[kafka.group][at].metadata == commit.metadata
    rig.vendor.well()
    relay = rig.start().joined()
    relay.caught_up()
    assert rig.vendor.of(ids[5])
    assert relay.status()["metadata_ignored_total"] == 1
    assert relay.said("commit_metadata_ignored")
