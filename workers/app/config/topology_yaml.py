"""A YAML file as plain values, with the place of every key."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from workers.app.config.errors import ConfigError, Fault

Keys: TypeAlias = tuple[str | int, ...]
"""The way to a value: ``("workers", "ecdp-sink", "batch", "linger")``."""


@dataclass(slots=True)
class Document:
    """What a YAML file says, where it says it, and what was found wrong with it."""

    file: Path
    data: dict[str, Any]
    places: dict[Keys, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def wrong(self, keys: Keys, message: str) -> None:
        """Note a fault of the value that ``keys`` lead to."""
        self.faults.append(Fault(self.place(keys), message))

    def place(self, keys: Keys) -> str:
        """Where the value stands, or the nearest thing around it that stands in the file."""
        while keys and keys not in self.places:
            keys = keys[:-1]
        return self.places.get(keys, f"{self.file}:1:1")


def read_document(path: Path) -> Document:
    """Read a file whose top level is a map; raises `ConfigError`."""
    try:
        loaded = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = "give its path as RELAY_TOPOLOGY, or change to the directory that has it"
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError([Fault(str(path), f"cannot be read: {reason}; {hint}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Fault(f"{path}:1:1", "is not UTF-8 text")]) from None
    except YAMLError as error:
        raise ConfigError([_yaml_fault(path, error)]) from None
    document = Document(path, {})
    if not isinstance(loaded, CommentedMap):
        raise ConfigError([Fault(f"{path}:1:1", "a map with 'version', 'topics' and 'workers' is wanted")])
    document.data = _plain(document, (), loaded)
    return document


def _plain(document: Document, keys: Keys, node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {str(key): _child(document, (*keys, str(key)), _key_mark(node, key), node[key]) for key in node}
    if isinstance(node, CommentedSeq):
        return [_child(document, (*keys, i), node.lc.item(i), item) for i, item in enumerate(node)]
    if isinstance(node, bool):
        return bool(node)
    return next((kind(node) for kind in (int, float, str) if isinstance(node, kind)), node)


def _key_mark(node: CommentedMap, key: Any) -> tuple[int, int] | None:
    """Where a key stands; one that a merge (``<<``) brought in stands nowhere, and is named by what is around it."""
    return node.lc.key(key) if key in (node.lc.data or {}) else None


def _child(document: Document, keys: Keys, at: tuple[int, int] | None, node: Any) -> Any:
    if at is not None:
        document.places[keys] = f"{document.file}:{at[0] + 1}:{at[1] + 1}"
    return _plain(document, keys, node)


def _yaml_fault(path: Path, error: YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
    problem = error.problem if isinstance(error, MarkedYAMLError) else "a character that YAML does not allow"
    first = (problem or "not YAML").splitlines()[0]
    if first.startswith("found duplicate key"):
        return Fault(place, f"the key {first.split()[3]} stands here twice; take one out")
    if "<block end>" in first:
        first = "indented differently from the lines that it belongs to"
    return Fault(place, f"{first}; check the indentation and the colons here and just above")
