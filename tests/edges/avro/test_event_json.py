"""Events as JSON: exact both ways, and every fault named by its field."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.edges.avro.event_json import InvalidEvent, from_json, to_json
from workers.edges.avro.schema_files import load
from workers.edges.avro.schema_tree import Array, Enum, Fixed, Map, Primitive, Record, Type, Union, parse

SCHEMAS = load(Path(__file__).parents[3] / "schemas")
CREATED = SCHEMAS["order-created"].today.tree
EVENT: dict[str, Any] = {
    "event_id": "e-1",
    "occurred_at": "2026-11-22T12:00:00.123456+02:00",
    "order": {
        "order_id": "1",
        "placed_at": "2026-11-22T10:00:00Z",
        "total_value": "-150.10",
        "customer": {},
        "lines": [{"product_id": "p", "name": "n", "unit_price": "0.0001", "quantity": 1}],
    },
}


def one(definition: Any) -> Record:
    """A record whose only field `x` has the type."""
    tree = parse({"type": "record", "name": "R", "fields": [{"name": "x", "type": definition}]})
    assert isinstance(tree, Record)
    return tree


def test_an_event_becomes_raw_avro_with_its_defaults() -> None:
    """Times of any offset become milliseconds, decimals exact bytes, and a field that is left out its default."""
    raw = from_json(CREATED, EVENT)
    assert raw["occurred_at"] == 1_795_341_600_123
    assert raw["producer"] == ""
    assert raw["order"]["total_value"] == (-1_501_000).to_bytes(3, "big", signed=True)
    assert raw["order"]["lines"][0]["attributes"] == []
    assert raw["order"]["delivery"] is None


def test_an_event_becomes_json_in_one_form() -> None:
    """Times in UTC with milliseconds, decimals with at least two places."""
    given_back = to_json(CREATED, from_json(CREATED, EVENT))
    assert given_back["occurred_at"] == "2026-11-22T10:00:00.123Z"
    assert given_back["order"]["total_value"] == "-150.10"
    assert given_back["order"]["lines"][0]["unit_price"] == "0.0001"


def test_a_field_that_an_event_leaves_out_is_shown_with_its_default() -> None:
    """A poller's events leave out what the vendor does not show; Avro's encoder adds the defaults, too."""
    raw = from_json(CREATED, EVENT)
    lacking = {name: value for name, value in raw.items() if name != "producer"}
    lacking["order"] = {name: value for name, value in raw["order"].items() if name not in {"delivery", "attributes"}}
    assert to_json(CREATED, lacking) == to_json(CREATED, raw)


def order(**changes: Any) -> dict[str, Any]:
    return {**EVENT, "order": {**EVENT["order"], **changes}}


LINE = EVENT["order"]["lines"][0]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ([], "the event: wanted an object with the fields of OrderCreated"),
        ({**EVENT, "order": 1}, "order: wanted an object with the fields of Order"),
        ({**EVENT, "prodcer": ""}, "prodcer: no such field; wanted producer"),
        ({**EVENT, "x": ""}, "x: no such field; wanted one of event_id, occurred_at, producer, order"),
        ({**EVENT, "event_id": None}, "event_id: wanted text"),
        ({**EVENT, "event_id": "\ud800"}, "event_id: wanted text of whole Unicode characters"),
        ({**EVENT, "occurred_at": "2026-13-01T00:00:00Z"}, "occurred_at: wanted a time with its offset"),
        ({**EVENT, "occurred_at": "2026-11-22T10:00:00"}, "occurred_at: wanted a time with its offset"),
        ({**EVENT, "occurred_at": 1_763_800_000}, "occurred_at: wanted a time with its offset"),
        (order(total_value=1.5), "order.total_value: wanted a decimal in quotes"),
        (order(total_value="1.00001"), "at most 14 digits before the point and 4 after"),
        (order(total_value="123456789012345"), "at most 14 digits before the point and 4 after"),
        (order(total_value="1e3"), "order.total_value: wanted a decimal"),
        (order(status="plced"), "order.status: wanted one of placed, paid, completed, canceled"),
        (order(website_id=2**31), "order.website_id: wanted a whole number of 32 bits"),
        (order(website_id=True), "order.website_id: wanted a whole number of 32 bits"),
        (order(lines=[LINE, {**LINE, "unit_price": None}]), "order.lines[1].unit_price: wanted a decimal"),
        (order(lines=[{}]), "order.lines[0].product_id: missing; wanted text"),
        (order(lines={}), "order.lines: wanted a list"),
    ],
)
def test_the_first_fault_is_named_by_its_path_and_the_value_wanted(event: Any, message: str) -> None:
    """The message never holds the value that was given."""
    with pytest.raises(InvalidEvent) as invalid:
        from_json(CREATED, event)
    assert message in str(invalid.value)
    assert str(invalid.value).startswith(invalid.value.path or "the event")


@pytest.mark.parametrize(
    ("definition", "value", "raw"),
    [
        ("bytes", "AAEC", b"\x00\x01\x02"),
        ({"type": "fixed", "name": "F", "size": 2}, "AAE=", b"\x00\x01"),
        ("double", 3, 3.0),
        ("double", "NaN", math.nan),
        ("double", "-Infinity", -math.inf),
        ({"type": "map", "values": "int"}, {"a": 1}, {"a": 1}),
        (["int", "string"], "a", "a"),
        ({"type": "long", "logicalType": "timestamp-millis"}, "0001-01-01T00:00:00Z", -62_135_596_800_000),
        ({"type": "long", "logicalType": "timestamp-millis"}, 2**62, 2**62),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 0}, "12", b"\x0c"),
        (
            {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 4, "scale": 1},
            "-0.1",
            b"\xff\xff\xff\xff",
        ),
    ],
)
def test_every_type_has_its_json(definition: Any, value: Any, raw: Any) -> None:
    """Each row of the module's table."""
    taken = from_json(one(definition), {"x": value})
    assert repr(taken) == repr({"x": raw})
    assert repr(from_json(one(definition), to_json(one(definition), taken))) == repr(taken)


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        ("bytes", "not base64!"),
        ({"type": "fixed", "name": "F", "size": 2}, "AAEC"),
        ("float", 1e300),
        ("double", 10**400),
        ("double", "1.5"),
        ("null", 0),
        ("boolean", 1),
        (["int", "string"], None),
        (["int", "string"], 1.5),
        ({"type": "long", "logicalType": "timestamp-millis"}, "2026-11-22T10:00:00+24:61"),
    ],
)
def test_a_value_of_another_type_is_refused(definition: Any, value: Any) -> None:
    """No value is converted to fit its type."""
    with pytest.raises(InvalidEvent, match="x: wanted"):
        from_json(one(definition), {"x": value})


