"""Sample events: valid for any schema, realistic for orders, the same for the same chance and time."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from workers.devkit.samples import bad_event, sample_event
from workers.edges.avro.codec import Codec
from workers.edges.avro.event_json import from_json, to_json
from workers.edges.avro.schema_files import load
from workers.edges.avro.schema_tree import Record, parse
from workers.vendors._shared.limits import LimitError
from workers.vendors.ecdp.mapping import order_json

SCHEMAS = load(Path(__file__).parents[2] / "schemas")
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
EVERY_TYPE: dict[str, Any] = {
    "type": "record",
    "name": "Everything",
    "fields": [
        {"name": name, "type": made}
        for name, made in {
            "a": "null",
            "b": "boolean",
            "c": "int",
            "d": "long",
            "e": "float",
            "f": "double",
            "g": "bytes",
            "h": "string",
            "i": {"type": "fixed", "name": "Two", "size": 2},
            "j": {"type": "enum", "name": "E", "symbols": ["x"]},
            "k": {"type": "map", "values": "string"},
            "l": {"type": "array", "items": {"type": "record", "name": "Inner", "fields": []}},
            "m": ["null", {"type": "long", "logicalType": "timestamp-millis"}],
            "n": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
            "o": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 0},
        }.items()
    ],
}


@pytest.mark.parametrize("topic", SCHEMAS)
@pytest.mark.parametrize("seed", range(20))
def test_a_sample_of_every_topic_can_be_published(topic: str, seed: int) -> None:
    """As one JSON line it passes the schema and is encoded."""
    tree = SCHEMAS[topic].today.tree
    line = json.dumps(to_json(tree, sample_event(tree, Random(seed), NOW)))
    codec = Codec(SCHEMAS, lambda: 0.0)
    value = codec.encode(topic, from_json(tree, json.loads(line)))
    assert codec.decode_any(topic, value) == from_json(tree, json.loads(line))


@pytest.mark.parametrize("topic", ["order-created", "order-status"])
def test_a_sample_of_an_order_has_a_recognisable_order_id(topic: str) -> None:
    tree = SCHEMAS[topic].today.tree
    codec = Codec(SCHEMAS, lambda: 0.0)
    value = codec.encode(topic, sample_event(tree, Random(1), NOW))
    assert codec.decode(topic, value).order_id.startswith("SO-")


def test_a_sample_of_any_schema_is_valid() -> None:
    """Each type has a value; what may be null is not."""
    tree = parse(EVERY_TYPE)
    assert isinstance(tree, Record)
    event = to_json(tree, sample_event(tree, Random(1), NOW))
    assert event["m"] == "2026-11-22T10:00:00.000Z"


def test_a_sample_orders_total_is_the_sum_of_its_lines() -> None:
    """Its total is the sum of its lines."""
    tree = SCHEMAS["order-created"].today.tree
    order = to_json(tree, sample_event(tree, Random(2), NOW))["order"]
    lines = [Decimal(line["unit_price"]) * line["quantity"] for line in order["lines"]]
    assert Decimal(order["total_value"]) == sum(lines)


def test_a_sample_depends_on_its_seed_and_time_only() -> None:
    """The same seed and time: the same event, ids and all; another seed: another order."""
    tree = SCHEMAS["order-created"].today.tree
    first, same, other = (sample_event(tree, Random(seed), NOW) for seed in (3, 3, 4))
    assert first == same
    assert first["order"]["order_id"] != other["order"]["order_id"]


@pytest.mark.parametrize("topic", ["order-created", "order-status", "courier-order-event", "order-stage-changed"])
def test_a_sample_is_about_the_order_that_is_asked_for(topic: str) -> None:
    event = sample_event(SCHEMAS[topic].today.tree, Random(1), NOW, "A-1001")
    assert event.get("order", event)["order_id"] == "A-1001"


def test_a_bad_sample_is_valid_for_its_schema_and_invalid_for_the_vendor() -> None:
    schema = SCHEMAS["order-created"].today
    event = bad_event(sample_event(schema.tree, Random(1), NOW))
    Codec(SCHEMAS, lambda: 0.0).encode("order-created", event)
    with pytest.raises(LimitError, match="currency"):
        order_json(event["order"], "event")
    with pytest.raises(ValueError, match="creates no order"):
        bad_event({"order_id": "A"})
