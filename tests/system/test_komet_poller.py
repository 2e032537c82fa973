"""The Komet poller as a process: each change is published once, and nothing exceeds the account's budget."""

import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.komet_process import KometRig, open_komet_rig
from tests.support.poller_process import ByOrder
from tests.support.relay_process import Relay
from tests.support.waiting import wait_for
from workers.devkit.broker.broker import Broker

pytestmark = pytest.mark.broker

PER_S = 8
SHORTER = f"{PER_S - 0.5}s"  # of the simulator's day: how long a request takes to arrive differs


def read_on(relay: Relay, passes: int) -> dict[str, Any]:
    """Wait until so many readings of the sets have ended."""
    return relay.wait(
        lambda status: sum(one["polls_total"] for one in status.get("sets", {}).values()) >= passes, "it does not read"
    )


def inventory_fails(relay: Relay) -> bool:
    """Whether it owns the only shard, and its inventory alone cannot be read."""
    gates = {name: one["gate"]["state"] for name, one in relay.status().get("sets", {}).items()}
    return gates.pop("inventory", "open") != "open" and "open" in gates.values()


def order_ids(found: ByOrder) -> set[str]:
    """Our own ids in the last events."""
    return {events[-1]["order_id"] for events in found.values()} - {None}


@pytest.fixture
def rig(broker: Broker, tmp_path: Path, ends: ExitStack) -> KometRig:
    """The sets would take more than the budget; changes appear late, and answers have no sequence."""
    budget = {"requests": 30, "per": f"{PER_S}s"}
    knobs = {"quota": 30, "quota_per": SHORTER, "visible_after": "2s", "sort": "unstable", "numbers_as_text": True}
    made = ends.enter_context(open_komet_rig(broker.bootstrap, tmp_path, budget, **knobs))
    made.vendor.call(lambda: made.ledger.seller.fill(20))
    return made


def test_kills_a_second_process_and_a_failing_set_miss_and_repeat_nothing_within_the_budget(rig: KometRig) -> None:
    rng = random.Random(5)
    first = rig.start(rig.poller).joined()
    read_on(first, 4)
    rig.happen(15)
    read_on(first, 4 + rng.randint(1, 6))
    first.kill()
    one, two = rig.start(rig.poller).joined(), rig.start(rig.poller, "two").joined()
    rig.vendor.faults(errors_in_200=0.15, forbidden_methods=["ecommerce/inventory.list"])
    rig.happen(20)
    owner = wait_for(lambda: next((each for each in (one, two) if inventory_fails(each)), None), "the set never failed")
    read_on(owner, 6)
    rig.vendor.faults(errors_in_200=0, forbidden_methods=[])
    rig.happen(20)
    assert owner.stop() == 0
    rig.wait_for_all()
    assert (two if owner is one else one).stop() == 0
    assert rig.vendor.stats("most_requests_in_a_day") <= 30


def test_a_sink_a_poller_and_a_command_share_one_budget_and_writes_go_first(
    broker: Broker, tmp_path: Path, ends: ExitStack
) -> None:
    """The poller would take all requests twice; an order of three lines takes five. Komet cannot keep all order ids."""
    budget, knobs = {"requests": 20, "per": f"{PER_S}s"}, {"quota": 20, "quota_per": SHORTER, "every": "50ms"}
    rig = ends.enter_context(open_komet_rig(broker.bootstrap, tmp_path, budget, **knobs))
    rig.vendor.call(lambda: rig.ledger.seller.fill(20))
    sink, poller = rig.start(rig.sink, "sink").joined(), rig.start(rig.poller).joined()
    wait_for(lambda: poller.said("budget_spent"), "the poller never used its share")
    shown = rig.command("vendor", "komet", "quota", "--json").json
    assert shown["requests"] == 20
    assert 0 < shown["spent"] <= 14
    assert shown["kept_for_writes"] == 6
    ids = ["o-1 für Müller", "o" * 51]
    rig.kafka.publish(ids[:1])
    sink.caught_up()
    assert not sink.said("budget_spent"), "three tenths are left to writes"
    rig.kafka.publish(ids[1:])
    sink.caught_up()
    assert sink.status()["parked_total"] == 0
    assert rig.vendor.stats("web_orders_checked_out") == 2
    wait_for(lambda: order_ids(rig.orders()) == set(ids), "no stage of an order was published with its id")
    wait_for(lambda: order_ids(rig.items("invoice-changed")) == set(ids), "the same of an invoice")
    assert rig.vendor.stats("most_requests_in_a_day") <= 20
    assert {sink.stop(), poller.stop()} == {0}