@pytest.mark.parametrize(
    ("definition", "default", "raw"),
    [
        ("bytes", "\u00ff", b"\xff"),
        ({"type": "fixed", "name": "F", "size": 2}, "\u0000\u0001", b"\x00\x01"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "\u0064", b"\x64"),
        ({"type": "long", "logicalType": "timestamp-millis"}, 5, 5),
        (["null", "string"], None, None),
        ({"type": "array", "items": "bytes"}, ["a"], [b"a"]),
        ({"type": "record", "name": "I", "fields": [{"name": "y", "type": "int", "default": 1}]}, {}, {"y": 1}),
    ],
)
def test_a_default_is_in_the_form_of_the_avro_specification(definition: Any, default: Any, raw: Any) -> None:
    """Bytes as characters, no logical types, and a union's first branch."""
    tree = parse({"type": "record", "name": "R", "fields": [{"name": "x", "type": definition, "default": default}]})
    assert isinstance(tree, Record)
    assert from_json(tree, {}) == {"x": raw}


def shortest(number: int) -> bytes:
    return number.to_bytes((number if number >= 0 else ~number).bit_length() // 8 + 1, "big", signed=True)


PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=20),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
}


def raw_values(tree: Type) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911 - one case for each kind of type
    """Every raw value of a type."""
    match tree:
        case Primitive(kind="bytes", logical=logical) if logical is not None:
            return st.integers(1 - 10**logical.precision, 10**logical.precision - 1).map(shortest)
        case Primitive(kind=kind):
            return PLAIN[kind]
        case Record(fields=fields):
            return st.fixed_dictionaries({item.name: raw_values(item.type) for item in fields})
        case Array(items=items):
            return st.lists(raw_values(items), max_size=3)
        case Map(values=values):
            return st.dictionaries(PLAIN["string"], raw_values(values), max_size=3)
        case Enum(symbols=symbols):
            return st.sampled_from(symbols)
        case Union(branches=branches):
            return st.one_of([raw_values(branch) for branch in branches])
        case Fixed(size=size):
            return st.binary(min_size=size, max_size=size)


@cache
def values_of(topic: str) -> st.SearchStrategy[Any]:
    return raw_values(SCHEMAS[topic].today.tree)


@pytest.mark.parametrize("topic", SCHEMAS)
@given(data=st.data())
def test_raw_to_json_text_and_back_is_the_same(topic: str, data: st.DataObject) -> None:
    """Through real JSON text, for every value that the schema can hold."""
    tree = SCHEMAS[topic].today.tree
    raw = data.draw(values_of(topic))
    assert from_json(tree, json.loads(json.dumps(to_json(tree, raw)))) == raw
