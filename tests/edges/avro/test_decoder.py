"""The decoder: fastavro's values, and `Malformed` for all bytes that are no record of the schema."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.edges.avro.decoder import Malformed, cut_off_behind, decoder_of
from workers.edges.avro.event_json import from_json
from workers.edges.avro.schema_files import load
from workers.edges.avro.schema_tree import Record, named_types, parse, plain

SCHEMAS = load(Path(__file__).parents[3] / "schemas")
MIXED: dict[str, Any] = {
    "type": "record",
    "name": "Mixed",
    "fields": [
        {"name": "a", "type": "boolean"},
        {"name": "b", "type": "float"},
        {"name": "c", "type": "double"},
        {"name": "d", "type": "bytes"},
        {"name": "e", "type": {"type": "fixed", "name": "Four", "size": 4}},
        {"name": "f", "type": {"type": "map", "values": ["null", "long"]}},
        {"name": "g", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
        {"name": "h", "type": ["string", "int", {"type": "enum", "name": "E", "symbols": ["x", "y"]}]},
        {"name": "i", "type": "null"},
        {"name": "j", "type": "string"},
        {"name": "k", "type": "Four"},
    ],
}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.fixed_dictionaries(
    {
        "a": st.booleans(),
        "b": st.floats(width=32, allow_nan=False),
        "c": st.floats(allow_nan=False),
        "d": st.binary(max_size=200),
        "e": st.binary(min_size=4, max_size=4),
        "f": st.dictionaries(TEXT, st.none() | st.integers(-(2**63), 2**63 - 1)),
        "g": st.lists(st.lists(st.integers(-(2**31), 2**31 - 1))),
        "h": TEXT | st.integers(-(2**31), 2**31 - 1),
        "i": st.none(),
        "j": TEXT,
        "k": st.binary(min_size=4, max_size=4),
    }
)


def record(definition: Any) -> Record:
    tree = parse(definition)
    assert isinstance(tree, Record)
    return tree


def written(definition: Any, value: Any) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, definition, value)
    return stream.getvalue()


@given(value=VALUES)
def test_values_are_fastavros_wherever_the_record_begins(value: dict[str, Any]) -> None:
    """Every type and size."""
    data = written(MIXED, value)
    read = decoder_of(record(MIXED)).read
    assert read(data, 0) == read(b"head" + data, 4) == fastavro.schemaless_reader(io.BytesIO(data), MIXED)


@given(value=VALUES, cut=st.integers(0, 10_000), junk=st.binary(max_size=3), at=st.integers(0, 10_000))
def test_damaged_bytes_are_malformed_or_a_record(value: dict[str, Any], cut: int, junk: bytes, at: int) -> None:
    """Damaged bytes raise `Malformed` and no other error."""
    data = written(MIXED, value)
    at %= len(data) + 1
    damaged = (data[:at] + junk + data[at + len(junk) :])[: cut or None]
    with contextlib.suppress(Malformed):
        assert decoder_of(record(MIXED)).read(damaged, 0).keys() == value.keys()


@given(value=VALUES)
@settings(max_examples=settings().max_examples // 2)
def test_every_truncation_is_malformed(value: dict[str, Any]) -> None:
    """A record that was cut short never decodes."""
    data, read = written(MIXED, value), decoder_of(record(MIXED)).read
    for length in range(len(data)):
        with pytest.raises(Malformed):
            read(data[:length], 0)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x02", "cut short"),
        (b"\x02\x80", "cut short"),
        (b"\xfe\xff\xff\xff\x0f\x00", "cut short"),
        (b"\x01\x02\x02", "cut short"),
        (b"\x80" * 12, "cut short"),
        (b"\x02\xfe\xff\xff\xff\x1f\x00", "over 32 bits"),
    ],
)
def test_lists_are_bounded(data: bytes, reason: str) -> None:
    """A huge count of items ends at the record's end; a block with its size in bytes is read."""
    read = decoder_of(
        record({"type": "record", "name": "R", "fields": [{"name": "x", "type": {"type": "array", "items": "int"}}]})
    ).read
    assert read(b"\x03\x04\x02\x04\x00", 0) == {"x": [1, 2]}
    with pytest.raises(Malformed, match=reason):
        read(data, 0)


