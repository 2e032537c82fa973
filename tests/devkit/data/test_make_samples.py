"""The sample orders are those that make_samples writes, varied, and valid for their schemas."""

import json
from pathlib import Path

from workers.devkit.data import make_samples
from workers.edges.avro import event_json
from workers.edges.avro.schema_files import load

ORDERS = [json.loads(line) for line in make_samples.ORDERS.read_text(encoding="utf-8").splitlines()]
STATUSES = [json.loads(line) for line in make_samples.STATUSES.read_text(encoding="utf-8").splitlines()]


def test_the_files_are_those_that_make_samples_writes() -> None:
    assert make_samples.samples() == (ORDERS, STATUSES)


def test_each_event_is_valid_for_its_schema() -> None:
    """The bad ones break a vendor's limits, not their schema."""
    topics = load(Path(__file__).parents[3] / "schemas")
    for event in ORDERS:
        event_json.from_json(topics["order-created"].today.tree, event)
    for event in STATUSES:
        event_json.from_json(topics["order-status"].today.tree, event)


def test_the_samples_are_varied() -> None:
    orders = [event["order"] for event in ORDERS]
    assert len({order["order_id"] for order in orders}) == make_samples.COUNT
    assert len({order["currency"] for order in orders}) > 10
    assert max(len(order["lines"]) for order in orders) >= 100
    assert {"delivery" in order for order in orders} == {True, False}
    assert {event["status"] for event in STATUSES} == {"paid", "completed", "canceled"}


def test_event_ids_are_unique() -> None:
    ids = [event["event_id"] for event in ORDERS + STATUSES]
    assert len(set(ids)) == len(ids)
