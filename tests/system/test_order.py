"""`relay order`: an order's timeline from Kafka alone."""

import json
import re
from typing import Any

import pytest

from tests.support.sink_process import Rig, order_ids
from tests.system.conftest import MakeRig

pytestmark = pytest.mark.broker

TRACE = "0af7651916cd43dd8448eb211c80319c"


def told(rig: Rig, order_id: str) -> list[str]:
    """What happened, oldest first."""
    return [moment["what"] for moment in shown(rig, order_id)["timeline"]]


def shown(rig: Rig, order_id: str) -> dict[str, Any]:
    ran = rig.command("order", order_id, "--json")
    assert ran.status == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    times = [moment["at"] for moment in found["timeline"]]
    assert times == sorted(times), "things are shown in the order in which they happened"
    return found


def states(rig: Rig, order_id: str) -> list[str]:
    return [moment["state"] for moment in shown(rig, order_id)["timeline"]]


def test_relay_order_shows_an_order_from_its_publication_to_its_replay(rig: Rig) -> None:
    rig.vendor.faults(bad_ids=["bad", "worse"])
    relay = rig.start().joined()
    rig.kafka.create("bad", headers=[("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())])
    rig.kafka.publish(["worse", *order_ids(30)], "paid")
    rig.kafka.set("bad", "paid").get(30)
    relay.caught_up()
    well = shown(rig, "o00003")
    assert sorted(moment["what"] for moment in well["timeline"]) == [
        "delivered, HTTP 200",
        "delivered, HTTP 201",
        "order published",
        "status paid published",
    ]
    assert well["states"] == {rig.worker: "delivered"}
    assert well["verdict"].startswith("ECDP: delivered ")
    assert well["verdict"].endswith("after publication; nothing parked")
    assert states(rig, "bad").count("parked") == 2
    assert any(what.startswith("parked: rejected: ") for what in told(rig, "bad"))
    assert "parked: rejected, behind; 2 records parked" in shown(rig, "bad")["verdict"]
    assert rig.parked("replay", "bad").status == 1
    rig.vendor.well()
    assert rig.parked("replay", "bad").status == 0
    told_before, since = states(rig, "bad")[:5], states(rig, "bad")[5:]
    assert sorted(told_before) == ["parked"] * 3 + ["published"] * 2  # its status may come before or after the refusal
    assert since == ["delivered", "delivered", "released"]
    assert rig.parked("discard", "worse", "--yes", "--first-only", "--why", "cancelled").status == 0
    assert states(rig, "worse")[-1] == "discarded"
    assert re.fullmatch("discarded by ada(@.*)?: cancelled", told(rig, "worse")[-1])
    assert shown(rig, "worse")["states"] == {rig.worker: "parked"}
    _assert_shown_without_the_customer(rig)


def _assert_shown_without_the_customer(rig: Rig) -> None:
    ran = rig.command("order", "bad")
    assert ran.status == 0
    assert TRACE in ran.out
    assert ran.out.startswith("ECDP: delivered ")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "ada@example.com" not in ran.out + rig.command("order", "bad", "--json").out


def test_an_order_that_waits_says_why_as_far_as_a_worker_can_be_asked(rig: Rig) -> None:
    rig.kafka.publish(["new"])
    assert told(rig, "new") == ["order published", "waits"]
    rig.vendor.faults(deny=401)
    relay = rig.start().joined()
    relay.wait(lambda status: status["gate"]["state"] != "open", "its gate never shut")
    address = relay.url.removeprefix("http://")
    (row,) = rig.command("waiting", "--at", address, "--json").json["workers"][0]["orders"]
    assert (row["order_id"], row["topic"], row["waits_for"]) == ("new", rig.kafka.created, "gate")
    found = rig.command("order", "new", "--at", address, "--json").json
    assert "waits: gate" in found["timeline"][-1]["what"]
    assert "waits since" in found["verdict"]
    rig.vendor.well()
    relay.caught_up()
    assert "gate shut meanwhile (denied)" in shown(rig, "new")["verdict"]


def test_a_vendor_that_says_otherwise_than_what_was_delivered_is_marked(make_rig: MakeRig) -> None:
    rig = make_rig(vendor="ecourier")
    relay = rig.start().joined()
    rig.kafka.publish(["asked"])
    relay.caught_up()
    ran = rig.command("order", "asked", "--ask-vendors", "--json")
    assert ran.status == 0, ran.err
    [word] = ran.json["vendors"]
    assert (ran.status, word["vendor"], word["differing"]) == (0, "e-Courier", [])
    assert word["says"] == "stage N (New), progress received"
    rig.vendor.faults(hidden_ids=["OR-asked"])
    ran = rig.command("order", "asked", "--ask-vendors")
    assert ran.status == 1
    assert "has no such order" in ran.out
    assert "! order" in ran.out


def test_a_vendor_whose_key_is_not_there_is_not_asked(rig: Rig) -> None:
    rig.kafka.publish(["asked"])
    ran = rig.command("order", "asked", "--ask-vendors")
    assert (ran.status, "? not asked: " in ran.out) == (0, True)


def test_relay_order_fails_for_an_unknown_order_and_names_the_partition_option(rig: Rig) -> None:
    ran = rig.command("order", "nobody")
    assert ran.status == 1
    assert "--partition" in ran.err
    assert ran.out == ""


def test_relay_order_reads_the_named_partition(rig: Rig) -> None:
    value = rig.kafka.order("odd")
    places = [
        rig.kafka.producer.send(rig.kafka.created, partition=n, key=b"odd", value=value).get(30) for n in range(3)
    ]
    for place in places:
        ran = rig.command("order", "odd", "--partition", str(place.partition), "--json")
        assert {moment["partition"] for moment in json.loads(ran.out)["timeline"]} == {place.partition}
