"""An administrator changes the topics under running workers."""

import httpx
import pytest

from tests.support.relay_process import Relay
from tests.support.sink_process import Rig, order_ids, story
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig

pytestmark = pytest.mark.broker


def test_two_members_hold_all_orders_while_one_topic_has_more_partitions(make_rig: MakeRig) -> None:
    rig = make_rig(4)
    relays = [rig.start(instance, SESSION="6s").joined() for instance in ("one", "two")]
    rig.kafka.publish(order_ids(40), "paid")
    for relay in relays:
        relay.caught_up()
    _grow(rig, rig.kafka.created)
    for relay in relays:
        why = f"8 partitions are wanted, and {rig.kafka.status} has 4"
        relay.wait(lambda status: why in (status["last_error"] or ""), "it goes on with unequal topics")  # noqa: B023
        assert relay.status()["state"] == "starting"
        assert _ready(relay) == 503
        assert relay.said("topics_missing")
    late = order_ids(40, "late")
    with rig.kafka.new_producer(metadata_max_age_ms=500) as producer:
        for order_id in late:
            producer.send(rig.kafka.created, key=order_id.encode(), value=rig.kafka.order(order_id)).get(10)
            producer.send(rig.kafka.status, key=order_id.encode(), value=rig.kafka.change(order_id, "paid")).get(10)
    assert not rig.vendor.by_order().keys() & set(late)
    _grow(rig, rig.kafka.status, rig.kafka.parked, f"{rig.kafka.parked}-state", rig.kafka.receipts)
    # Not by lag alone: while partitions move from one member to the other, neither may count one.
    wait_for(lambda: len(rig.vendor.effects) >= 160, "the orders and their statuses were not delivered")
    for relay in relays:
        relay.caught_up()
        assert _ready(relay) == 200
    rig.assert_no_status_before_its_create()
    rig.assert_each_has_one_end(story([*order_ids(40), *late], "paid"))
    assert [relay.stop() for relay in relays] == [0, 0]


def _grow(rig: Rig, *topics: str) -> None:
    rig.kafka.admin.create_partitions(dict.fromkeys(topics, 8))
    rig.kafka.admin.wait_for_topics(list(topics))


def _ready(relay: Relay) -> int:
    return httpx.get(f"{relay.url}/readyz", timeout=10, trust_env=False).status_code
