"""Publishers of every manner: transactions, traces, two partitions for one order."""

from typing import Any

import pytest

from tests.support.kafka_side import header
from tests.support.sink_process import Rig, fresh, order_ids, story

pytestmark = pytest.mark.broker

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_aborted_transactions_are_never_delivered_and_commits_reach_the_end(rig: Rig) -> None:
    kafka = rig.kafka
    relay = rig.start().joined()
    kafka.producer = kafka.new_producer(transactional_id=fresh("publisher"))
    kafka.producer.init_transactions()
    for number in range(6):
        kafka.producer.begin_transaction()
        ids = order_ids(10, "good" if number % 2 else "bad")
        kafka.publish(ids, "paid")
        if number % 2:
            kafka.producer.commit_transaction()
        else:
            kafka.producer.abort_transaction()
    relay.wait(lambda status: status["delivered_total"] == 60, "not everything was delivered")
    relay.caught_up()
    rig.assert_committed_to_the_end()
    assert set(rig.vendor.by_order()) == set(order_ids(10, "good"))
    assert relay.stop() == 0


def test_the_publishers_trace_reaches_the_vendor_and_the_parked_record(rig: Rig) -> None:
    seen: dict[str, str | None] = {}
    ledger = rig.vendor.simulator.ledger
    answer = ledger.answer

    def remember(request: Any, faults: Any) -> Any:
        seen[request.body.decode()] = request.headers.get("traceparent")
        return answer(request, faults)

    ledger.answer = remember
    rig.vendor.faults(bad_ids=["bad"])
    relay = rig.start(UNKNOWN_ORDER_WAIT="100ms").joined()
    rig.kafka.publish(["known", "mangled"])
    rig.kafka.create("bad", headers=[("traceparent", TRACE)])
    rig.kafka.set("known", "paid", headers=[("traceparent", TRACE)])
    rig.kafka.set("mangled", "paid", headers=[("traceparent", TRACE[:-1] + b"\r")])
    rig.kafka.flush()
    relay.caught_up()
    by_order = {order_id: [trace for body, trace in seen.items() if order_id in body] for order_id in ("known", "bad")}
    assert TRACE.decode() in by_order["known"]
    assert [trace for body, trace in seen.items() if '"orderId":"mangled"' in body] == [None]
    (parked,) = rig.kafka.all_parked()
    assert header(parked, "traceparent") == TRACE.decode()


def test_an_order_spread_over_two_partitions_is_delivered(rig: Rig) -> None:
    kafka = rig.kafka
    kafka.producer.send(kafka.created, key=b"o", value=kafka.order("o"), partition=0).get(30)
    kafka.producer.send(kafka.status, key=b"o", value=kafka.change("o", "paid"), partition=1).get(30)
    kafka.publish(order_ids(10), "paid")
    relay = rig.start().joined()
    relay.caught_up()
    rig.assert_each_has_one_end(story(["o", *order_ids(10)], "paid"))


def test_parked_records_with_a_foreign_key_are_replayed_too(rig: Rig) -> None:
    """A status whose key is not its order id is parked with that key, and still follows its order's create."""
    kafka = rig.kafka
    relay = rig.start(UNKNOWN_ORDER_WAIT="100ms").joined()
    kafka.producer.send(kafka.status, key=b"another", value=kafka.change("late", "paid"), partition=1).get(30)
    kafka.producer.send(kafka.status, value=kafka.change("late", "completed"), partition=1).get(30)
    relay.wait(lambda status: status["parked_total"] == 2, "they were never parked")
    kafka.producer.send(kafka.created, key=b"late", value=kafka.order("late"), partition=1).get(30)
    relay.wait(lambda status: status["parked_orders"] == 0, "the fence never ended")
    rig.assert_each_has_one_end(story(["late"], "paid", "completed"))
