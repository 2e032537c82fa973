"""The engine's promises for a vendor none of whose requests may be repeated: each order is one web order."""

import pytest

from tests.support.kafka_side import WEB_ORDER
from tests.support.sink_process import order_ids
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.devkit.simulators.komet.web_orders import CHECKED_OUT, OPEN, WebOrder

pytestmark = pytest.mark.broker

QUICK = {"RETRY__FIRST": "50ms", "RETRY__MAX": "500ms", "MAX_IN_FLIGHT": "4", "BUDGET__REQUESTS": "100000"}
WEATHER = {"reset_before": 0.1, "reset_after": 0.1, "changes": 0}


def test_lost_answers_and_a_killed_process_double_no_item_and_lose_no_order(make_rig: MakeRig) -> None:
    rig = make_rig(vendor="komet", **QUICK)
    rig.vendor.faults(**WEATHER)
    ids = order_ids(24)
    gone = ids[:6]
    rig.kafka.publish(ids)
    rig.kafka.create("elsewhere", attributes=[]).get(30)
    rig.kafka.publish_states(gone, "canceled")
    first = rig.start().joined()
    wait_for(lambda: rig.vendor.stats("web_orders_checked_out") >= 4, "no web order was checked out")
    first.kill()
    second = rig.start().joined()
    status = second.caught_up()
    assert status["parked_total"] == 0
    assert second.stop() == 0
    made = rig.vendor.call(lambda: list(rig.vendor.simulator.ledger.web_orders.by_number.values()))
    assert [one for one in made if one.status == OPEN] == []
    placed = {one.reference: bought(one) for one in made if one.status == CHECKED_OUT}
    wanted = sorted((line["product_id"], line["quantity"]) for line in WEB_ORDER)
    assert placed == dict.fromkeys(ids[6:], wanted)
    assert len([one for one in made if one.status == CHECKED_OUT]) == len(placed), "none is there twice"
    rows = rig.kafka.tracked(by="order_id")
    assert {order_id for order_id, row in rows.items() if row["canceled_at"] is not None} == set(gone)
    assert not [row for row in rows.values() if row["content_hash"].startswith("unfinished:")]
    assert rig.kafka.without_receipt() == set()


def bought(order: WebOrder) -> list[tuple[str, int]]:
    return sorted((item["inventoryId"], item["quantity"]) for item in order.items)
