"""A file that is no YAML map, or expands to too much, is refused with its place."""

import pytest

from tests.support.topics_yaml import TopicsYaml

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
    ],
)
def test_a_file_that_cannot_be_read_as_a_map_has_a_place(
    topics_yaml: TopicsYaml, text: str, line: int, hint: str
) -> None:
    found = topics_yaml.faults(text)
    assert any(fault.startswith(f"topics.yaml:{line}:") and hint in fault for fault in found), found
