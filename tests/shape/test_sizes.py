"""Code stays small enough to be read at a glance."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "workers").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
LONGEST_FUNCTION = 40
LONGEST_FILE = 400


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, docstring left out: explaining is free."""
    end = function.end_lineno or function.lineno
    said = function.body[0] if ast.get_docstring(function) is not None else None
    docstring = (said.end_lineno or said.lineno) - said.lineno + 1 if said else 0
    return end - function.lineno + 1 - docstring


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    long = {one.name: length(one) for one in functions(ast.parse(text)) if length(one) > LONGEST_FUNCTION}
    assert not long
