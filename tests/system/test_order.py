"""`relay order`: an order's timeline from Kafka alone."""

import json

import pytest

from tests.support.sink_process import Rig, order_ids

pytestmark = pytest.mark.broker

TRACE = "0af7651916cd43dd8448eb211c80319c"


def told(rig: Rig, order_id: str) -> list[str]:
    """What happened, oldest first."""
    ran = rig.command("order", order_id, "--json")
    assert ran.status == 0, ran.err
    return [moment["what"] for moment in json.loads(ran.out)["timeline"]]


def test_relay_order_shows_an_order_from_its_publication_to_its_replay(rig: Rig) -> None:
    rig.vendor.faults(bad_ids=["bad", "worse"])
    relay = rig.start().joined()
    rig.kafka.create("bad", headers=[("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())])
    rig.kafka.publish(["worse", *order_ids(30)], "paid")
    rig.kafka.set("bad", "paid").get(5)
    relay.caught_up()
    assert told(rig, "o00003") == [
        "order published",
        "delivered, or nothing to send",
        "status paid published",
        "delivered, or nothing to send",
    ]
    waiting = told(rig, "bad")
    assert waiting.count("parked") == 2
    assert any(what.startswith("parked: rejected: ") for what in waiting)
    assert rig.parked("replay", "bad").status == 1
    rig.vendor.well()
    assert rig.parked("replay", "bad").status == 0
    after = told(rig, "bad")
    assert after.count("delivered from its parked record") == 2
    assert any(what.startswith("parked again: rejected: ") for what in after)
    assert after[-1] == "nothing of it is parked any more"
    assert rig.parked("discard", "worse", "--yes", "--first-only", "--why", "cancelled").status == 0
    assert [what for what in told(rig, "worse") if what in {"discarded", "parked"}] == ["discarded", "parked"]
    assert "1 parked records discarded by ada: cancelled" in told(rig, "worse")
    _assert_shown_without_the_customer(rig)


def _assert_shown_without_the_customer(rig: Rig) -> None:
    ran = rig.command("order", "bad")
    assert ran.status == 0
    assert TRACE in ran.out
    assert "ada@example.com" not in ran.out + rig.command("order", "bad", "--json").out


def test_an_order_that_no_worker_has_read_is_shown_as_waiting(rig: Rig) -> None:
    rig.kafka.publish(["new"])
    assert told(rig, "new") == ["order published", "waits"]


def test_a_vendor_that_says_otherwise_than_what_was_delivered_is_marked(rig: Rig) -> None:
    relay = rig.start().joined()
    rig.kafka.publish(["asked"], "paid")
    relay.caught_up()
    ran = rig.command("order", "asked", "--ask-vendors", "--json")
    [word] = json.loads(ran.out)["vendors"]
    assert (ran.status, word["vendor"], word["differing"]) == (0, "ECDP", [])
    assert word["says"].startswith("status paid, total 15.00")
    assert rig.command("vendor", "ecdp", "delete", "asked", "--yes", "--why", "test").status == 0
    ran = rig.command("order", "asked", "--ask-vendors")
    assert ran.status == 1
    assert "marked as deleted (IsDeleted)" in ran.out
    assert "! status" in ran.out


def test_relay_order_fails_for_an_unknown_order_and_names_the_partition_option(rig: Rig) -> None:
    ran = rig.command("order", "nobody")
    assert ran.status == 1
    assert "--partition" in ran.err
    assert ran.out == ""


def test_relay_order_reads_the_named_partition(rig: Rig) -> None:
    value = rig.kafka.order("odd")
    places = [rig.kafka.producer.send(rig.kafka.created, partition=n, key=b"odd", value=value).get(5) for n in range(3)]
    for place in places:
        ran = rig.command("order", "odd", "--partition", str(place.partition), "--json")
        assert {moment["partition"] for moment in json.loads(ran.out)["timeline"]} == {place.partition}
