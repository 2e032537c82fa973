"""A file that is no YAML map, or expands to too much, is refused with its place."""

import pytest

from tests.support.topics_yaml import TopicsYaml

LAUGHS_OF_MAPS = "".join(f"l{n}: &l{n} {{{', '.join(f'k{k}: *l{n - 1}' for k in range(9))}}}\n" for n in range(1, 40))
LAUGHS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("version: 1\n  topics: {}\n", 2, "indentation"),
        ("version: 1\nversion: 1\n", 2, 'the key "version" is here twice'),
        ("version: [1\n", 2, "indentation"),
        ("- a\n", 1, "must be a map with"),
        ("", 1, "must be a map with"),
        ("a: \x01\n", 1, "YAML"),
        ("topics: {a: }\nversion: 1\nworkers: 3\n", 1, "a: must be a block of keys"),
        ("l0: &l0 lol\n" + LAUGHS, 5, "aliases (*name) expand to too much"),
        ("a: " + "[" * 1000 + "]" * 1000, 1, "must not nest deeper"),
        ("a: " + "[" * 60_000 + "]" * 60_000, 1, "must not nest deeper"),
        ("a: " + "{a: " * 400 + "}" * 400, 1, "must not nest deeper"),
        ("- " * 40_000 + "a", 1, "must not nest deeper"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(300)), 1, "must not nest deeper"),
        ("a: " + "x" * 200_000, 1, "must not have more than 131,072 bytes"),
        ("#" * 200_000 + "\nversion: 1\n", 1, "must not have more than 131,072 bytes"),
        ("version: " + "9" * 5_000, 1, "cannot be read (ValueError)"),
        ("a: &a\n  <<: *a\n", 1, "cannot be read (AttributeError)"),
        ("l0: &l0 [a]\n" + LAUGHS + "? *l39\n: 1\n", 1, "cannot be read (TypeError)"),
        ("l0: &l0 {a: 1}\n" + LAUGHS_OF_MAPS, 6, "aliases (*name) expand to too much"),
        ("a: &a [*a]\n", 1, "unknown key"),
        ("a: &x 1\nb: &x 2\nversion: *x\n", 3, "must be 'version: 1'"),
        ("z: &z {b: 1}\na: {<<: *z, <<: *z}\n", 2, "duplicate merge key"),
        ("version: *none\n", 1, "undefined alias"),
        ("? [a, b]\n: 1\n", 1, "unknown key"),
    ],
)
def test_a_file_that_cannot_be_read_as_a_map_has_a_place(
    topics_yaml: TopicsYaml, text: str, line: int, hint: str
) -> None:
    found = topics_yaml.faults(text)
    assert any(fault.startswith(f"topics.yaml:{line}:") and hint in fault for fault in found), found
