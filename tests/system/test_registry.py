"""A publisher with a registry: split schemas and header ids are delivered, an unreadable schema parks no stream."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.registry import MemoryRegistry, served_aside, split_order_created
from tests.support.sink_process import Rig, order_ids
from tests.support.waiting import wait_for
from tests.system.conftest import MakeRig
from workers.edges.avro.framing import VALUE_SCHEMA_ID

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.broker

TEXT = (Path(__file__).parents[2] / "schemas" / "order-created.avsc").read_text()
BARE = 10  # bytes of single-object encoding before the record


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    memory = MemoryRegistry()
    with served_aside(memory.app()) as memory.address:
        yield memory


@pytest.fixture
def registry_rig(make_rig: MakeRig, registry: MemoryRegistry) -> Rig:
    rig = make_rig(partitions=1, SUSPECT_AFTER="10")
    rig.processes.variables = {**rig.processes.variables, "SCHEMA_REGISTRY_URL": registry.address}
    receipts = json.loads((ROOT / "schemas/ecdp-receipts.avsc").read_text())
    registry.add(f"{rig.kafka.receipts}-value", json.dumps(receipts))  # as `relay topics apply` does
    return rig


def test_a_split_schema_and_schema_ids_in_headers_are_delivered_and_shown(
    registry_rig: Rig, registry: MemoryRegistry
) -> None:
    kafka, schema_id = registry_rig.kafka, split_order_created(registry, TEXT)
    guid, number = b"\x01" + schema_id.to_bytes(16, "big"), b"\x00" + schema_id.to_bytes(4, "big")
    kafka.send(kafka.created, "A", number + kafka.order("A")[BARE:])
    kafka.send(kafka.created, "B", kafka.order("B")[BARE:], [(VALUE_SCHEMA_ID, guid)])
    kafka.send(kafka.created, "C", kafka.order("C")[BARE:], [(VALUE_SCHEMA_ID, number)])
    kafka.flush()
    registry_rig.start().caught_up()
    registry_rig.assert_each_has_one_end({order_id: ["add"] for order_id in "ABC"})
    shown = registry_rig.command("tail", kafka.created, "--from-beginning", "--max", "3", "--json")
    assert [line["value"]["order"]["order_id"] for line in shown.lines] == ["A", "B", "C"]


def test_an_unreadable_schema_stops_its_partition_until_it_can_be_read(
    registry_rig: Rig, registry: MemoryRegistry
) -> None:
    """An operator passes over what is not worth a repair; later records of other schemas go on."""
    kafka, ids = registry_rig.kafka, order_ids(30)
    text = '{"type": "record", "name": "Other", "fields": []}'
    number = b"\x00" + registry.add("other", text).to_bytes(4, "big")
    for order_id in ids:
        kafka.send(kafka.created, order_id, number + kafka.order(order_id)[BARE:])
    kafka.flush()
    relay = registry_rig.start()
    status = relay.wait(lambda now: any(row["stopped"] for row in now["partitions"]), "it never stopped")
    relay.wait(lambda now: now["parked_total"] == 10, "as many as suspect_after are parked")
    assert "holds a Other, and the topic takes OrderCreated" in status["last_error"]
    move = ("offsets", kafka.worker, "--to", "latest", "--yes")
    wait_for(lambda: registry_rig.command(*move).status == 0, "the stopped partition is not moved")  # known by a commit
    kafka.create("good")
    kafka.flush()
    relay.caught_up()
    assert relay.status()["parked_total"] == 10
    registry_rig.assert_each_has_one_end({"good": ["add"]})
