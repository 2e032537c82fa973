"""topics.yaml, schemas/ and the vendors' folders say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workers.app.config.configuration import load_configuration
from workers.edges.avro.schema_files import load
from workers.vendors.contract import load as load_vendor

ROOT = Path(__file__).parents[2]
TOPOLOGY = load_configuration({"RELAY_TOPOLOGY": str(ROOT / "topics.yaml")}).topology
SCHEMAS = load(ROOT / "schemas")


def named_types(schema: Any, namespace: str = "") -> Iterator[tuple[str, Any]]:
    """Every record and enum that a schema defines, by full name."""
    match schema:
        case list():
            for part in schema:
                yield from named_types(part, namespace)
        case {"type": "record" | "enum", "name": str(name)}:
            space = schema.get("namespace", namespace)
            yield f"{space}.{name}", schema
            for field in schema.get("fields", ()):
                yield from named_types(field["type"], space)
        case {"type": inner}:
            yield from named_types(schema.get("items", inner), namespace)
        case _:
            pass


def test_each_schema_is_of_a_topic_and_each_topic_has_its_own() -> None:
    used = {topic.name: topic.schema_file for topic in TOPOLOGY.topics.values() if topic.schema_file}
    assert used == {name: ROOT / "schemas" / f"{name}.avsc" for name in SCHEMAS}


@pytest.mark.parametrize("name", SCHEMAS)
def test_todays_schema_is_recorded_in_its_history(name: str) -> None:
    """Records written today must still decode when the schema has moved on."""
    assert SCHEMAS[name].history[-1].fingerprint == SCHEMAS[name].today.fingerprint


def test_a_type_of_two_topics_is_the_same_in_both() -> None:
    seen: dict[str, Any] = {}
    for topic in SCHEMAS.values():
        for name, definition in named_types(json.loads(topic.today.text)):
            assert seen.setdefault(name, definition) == definition
    assert "orderrelay.v1.OrderState" in seen


@pytest.mark.parametrize("name", TOPOLOGY.sinks)
def test_each_workers_vendor_is_there_and_takes_events(name: str) -> None:
    assert load_vendor(TOPOLOGY.sinks[name].vendor).sink is not None


@pytest.mark.parametrize("name", TOPOLOGY.pollers)
def test_each_pollers_vendor_tells_news_and_its_memory_is_compacted(name: str) -> None:
    poller = TOPOLOGY.pollers[name]
    assert load_vendor(poller.vendor).poller is not None
    assert TOPOLOGY.topics[poller.state].config["cleanup.policy"] == "compact"


@pytest.mark.parametrize("name", TOPOLOGY.sinks)
def test_what_is_parked_never_expires_and_fences_are_compacted(name: str) -> None:
    sink = TOPOLOGY.sinks[name]
    assert int(TOPOLOGY.topics[sink.parks].config["retention.ms"]) == -1
    assert TOPOLOGY.topics[sink.parked_state].config["cleanup.policy"] == "compact"
