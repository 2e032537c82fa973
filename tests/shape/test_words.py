"""One concept, one name: words that say nothing, or belong to someone else, name nothing here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "workers").rglob("*.py"))
FORBIDDEN = {"manager", "handler", "service", "helper", "processor", "utils", "util"}
# Names that others gave: Avro and vendor fields, asyncio's own word.
THEIRS = {"service"}
MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def words(name: str) -> set[str]:
    """``OrderHandler`` and ``order_handlers`` both hold `handler`; `ecourier` is one word, a vendor's name."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return {part.lower().removesuffix("s") for part in parts} | {part.lower() for part in parts}


def given_names(tree: ast.AST) -> set[str]:
    """Names that this file gives: classes, functions, arguments and assigned variables."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case _:
                pass
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_words_of_the_glossary(path: Path) -> None:
    names = given_names(ast.parse(path.read_text())) | set(path.relative_to(ROOT).with_suffix("").parts[1:])
    assert not {name for name in names - THEIRS if words(name) & FORBIDDEN}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_for_later(path: Path) -> None:
    assert not MARKERS.findall(path.read_text())
