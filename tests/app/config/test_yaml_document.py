"""A file that is no YAML map, or expands to too much, is refused with its place."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.topics_yaml import TopicsYaml
from workers.app.config.yaml_document import plain_value
from workers.app.config.yaml_nodes import NotReadableError

LAUGHS_OF_MAPS = "".join(f"l{n}: &l{n} {{{', '.join(f'k{k}: *l{n - 1}' for k in range(9))}}}\n" for n in range(1, 40))
LAUGHS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 40))

KEYS = ", ".join(f"k{number}: 1" for number in range(1_000))
CHAIN = "".join(f"a{number}: &a {{<<: *a, k{number}: }}\n" for number in range(1, 2_000))
MERGED = [{"k": 1, "l": 1}, {"k": 2, "l": 1}, {"k": 1, "l": 4, "m": 3}]


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("version: 1\n  topics: {}\n", 2, "indentation"),
        ("version: 1\nversion: 1\n", 2, 'the key "version" is here twice'),
        ("version: [1\n", 1, "this '[' is not closed"),
        ("version: 1\na: {b: 1\nc: 2\n", 2, "this '{' is not closed"),
        ("version: 1\nname: 'a\nb: 2\n", 2, "this quote is never closed"),
        ("version: 1\ntopics\nworkers: 2\n", 2, "this key lacks its ':'"),
        ("version:1\ntopics: 2\n", 2, "write a space after each key's ':'"),
        ("topics:\n    a: 1\n  b: 2\n", 3, "indented differently"),
        ("a: @b\n", 1, "put quotes around a value that begins with @"),
        ('a: "\\q"\n', 1, "put single quotes"),
        ("- a\n", 1, "must be a map with"),
        ("", 1, "must be a map with"),
        ("a: \x01\n", 1, "YAML"),
        ("topics: {a: }\nversion: 1\nworkers: 3\n", 1, "a: must be a block of keys"),
        ("l0: &l0 lol\n" + LAUGHS, 6, "aliases (*name) expand to too much"),
        ("a: " + "[" * 1000 + "]" * 1000, 1, "must not nest deeper"),
        ("a: " + "[" * 60_000 + "]" * 60_000, 1, "must not nest deeper"),
        ("a: " + "{a: " * 400 + "}" * 400, 1, "must not nest deeper"),
        ("- " * 40_000 + "a", 1, "must not nest deeper"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(300)), 34, "must not nest deeper"),
        ("a: " + "x" * 200_000, 1, "must not have more than 131,072 bytes"),
        ("#" * 200_000 + "\nversion: 1\n", 1, "must not have more than 131,072 bytes"),
        ("version: " + "9" * 5_000, 1, "so many digits cannot be read"),
        ("a: &a\n  <<: *a\n", 2, "undefined alias"),
        ("l0: &l0 [a]\n" + LAUGHS + "? *l39\n: 1\n", 41, "a key must be plain text"),
        ("l0: &l0 {a: 1}\n" + LAUGHS_OF_MAPS, 6, "aliases (*name) expand to too much"),
        ("a: &a [*a]\n", 1, "undefined alias"),
        ("a: &x 1\nb: &x 2\nversion: *x\n", 3, "must be 'version: 1'"),
        ("z: &z {b: 1}\na: {<<: *z, <<: *z}\n", 2, 'the key "<<" is here twice'),
        ("version: *none\n", 1, "undefined alias"),
        ("? [a, b]\n: 1\n", 1, "a key must be plain text"),
        ("a: {<<: 3}\n", 1, "'<<' must name a block of keys"),
        ("a: &a {" + KEYS + "}\nb: {<<: [" + "*a," * 500 + "]}\n", 2, "must not have more than 20,000 values"),
        ("a0: &a {k: 1}\n" + CHAIN, 198, "must not have more than 20,000 values"),
        ("a: 1\n# b\u2028c: 2\n", 2, "an invisible character (U+2028)"),
        ("a: !%c0%80 1\n", 1, "has a tag"),
        ("version: 0x" + "f" * 4_000, 1, "so many digits cannot be read"),
        ("workers: !vault {a: 1}\n", 1, "the tag !vault"),
        ("a: 1\n---\nb: 2\n", 2, "a second document begins here"),
        ("a: !!python/object:x 1\n", 1, "the tag"),
        ("a: b: c\n", 1, "follows no key of this block"),
        ("\ta: b\n", 1, "indent with spaces, not tabs"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_map_has_a_place(
    topics_yaml: TopicsYaml, text: str, line: int, hint: str
) -> None:
    found = topics_yaml.faults(text)
    assert any(fault.startswith(f"topics.yaml:{line}:") and hint in fault for fault in found), found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[yes, on, No, y]", ["yes", "on", "No", "y"]),
        ("[true, False, ~, null, '']", [True, False, None, None, ""]),
        ("[010, 0o17, 0xff, -3, +4, 1_000]", [10, 15, 255, -3, 4, "1_000"]),
        ("[1.5, .5, 1e3, -.inf, 1.]", [1.5, 0.5, 1000.0, -math.inf, 1.0]),
        ("[10:30, 2026-11-29, 1.2.3]", ["10:30", "2026-11-29", "1.2.3"]),
        ("['12', \"true\", !!str 12, ! 12]", ["12", "true", "12", "12"]),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        ("[&b {k: 1, l: 1}, {<<: *b, k: 2}, {<<: [{m: 3}, *b], l: 4}]", MERGED),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("", None),
    ],
)
def test_plain_values_are_those_of_yaml_1_2_and_a_blocks_own_keys_count_before_merged_ones(
    text: str, value: object
) -> None:
    assert plain_value(text) == value


def test_each_of_thousands_of_faults_is_named(topics_yaml: TopicsYaml) -> None:
    text = "version: 1\nworkers: {}\ntopics:\n" + "".join(f"  x{number}:\n" for number in range(4_000))
    assert len(topics_yaml.faults(text)) >= 4_000


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*<!|>'\"# \n\t,?%@\x01\ud800é😀"), max_size=40))
def test_any_text_is_a_value_or_is_refused_with_a_place_in_it(text: str) -> None:
    lines, line, column = text.splitlines() or [""], 1, 1
    try:
        plain_value(text)
    except NotReadableError as error:
        line, column = error.line, error.column
    assert 1 <= line <= len(lines) + 1
    assert 1 <= column <= max(map(len, lines)) + 1


def test_a_character_that_yaml_does_not_allow_has_its_place() -> None:
    with pytest.raises(NotReadableError) as refused:
        plain_value("é: 1\nb: é\x01\n")
    assert (refused.value.line, refused.value.column) == (2, 5)