def test_a_negative_index_of_an_enum_is_malformed() -> None:
    """fastavro would read -1 as the last symbol, such as `canceled`; also where the enum is named again."""
    enum = {"type": "enum", "name": "E", "symbols": ["x", "y"]}
    read = decoder_of(
        record({"type": "record", "name": "R", "fields": [{"name": "a", "type": enum}, {"name": "b", "type": "E"}]})
    ).read
    assert read(b"\x00\x02", 0) == {"a": "x", "b": "y"}
    for damaged in (b"\x01\x02", b"\x00\x01", b"\x04\x00"):
        with pytest.raises(Malformed, match="an enum holds no symbol"):
            read(damaged, 0)


@pytest.mark.parametrize("kind", ["bytes", {"type": "fixed", "name": "Ten", "size": 10}])
def test_a_decimal_has_at_most_its_precision(kind: Any) -> None:
    """An amount beyond decimal(18,4) is refused before a vendor gets it."""
    definition = {**(kind if isinstance(kind, dict) else {"type": kind}), "logicalType": "decimal"}
    field = {"name": "x", "type": {**definition, "precision": 18, "scale": 4}}
    schema = {"type": "record", "name": "R", "fields": [field]}
    plain_schema = {"type": "record", "name": "R", "fields": [{"name": "x", "type": kind}]}
    read = decoder_of(record(schema)).read
    for unscaled in (10**18 - 1, 1 - 10**18, -1, 0):
        value = unscaled.to_bytes(10, "big", signed=True)
        assert read(written(plain_schema, {"x": value}), 0) == {"x": value}
    for unscaled in (10**18, -(10**18), 2**79 - 1):
        with pytest.raises(Malformed, match="a decimal has more than 18 digits"):
            read(written(plain_schema, {"x": unscaled.to_bytes(10, "big", signed=True)}), 0)


def test_a_schema_cut_off_behind_a_field_reads_up_to_that_field() -> None:
    """The bytes behind it may be damaged; the bytes before it must be complete."""
    tree = record(MIXED)
    value = {"a": True, "b": 0.0, "c": 0.0, "d": b"d", "e": b"eeee", "f": {}, "g": [], "h": "h", "i": None, "j": "j"}
    data = written(MIXED, {**value, "k": b"kkkk"})
    prefix = cut_off_behind(tree, ["j"])
    assert prefix is not None
    assert decoder_of(prefix).read_prefix(data[:-4] + b"\xff", 0)["j"] == "j"
    with pytest.raises(Malformed, match="cut short"):
        decoder_of(prefix).read_prefix(data[:-5], 0)
    assert cut_off_behind(tree, ["d"]) is cut_off_behind(tree, ["j", "j"]) is cut_off_behind(tree, ["none"]) is None


@pytest.mark.parametrize("topic", SCHEMAS)
def test_the_plain_form_has_the_canonical_form_of_its_file(topic: str) -> None:
    """Full names, references by name, no logical types."""
    today = SCHEMAS[topic].today
    assert fastavro.schema.to_parsing_canonical_form(plain(today.tree)) == today.canonical
    assert f"orderrelay.v1.{today.name}" in named_types(today.tree)


def test_large_events_are_read() -> None:
    """A text of 10 MB and ten thousand lines."""
    topic = SCHEMAS["order-created"].today
    line = {"product_id": "p", "name": "n", "unit_price": "1.00", "quantity": 1}
    order = {
        "order_id": "x" * 10_000_000,
        "placed_at": "2026-11-22T10:00:00Z",
        "total_value": "1.00",
        "customer": {},
        "lines": [line] * 10_000,
    }
    raw = from_json(topic.tree, {"event_id": "1", "occurred_at": "2026-11-22T10:00:00Z", "order": order})
    data = written(json.loads(topic.text), raw)
    assert decoder_of(topic.tree).read(data, 0) == raw
