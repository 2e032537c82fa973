"""JSON values are read in any layout; a fault names its line, once, and the reading goes on behind it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.app.events.json_stream import JsonValue, NotJson, json_values

ORDER: dict[str, Any] = {"id": "A", "text": 'x } " {\\', "lines": [{"n": 1}, {"sizes": [1, 2]}], "none": {}, "e": []}
PRETTY = json.dumps(ORDER, indent=2)


def read(text: str) -> list[JsonValue | NotJson]:
    return list(json_values(text.encode().splitlines(keepends=True)))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (json.dumps(ORDER) + "\n\n" + json.dumps(ORDER), [1, 3]),
        (json.dumps(ORDER) + " " + json.dumps(ORDER), [1, 1]),
        (PRETTY + "\n" + PRETTY + "\n", [1, PRETTY.count("\n") + 2]),
        (json.dumps([ORDER, ORDER]), [1, 1]),
        ("[\n" + PRETTY + ",\n" + PRETTY + "\n]\n", [2, PRETTY.count("\n") + 3]),
    ],
    ids=["one a line", "several a line", "over many lines", "an array", "an array over many lines"],
)
def test_each_value_is_read_with_the_line_where_it_begins(text: str, lines: list[int]) -> None:
    assert read(text) == [JsonValue(line, ORDER) for line in lines]


@given(st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text())), max_size=3), st.booleans())
def test_what_was_written_is_read_in_any_layout(values: list[dict[str, Any]], pretty: bool) -> None:
    text = "\n".join(json.dumps(value, indent=1 if pretty else None) for value in values)
    assert [one.value for one in read(text) if isinstance(one, JsonValue)] == values


@pytest.mark.parametrize(
    ("text", "faults", "good"),
    [
        (PRETTY.replace('"A"', '"A') + "\n" + json.dumps(ORDER), [2], 1),
        (PRETTY.replace('"n": 1', '"n" 1') + "\n" + json.dumps(ORDER), [6], 1),
        ('{"a": 1\n' + json.dumps(ORDER), [1], 1),
        ('{"a": "x\n' + json.dumps(ORDER), [1], 1),
        ('{"a": [1}\n' + json.dumps(ORDER), [1], 1),
        (json.dumps(ORDER) + "x\n" + json.dumps(ORDER), [1], 2),
        ("x\ny\n" + json.dumps(ORDER), [1, 2], 1),
        (json.dumps(ORDER) + "\n{", [2], 1),
        ('"text"\n', [1], 0),
    ],
)
def test_a_fault_is_named_by_its_line_once_and_what_follows_is_read(text: str, faults: list[int], good: int) -> None:
    found = read(text)
    assert [one.line for one in found if isinstance(one, NotJson)] == faults
    assert [one.value for one in found if isinstance(one, JsonValue)] == [ORDER] * good


def test_a_value_is_given_as_soon_as_its_last_line_has_come() -> None:
    seen: list[bytes] = []

    def lines() -> Any:
        for line in PRETTY.encode().splitlines(keepends=True):
            seen.append(line)
            yield line
        raise AssertionError("the value was complete")

    assert next(json_values(lines())) == JsonValue(1, ORDER)
