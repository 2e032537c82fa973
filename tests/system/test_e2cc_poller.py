"""The E2CC poller as a process: every change of every set is published once, whatever E2CC's page leaves open."""

import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.e2cc_process import E2ccRig, open_e2cc_rig
from tests.support.relay_process import Relay
from tests.support.waiting import wait_for
from workers.devkit.broker.broker import Broker

pytestmark = pytest.mark.broker

WORST = {
    "sort": "unstable",
    "row_per_line": True,
    "padding": True,
    "entities": True,
    "changes_per_page": 1,
    "queue_latency": "2ms",
}


@pytest.fixture
def rig(broker: Broker, tmp_path: Path, ends: ExitStack) -> E2ccRig:
    """Small pages, and books that change with each answer."""
    made = ends.enter_context(open_e2cc_rig(broker.bootstrap, tmp_path, **WORST, keys={"page_size": 25}))
    made.e2cc.call(lambda: made.e2cc.books.fill(30, 10))
    return made


def read_on(relay: Relay, passes: int) -> None:
    """Wait until so many readings of the sets have ended."""
    relay.wait(
        lambda status: sum(one["polls_total"] for one in status.get("sets", {}).values()) >= passes, "it does not read"
    )


def test_kills_a_second_process_and_a_rotated_key_miss_and_repeat_nothing(rig: E2ccRig) -> None:
    rng = random.Random(3)
    first = rig.start().joined()
    read_on(first, 6)
    assert rig.e2cc.stats("most_in_flight") == 1, "all sets share one request at a time"
    first.kill()
    first = rig.start().joined()
    read_on(first, rng.randint(1, 9))
    first.kill()
    relay, second = rig.start().joined(), rig.start("two").joined()
    rig.e2cc.happen(20)
    keys = rig.e2cc.simulator.ledger.keys
    made = rig.e2cc.call(lambda: keys.rotate(keys.keys[0], {}))
    rig.key_file.write_text(made["key"])
    rig.e2cc.faults(changes_per_page=0, rmas_down=True)
    rig.e2cc.happen(20)
    gone = next(name for name, (status, _) in rig.e2cc.states().items() if status == "Open")
    wait_for(lambda: gone in rig.orders(), "the order was never published")
    rig.e2cc.call(lambda: rig.e2cc.books.remove(rig.e2cc.books.by_name[gone]))
    rig.e2cc.faults(rmas_down=False, sort="id")
    found = rig.wait_for_all()
    first_event, last = found[gone][0], found[gone][-1]
    assert (last["op"], last["order_id"]) == ("deleted", first_event["order_id"])
    assert last["order_id"]
    assert {relay.stop(), second.stop()} == {0}
