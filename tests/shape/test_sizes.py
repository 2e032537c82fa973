"""Code stays small enough to be read at a glance."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "workers").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
PACKAGES = sorted(path.parent for path in (ROOT / "workers").rglob("__init__.py"))
FUNCTION_LINES_MAX = 40
FILE_LINES_MAX = 350
MODULES_MAX = 16
# To be split: shrink this set, never add to it.
LONG_FILES = {"tests/edges/kafka/test_source.py"}
ONE_MODULE_A_COMMAND = "workers/cli"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Those among the statements; an expression holds no function of several lines."""
    for statement in ast.iter_child_nodes(node):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement
        if isinstance(statement, ast.stmt | ast.excepthandler | ast.match_case):
            yield from functions(statement)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end without the docstring: explaining is free."""
    end = function.end_lineno or function.lineno
    first = function.body[0] if ast.get_docstring(function) is not None else None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if first else 0
    return end - function.lineno + 1 - docstring


def test_no_file_is_too_long() -> None:
    sizes = {name(path): len(path.read_text().splitlines()) for path in FILES}
    assert max(sizes.values()) > FILE_LINES_MAX / 2, "no files were found"
    assert not {file: lines for file, lines in sizes.items() if lines > FILE_LINES_MAX and file not in LONG_FILES}


def test_no_function_is_too_long() -> None:
    sizes = {
        f"{name(path)}:{function.lineno}": length(function)
        for path in FILES
        for function in functions(ast.parse(path.read_text()))
    }
    assert max(sizes.values()) > FUNCTION_LINES_MAX / 2, "no functions were found"
    assert not {place: lines for place, lines in sizes.items() if lines > FUNCTION_LINES_MAX}


def test_no_package_has_too_many_modules() -> None:
    sizes = {name(package): len(list(package.glob("[!_]*.py"))) for package in PACKAGES}
    assert sizes.pop(ONE_MODULE_A_COMMAND) > MODULES_MAX / 2, "no modules were found"
    assert not {package: count for package, count in sizes.items() if count > MODULES_MAX}
