"""Answers a shell that asks what may follow what has been typed.

Commands and options come from ``completion.json``, which `python -m workers.devkit.docs` writes from the commands
themselves; workers and topics are read from topics.yaml line by line, without the YAML parser and the models.
An answer must be there within 100 ms of the key, so nothing heavier is imported here, not even click.
A topics.yaml in an unusual layout gives fewer names, and no error: the shell has nowhere to show one.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False  # as in `typing`, whose import takes 5 ms
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

VARIABLE = "_RELAY_COMPLETE"  # bash_complete, zsh_complete or fish_complete
TABLE = os.path.join(os.path.dirname(__file__), "completion.json")  # noqa: PTH118, PTH120 - pathlib takes 8 ms
FILE = "file"


def answer(environ: Mapping[str, str]) -> Iterator[str]:
    """The lines of the answer, in the form that click's completion scripts read."""
    shell = environ.get(VARIABLE, "").partition("_")[0]
    typed, incomplete = _typed(shell, environ)
    with open(TABLE, encoding="utf-8") as file:  # noqa: PTH123 - as above
        table = json.load(file)
    for word in candidates(table, typed, incomplete, environ):
        yield _line(shell, word)


def _typed(shell: str, environ: Mapping[str, str]) -> tuple[list[str], str]:
    """The whole words after ``relay``, and the word at the cursor, which may be empty."""
    words = environ.get("COMP_WORDS", "")
    if shell == "fish":  # gives the word at the cursor instead of its number
        incomplete = environ.get("COMP_CWORD", "")
        before = words.split()[1:]
        return (before[:-1] if incomplete and before else before), incomplete
    found = words.split("\n" if "\n" in words else None)
    place = int(environ.get("COMP_CWORD") or len(found))
    return found[1:place], found[place] if place < len(found) else ""


def _line(shell: str, word: str) -> str:
    kind = FILE if word == FILE else "plain"
    return f"{kind}\n{word}\n_" if shell == "zsh" else f"{kind},{word}"


def candidates(
    table: Mapping[str, Any], typed: Iterable[str], incomplete: str, environ: Mapping[str, str]
) -> list[str]:
    """What may follow; ``file``: any file name."""
    path, given, open_option = "", 0, ""
    for word in typed:
        entry = table[path]
        if open_option:
            open_option = ""
        elif word.startswith("-"):
            takes = entry["options"].get(word.partition("=")[0], "")
            open_option = takes if "=" not in word else ""
        elif f"{path} {word}".strip() in table:
            path = f"{path} {word}".strip()
        else:
            given += 1
    entry = table[path]
    if open_option:
        return _values(open_option, incomplete, environ)
    if incomplete.startswith("-"):
        return [option for option in entry["options"] if option.startswith(incomplete)]
    commands = [name for name in entry["commands"] if name.startswith(incomplete)]
    takes = entry["arguments"]
    last = takes[min(given, len(takes) - 1)] if takes and (given < len(takes) or entry["repeats"]) else ""
    return commands + (_values(last, incomplete, environ) if last else [])


def _values(kind: str, incomplete: str, environ: Mapping[str, str]) -> list[str]:
    """The values of an option or argument: names of topics.yaml, fixed words, or a file."""
    if kind == FILE:
        return [FILE]
    words = kind.split("|") if "|" in kind else names(kind, environ)
    return [word for word in words if word.startswith(incomplete)]


def names(kind: str, environ: Mapping[str, str]) -> list[str]:
    """The names of ``topic``, ``event topic``, ``worker``, ``sink`` or ``poller`` in topics.yaml."""
    if kind.endswith("topic"):
        return [name for name, keys in _blocks("topics", environ).items() if kind == "topic" or "schema" in keys]
    blocks = _blocks("workers", environ) if kind in {"worker", "sink", "poller"} else {}
    return [name for name, keys in blocks.items() if kind in {"worker", "sink" if "consumes" in keys else "poller"}]


def _blocks(section: str, environ: Mapping[str, str]) -> dict[str, set[str]]:
    """The blocks of a section of topics.yaml by name, each with its own keys."""
    try:
        with open(environ.get("RELAY_TOPOLOGY") or "topics.yaml", encoding="utf-8") as file:  # noqa: PTH123 - as above
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, set[str]] = {}
    inside, indent, name = False, 0, ""
    for line in lines:
        key, colon, _ = line.partition(":")
        word = key.strip()
        if not colon or not word or word.startswith(("#", "-")):
            continue
        depth = len(key) - len(key.lstrip())
        if not depth:
            inside, indent, name = word == section, 0, ""
        elif inside and (not name or depth <= indent):
            indent, name = depth, word
            found[name] = set()
        elif inside:
            found[name].add(word)
    return found
