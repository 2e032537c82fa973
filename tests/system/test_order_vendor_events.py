"""`relay order` shows the stages and events that pollers have published of the order."""

import json
from typing import Any

import pytest

from tests.support.poller_process import DclRig, EcourierRig
from tests.support.waiting import wait_for
from tests.system.conftest import MakeDcl, MakeEcourier

pytestmark = pytest.mark.broker

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01".encode())


def told(rig: EcourierRig | DclRig, order_id: str) -> list[dict[str, Any]]:
    """The order's moments, oldest first."""
    ran = rig.command("order", order_id, "--json")
    assert ran.status == 0, ran.err
    timeline: list[dict[str, Any]] = json.loads(ran.out)["timeline"]
    return timeline


def test_relay_order_finds_stages_and_events_by_the_tracked_orders_number(make_ecourier: MakeEcourier) -> None:
    rig = make_ecourier(partitions=4)
    sink = rig.start(rig.sink).joined()
    rig.start().joined()
    rig.kafka.create("A-1", headers=[TRACEPARENT]).get(10)
    rig.kafka.publish(["another"])
    sink.caught_up()
    wait_for(lambda: rig.stages().get("OR-A-1"), f"it was never looked at; {rig.logs()}")
    rig.move("OR-A-1", "A", EventType="Pickup", EventNote="left with Ada")
    wait_for(lambda: len(rig.stages()["OR-A-1"]) == 2, f"its change never came; {rig.logs()}")
    rig.move("OR-A-1", EventType="POD", Note="left with Ada Lovelace")
    rig.kafka.set("A-1", "canceled").get(10)
    sink.caught_up()
    rig.wait_for_all()
    moments = told(rig, "A-1")
    whats = [moment["what"] for moment in moments]
    own = [what for moment, what in zip(moments, whats, strict=True) if moment["by"] != "ecourier"]
    assert own[0] == "order published"
    assert "delivered, HTTP 200, as OR-A-1" in own
    assert whats[0] == "order published", "the vendor's clock has whole seconds"
    assert {"accepted by the vendor as OR-A-1", "canceled at the vendor as OR-A-1"} <= set(whats)
    seen = [what for moment, what in zip(moments, whats, strict=True) if moment["by"] == "ecourier"]
    assert "stage A, in_transit (was N)" in seen
    assert "event Pickup, A" in seen
    assert any(what.startswith("event POD, ") for what in seen)
    assert {moment["topic"] for moment in moments if moment["by"] == "ecourier"} == {rig.stages_topic, rig.events_topic}
    on_trace = {moment["what"] for moment in moments if moment["trace_id"] == TRACE}
    assert {"order published", "accepted by the vendor as OR-A-1", "stage A, in_transit (was N)"} <= on_trace
    shown = rig.command("order", "A-1").out
    assert "Ada" not in shown + json.dumps(moments)


def test_relay_order_shows_the_dcl_stages_of_the_order_with_that_number(make_dcl: MakeDcl) -> None:
    rig = make_dcl()
    rig.dcl.put("A-1", 10)
    rig.dcl.put("A-2", 10)
    rig.start().joined()
    rig.wait_for_all()
    rig.dcl.put("A-1", 60)
    published = rig.wait_for_all()["A-1"]
    first, second = (event["stage"] for event in published)
    moments = told(rig, "A-1")
    assert [moment["what"].split(",")[0] for moment in moments] == [f"stage {first}", f"stage {second}"]
    assert moments[1]["what"].endswith(f"(was {first})")
    assert {moment["by"] for moment in moments} == {"dcl"}
    assert rig.command("order", "A-3").status == 1
