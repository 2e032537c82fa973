"""topics.yaml, schemas/, the table of event kinds and the vendors' folders agree."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from workers.app.config.configuration import load_configuration
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.core.event_kinds import EVENT_KINDS, kind_of
from workers.devkit.samples import sample_event
from workers.edges.avro.schema_files import load
from workers.vendors.contract import load as load_vendor

ROOT = Path(__file__).parents[2]
CONFIG = load_configuration({"RELAY_TOPOLOGY": str(ROOT / "topics.yaml")}).config
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


def test_each_schema_belongs_to_one_topic() -> None:
    used = {topic.name: topic.schema_file for topic in CONFIG.topics.values() if topic.schema_file}
    assert used == {name: ROOT / "schemas" / f"{name}.avsc" for name in SCHEMAS}


def test_each_schema_has_a_row_in_the_table_of_event_kinds() -> None:
    assert {topic.today.name for topic in SCHEMAS.values()} == set(EVENT_KINDS)


@pytest.mark.parametrize("worker", [*CONFIG.sinks.values(), *CONFIG.pollers.values()], ids=lambda one: one.name)
def test_a_worker_consumes_and_publishes_the_event_kinds_of_the_table(worker: SinkSpec | PollerSpec) -> None:
    topics = worker.consumes if isinstance(worker, SinkSpec) else worker.publishes
    for kind in (kind_of(SCHEMAS[topic].today.name) for topic in topics):
        assert kind.order_id_path if isinstance(worker, SinkSpec) else kind.update_events


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_row_of_the_table_fits_its_schema(name: str) -> None:
    """A sample event of each topic has the fields that its kind's key and order id are made of."""
    today = SCHEMAS[name].today
    kind, sample = kind_of(today.name), sample_event(today.tree, Random(1), datetime(2026, 11, 22, tzinfo=UTC))
    if kind.key is not None:
        assert kind.key_of(sample)
    if kind.order_id_path:
        assert kind.order_event(sample).order_id == kind.key_of(sample)


@pytest.mark.parametrize("name", SCHEMAS)
def test_todays_schema_is_recorded_in_its_history(name: str) -> None:
    """Records written today must still decode after the schema has changed."""
    assert SCHEMAS[name].history[-1].fingerprint == SCHEMAS[name].today.fingerprint


def test_a_type_of_two_topics_is_the_same_in_both() -> None:
    seen: dict[str, Any] = {}
    for topic in SCHEMAS.values():
        for name, definition in named_types(json.loads(topic.today.text)):
            assert seen.setdefault(name, definition) == definition
    assert "orderrelay.v1.OrderState" in seen


@pytest.mark.parametrize("name", CONFIG.sinks)
def test_each_sinks_vendor_can_take_events(name: str) -> None:
    assert load_vendor(CONFIG.sinks[name].vendor).sink is not None


@pytest.mark.parametrize("name", CONFIG.pollers)
def test_each_pollers_vendor_can_be_polled_and_its_state_is_compacted(name: str) -> None:
    poller = CONFIG.pollers[name]
    vendor = load_vendor(poller.vendor)
    assert vendor.polls
    assert CONFIG.topics[poller.state].config["cleanup.policy"] == "compact"


@pytest.mark.parametrize("name", CONFIG.sinks)
def test_parked_records_never_expire_and_fences_are_compacted(name: str) -> None:
    sink = CONFIG.sinks[name]
    assert int(CONFIG.topics[sink.parks].config["retention.ms"]) == -1
    assert CONFIG.topics[sink.parked_state].config["cleanup.policy"] == "compact"
