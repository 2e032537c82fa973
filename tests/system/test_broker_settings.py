"""Brokers that are set otherwise than Kafka's defaults: the worker goes on with what they allow."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from tests.conftest import start_broker
from tests.support.kafka_rig import Side, start_source
from tests.support.kafka_side import reasons
from tests.support.sink_process import fresh, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.core.record import CommitPoint, Partition
from workers.devkit.broker.broker import Broker
from workers.devkit.broker.config import Ports, free_ports
from workers.edges.kafka.client import KafkaConnection, MetadataTooLarge
from workers.edges.kafka.owner import Release
from workers.edges.kafka.transactions import GroupCommit, Transactions

pytestmark = pytest.mark.broker

METADATA_BYTES = 60
PASSWORD = "canary-51aa"
LOGIN = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_USERNAME": "relay",
    "KAFKA_SASL_PASSWORD": PASSWORD,
}


def settings(ports: Ports, asking: int) -> dict[str, object]:
    """Little metadata; and at the port ``asking`` a login, for users that may do only what an ACL allows."""
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    return {
        "offset.metadata.max.bytes": METADATA_BYTES,
        "listeners": f"BROKER://127.0.0.1:{ports.broker},CONTROLLER://127.0.0.1:{ports.controller},"
        f"ASKING://127.0.0.1:{asking}",
        "advertised.listeners": f"BROKER://127.0.0.1:{ports.broker},ASKING://127.0.0.1:{asking}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,ASKING:SASL_PLAINTEXT",
        "listener.name.asking.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.asking.plain.sasl.jaas.config": f'{plain} user_relay="{PASSWORD}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


@pytest.fixture(scope="module")
def asking() -> int:
    return free_ports().broker


@pytest.fixture(scope="module")
def strict_broker(asking: int) -> Iterator[Broker]:
    with start_broker() as running:
        running.restart(settings(running.ports, asking))
        yield running


def test_commits_and_parking_go_on_where_the_broker_keeps_little_metadata(
    strict_broker: Broker, make_rig: MakeRig
) -> None:
    ids = order_ids(300)
    broken = ids[:200:25]
    rig = make_rig(1, at=strict_broker)
    rig.vendor.faults(broken_ids=broken, bad_ids=["bad"])
    rig.kafka.publish([*ids, "bad"])
    relay = rig.start(RETRY__GIVE_UP_AFTER="1h").joined()
    wait_for(lambda: len(rig.vendor.by_order()) == len(ids) - len(broken), "good orders were not delivered")
    wait_for(lambda: reasons(rig.kafka.all_parked()) == [("bad", "rejected")], "parking was blocked")
    wait_for(rig.kafka.committed, "nothing was committed")
    wait_for(lambda: relay.said("commit_metadata_too_long"), "the limit of the broker was not met")
    relay.kill()
    rig.vendor.faults(broken_ids=[])
    second = rig.start().joined()
    second.caught_up()
    rig.assert_each_has_one_end(story(ids), repeats=len(ids) - len(broken))
    assert second.stop() == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_follows_brokers_that_have_all_changed_their_addresses(
    strict_broker: Broker, asking: int, make_rig: MakeRig
) -> None:
    """Only the second of the bootstrap addresses leads to the new ones; one more leads nowhere, before and after."""
    old, new = strict_broker.ports, free_ports()
    rig = make_rig(3, at=strict_broker)
    bootstrap = f"127.0.0.1:{new.broker},{strict_broker.bootstrap},127.0.0.1:9"
    relay = rig.start(kafka_bootstrap_servers=bootstrap).joined()
    rig.kafka.publish(order_ids(50), "paid")
    relay.caught_up()
    rig.kafka.close()
    strict_broker.ports = Ports(new.broker, old.controller)
    strict_broker.restart(settings(strict_broker.ports, asking))
    rig.kafka = replace(rig.kafka, bootstrap=strict_broker.bootstrap, _open=[])
    relay.ends = rig.kafka.ends
    rig.vendor.faults(bad_ids=["bad"])
    rig.kafka.publish(["bad", *order_ids(50, "late")], "paid")
    relay.wait(lambda status: status["parked_total"] == 2, "nothing came from the new addresses", 60)
    relay.caught_up()
    assert reasons(rig.kafka.all_parked()) == [("bad", "rejected"), ("bad", "behind")]
    rig.assert_each_has_one_end(story([*order_ids(50), *order_ids(50, "late")], "paid"))
    (line,) = relay.said("kafka_asks_everywhere")
    assert line["tried"] == sorted(bootstrap.split(","))
    rig.kafka.close()
    assert relay.stop() == 0


def test_a_missing_right_is_named_before_the_first_refusal_and_stops_no_other_partition(
    strict_broker: Broker, asking: int, make_rig: MakeRig
) -> None:
    rig = make_rig(3, at=strict_broker)
    kafka = rig.kafka
    for topic in (kafka.created, kafka.status):
        allow(kafka.admin, ResourceType.TOPIC, topic, ACLOperation.READ, ACLOperation.DESCRIBE_CONFIGS)
    allow(kafka.admin, ResourceType.TOPIC, kafka.receipts, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS)
    for topic in (kafka.parked, f"{kafka.parked}-state"):
        rights = ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS
        allow(kafka.admin, ResourceType.TOPIC, topic, *rights)
    allow(kafka.admin, ResourceType.TOPIC, kafka.receipts, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS)
    rig.processes.withheld = ()
    rig.processes.variables = {**rig.processes.variables, **LOGIN}
    kafka.bootstrap, bootstrap = f"127.0.0.1:{asking}", kafka.bootstrap
    rig.processes.bootstrap = kafka.bootstrap
    ran = rig.command("check", "--json", rig.worker)
    assert ran.status == 1
    assert f"lacks Read on Group {kafka.group}, Write and Describe on TransactionalId {kafka.group}.cli" in ran.out
    allow(kafka.admin, ResourceType.GROUP, kafka.group, ACLOperation.READ)
    relay = rig.start().joined()
    kafka.bootstrap = bootstrap
    wait_for(lambda: relay.said("rights_missing"), "it does not say at its start what it lacks")
    (line,) = relay.said("rights_missing")
    assert f"lacks Write and Describe on TransactionalId {kafka.group}.one: ask for" in line["detail"]
    rig.vendor.faults(bad_ids=["bad"])
    kafka.publish(["bad", *order_ids(40)], "paid")
    relay.wait(lambda status: status["delivered_total"] == 80, "the others do not go on")
    relay.wait(lambda status: "Write and Describe" in (status["last_error"] or ""), "it does not say what it lacks")
    allow(kafka.admin, ResourceType.TRANSACTIONAL_ID, f"{kafka.group}.one", ACLOperation.WRITE)
    relay.caught_up()
    wanted = [("bad", "rejected"), ("bad", "behind")]
    wait_for(lambda: reasons(kafka.all_parked()) == wanted, "it was not parked")  # the coordinator ends the transaction
    assert rig.command("check", rig.worker).status == 1, "its own transactional id has another name"
    assert relay.stop() == 0


def allow(admin: Any, kind: ResourceType, name: str, *operations: ACLOperation) -> None:
    pattern = ResourcePattern(kind, name)
    admin.create_acls([ACL("User:relay", "*", one, ACLPermissionType.ALLOW, pattern) for one in operations])


async def test_each_way_to_commit_tells_a_refused_length_and_a_release_commits_without_the_text(
    strict_broker: Broker,
) -> None:
    topic = fresh("orders")
    strict_broker.create_topic(topic)
    at = Partition(topic, 0)
    side = Side(KafkaConnection(bootstrap=(strict_broker.bootstrap,)))
    side.produce(topic, [b"a", b"b"])
    too_long = {at: CommitPoint(1, "x" * (METADATA_BYTES + 1))}
    source, witness = start_source(side, topic, [topic])
    await witness.until(lambda: len(witness.records) == 2)
    with pytest.raises(MetadataTooLarge):
        await source.commit(witness.epoch, too_long)
    transactions = Transactions(side.connection, fresh("writer"))
    assert witness.assignment is not None
    with pytest.raises(MetadataTooLarge):
        await transactions.write([], lambda _: [], GroupCommit(too_long, witness.assignment.group))
    await transactions.close()

    def leave(release: Release) -> None:
        release.offsets, release.done = too_long, True

    witness.on_release = leave
    await source.stop(10.0)
    assert side.committed(topic) == {at: CommitPoint(1, "")}
