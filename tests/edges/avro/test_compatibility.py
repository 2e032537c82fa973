"""Schema edits: each break is reported with its field, who is hurt, and what to write instead."""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers.edges.avro.compatibility import Break, Unrecorded, breaks, check
from workers.edges.avro.schema_files import Topic, load, load_topic, schema
from workers.edges.avro.schema_tree import SchemaError

ROOT = Path(__file__).parents[3] / "schemas"
FORMER: dict[str, Any] = {
    "type": "record",
    "name": "Thing",
    "namespace": "orderrelay.v1",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "count", "type": "int"},
        {"name": "total", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}},
        {"name": "closed", "type": {"type": "enum", "name": "Closed", "symbols": ["a", "b"]}},
        {
            "name": "owner",
            "type": ["null", {"type": "record", "name": "Owner", "fields": [{"name": "id", "type": "string"}]}],
            "default": None,
        },
        {"name": "open", "type": {"type": "enum", "name": "Open", "symbols": ["a", "b"], "default": "a"}},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Line", "fields": [{"name": "sku", "type": "string"}]},
            },
        },
    ],
}

Edit = Callable[[dict[str, Any]], Any]


def topic(today: dict[str, Any], *history: dict[str, Any]) -> Topic:
    versions = tuple(schema(json.dumps(version)) for version in history)
    return Topic("things", schema(json.dumps(today)), Path("schemas/things.avsc"), versions)


def field(definition: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in definition["fields"] if item["name"] == name)
    return found


def put(name: str, /, **changes: Any) -> Edit:
    return lambda definition: field(definition, name).update(changes)


def put_type(name: str, /, **changes: Any) -> Edit:
    return lambda definition: field(definition, name)["type"].update(changes)


def drop(name: str) -> Edit:
    return lambda definition: definition["fields"].remove(field(definition, name))


def add(**made: Any) -> Edit:
    return lambda definition: definition["fields"].append(made)


def edit_owner(definition: dict[str, Any]) -> None:
    field(definition, "owner")["type"][1]["fields"].append({"name": "role", "type": "string"})


def edit_line(definition: dict[str, Any]) -> None:
    field(definition, "lines")["type"]["items"]["fields"].append({"name": "size", "type": "string"})


DECIMAL = {"type": "bytes", "logicalType": "decimal"}
COMPATIBLE: dict[str, Edit] = {
    "nothing": lambda _: None,
    "field with a default removed": drop("note"),
    "field with a default added": add(name="extra", type=["null", "string"], default=None),
    "symbol added where the enum has a default": put_type("open", symbols=["a", "b", "c"]),
    "symbol removed where the enum has a default": put_type("open", symbols=["a"]),
    "union in another order": put("note", type=["string", "null"], default=""),
    "default changed": put("note", type=["string", "null"], default="none"),
    "doc changed": put("id", doc="what it is"),
}
BREAKING: dict[str, tuple[Edit, str, set[str], str]] = {
    "field without a default removed": (drop("total"), "total", {"subscribers"}, "removed"),
    "field without a default added": (add(name="extra", type="string"), "extra", {"publishers"}, "without a default"),
    "field renamed": (put("id", name="thing_id"), "thing_id", {"publishers"}, "without a default"),
    "int widened": (put("count", type="long"), "count", {"subscribers"}, "int not compatible with writer type: long"),
    "long narrowed": (put("total", type="int"), "total", {"publishers"}, "int not compatible with writer type: long"),
    "symbol added": (put_type("closed", symbols=["a", "b", "c"]), "closed", {"subscribers"}, r"symbols \{'c'\} added"),
    "symbol removed": (put_type("closed", symbols=["a"]), "closed", {"publishers"}, r"symbols \{'b'\} removed"),
    "decimal scale": (
        put("price", type={**DECIMAL, "precision": 18, "scale": 2}),
        "price",
        {"publishers", "subscribers"},
        r"from decimal\(18,4\) to decimal\(18,2\)",
    ),
    "decimal precision": (
        put("price", type={**DECIMAL, "precision": 20, "scale": 4}),
        "price",
        {"publishers", "subscribers"},
        r"to decimal\(20,4\)",
    ),
    "branch added": (put("note", type=["null", "string", "int"]), "note", {"subscribers"}, "added to the union: .*int"),
    "branch removed": (
        put("note", type="string", default=""),
        "note",
        {"publishers"},
        "string not compatible with writer type: null",
    ),
    "made nullable": (
        put("id", type=["null", "string"], default=None),
        "id",
        {"subscribers"},
        "string not compatible with writer type: null",
    ),
    "record renamed": (
        lambda d: d.update(name="Stuff"),
        "",
        {"publishers", "subscribers"},
        "renamed: expected: orderrelay",
    ),
    "record in a union": (edit_owner, "owner.role", {"publishers"}, "without a default"),
    "enum without a field default added": (
        add(name="extra", type={"type": "enum", "name": "Extra", "symbols": ["a"], "default": "a"}),
        "extra",
        {"publishers"},
        "without a default",
    ),
    "inner record": (edit_line, r"lines[].size", {"publishers"}, "without a default"),
    "type replaced": (put("total", type="string"), "total", {"publishers", "subscribers"}, "long"),
}


