"""One concept, one name, in the field's words: neither empty words nor a private language."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "workers").rglob("*.py"))
FORBIDDEN = {"manager", "handler", "service", "helper", "processor", "utils", "util"}
# Names that others gave: Avro and vendor fields, asyncio's own word.
THEIRS = {"service", "proxy_manager_for"}
# Words of a private language. Each has a plain form: name the actor, or use the field's term.
PRIVATE = re.compile(
    r"\b(told|anew|nobody|somebody|beside|news|comes? to (its|their) ends?|stands? in|(is|are) done with)\b",
    re.IGNORECASE,
)
MARKERS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def words(given: str) -> set[str]:
    """``OrderHandler`` and ``order_handlers`` both hold `handler`; `ecourier` is one word, a vendor's name."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", given)
    return {part.lower().removesuffix("s") for part in parts} | {part.lower() for part in parts}


def given_names(tree: ast.AST) -> set[str]:
    """Names that this file gives: classes, functions, arguments and assigned variables."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=given) | ast.FunctionDef(name=given) | ast.AsyncFunctionDef(name=given):
                found.add(given)
            case ast.arg(arg=given) | ast.Name(id=given, ctx=ast.Store()):
                found.add(given)
            case _:
                pass
    return found


def forbidden_names(path: Path) -> set[str]:
    text = path.read_text()
    given = given_names(ast.parse(text)) if any(word in text.lower() for word in FORBIDDEN) else set()
    return {one for one in (given | set(path.parts)) - THEIRS if words(one) & FORBIDDEN}


def test_forbidden_words_are_found_in_names(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "class OrderHandler:\n    def serve(self, utils):\n        self.order_manager = 1\n        helpers = 2\n"
    )
    assert forbidden_names(module) == {"OrderHandler", "utils", "helpers"}


def test_names_are_words_of_the_glossary() -> None:
    found = {name(path): forbidden_names(path) for path in FILES}
    assert not {file: names for file, names in found.items() if names}


def test_nothing_is_left_for_later() -> None:
    assert not [name(path) for path in FILES if MARKERS.search(path.read_text())]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of comments, docstrings and messages, without the names in an f-string's braces."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
            yield token.start[0], re.sub(r"\{[^{}]*\}", "", token.string)


def private_words(path: Path) -> list[tuple[int, str]]:
    if not PRIVATE.search(path.read_text()):
        return []
    return [(line, found.group()) for line, text in prose(path) for found in PRIVATE.finditer(text)]


def test_private_words_are_found_in_comments_docstrings_and_messages(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""Told."""\nnews = 1  # for nobody\nraise ValueError(f"begins anew: {news}")\n')
    assert [word for _, word in private_words(module)] == ["Told", "nobody", "anew"]


def test_prose_is_plain_english() -> None:
    found = {name(path): private_words(path) for path in FILES}
    assert not {file: words for file, words in found.items() if words}