def edited(edit: Edit) -> dict[str, Any]:
    made = copy.deepcopy(FORMER)
    edit(made)
    return made


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_edit_breaks_nothing(name: str) -> None:
    """Both ways, with every recorded version."""
    assert list(breaks(topic(edited(COMPATIBLE[name]), FORMER))) == []


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_edit_is_named(name: str) -> None:
    """With the field's path, the former version, who is hurt, what was changed and what to write instead."""
    edit, path, hurts, what = BREAKING[name]
    found = list(breaks(topic(edited(edit), FORMER)))
    at_path = [one for one in found if one.path == path]
    assert {one.hurts for one in at_path} == hurts
    for one in at_path:
        assert re.search(what, one.what)
        assert one.former_version == 1
        assert one.instead


def test_every_former_version_counts() -> None:
    """A field that version 2 added and today's schema lacks breaks with version 2 alone."""
    second = edited(add(name="extra", type="string"))
    found = list(breaks(topic(FORMER, FORMER, second)))
    assert [(one.path, one.former_version, one.hurts) for one in found] == [("extra", 2, "subscribers")]


def test_a_new_compatible_version_must_be_recorded(tmp_path: Path) -> None:
    """`check` names the file to copy it to, and reports nothing once the file is there."""
    file, history = tmp_path / "things.avsc", tmp_path / "history" / "things"
    history.mkdir(parents=True)
    (history / "1.avsc").write_text(json.dumps(FORMER))
    file.write_text(json.dumps(edited(COMPATIBLE["field with a default added"])))
    assert check(load(tmp_path)) == [Unrecorded("things", history / "2.avsc")]
    (history / "2.avsc").write_text(file.read_text())
    assert check(load(tmp_path)) == []


def test_a_type_of_two_topics_must_be_the_same() -> None:
    """A program that reads both topics can hold only one type of a name."""
    other = edited(put_type("closed", symbols=["a", "b", "c"]))
    schemas = {"first": topic(FORMER, FORMER), "second": topic(other, other)}
    names = {one.path for one in check(schemas) if isinstance(one, Break)}
    assert names == {"orderrelay.v1.Closed", "orderrelay.v1.Thing"}


def test_the_schemas_of_this_repository_are_compatible_recorded_and_documented() -> None:
    """Every named type and field has its doc."""
    schemas = load(ROOT)
    assert check(schemas) == []
    for known in schemas.values():
        assert without_doc(json.loads(known.today.text)) == []


def without_doc(definition: Any) -> list[str]:
    if isinstance(definition, list):
        return [name for item in definition for name in without_doc(item)]
    if not isinstance(definition, dict):
        return []
    named = "name" in definition and not definition.get("doc")
    return ([str(definition["name"])] if named else []) + without_doc(
        [v for k, v in definition.items() if k != "default"]
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "line 1: not JSON"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "Missing"}]}', "a: no type named Missing"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "a: wanted 'type'"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "R"]}]}', "contains itself"),
        ('["null", "string"]', "wanted a record"),
        (json.dumps(edited(put("count", default="none"))), "count: the default is not a value of its type, int"),
        (json.dumps(edited(put("note", default="none"))), "note: .* of its first branch"),
    ],
)
def test_a_wrong_schema_is_refused_and_its_file_and_field_are_named(text: str, reason: str, tmp_path: Path) -> None:
    """One line: the file, the field, and what is wanted."""
    file = tmp_path / "things.avsc"
    file.write_text(text)
    with pytest.raises(SchemaError, match=reason) as refused:
        load_topic("things", file)
    assert str(file) in str(refused.value)


def test_a_gap_in_the_history_is_refused(tmp_path: Path) -> None:
    """The check cannot compare with a version that is missing."""
    (tmp_path / "history" / "things").mkdir(parents=True)
    for name in ("things.avsc", "history/things/2.avsc"):
        (tmp_path / name).write_text(json.dumps(FORMER))
    with pytest.raises(SchemaError, match=r"1\.avsc is missing"):
        load(tmp_path)
