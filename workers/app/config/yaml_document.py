"""A YAML file as plain values, and the line and column of every key."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from workers.app.config.errors import ConfigError, Fault, Keys, reason_of

MAX_VALUES = 20_000  # what the file may expand to: aliases of aliases double with each line ("billion laughs")
MAX_BYTES = 131_072  # of the file; ruamel takes seconds for each megabyte
MAX_OPEN = 500  # brackets that are open at once: ruamel's time grows with the square of them
MAX_DEPTH = 32  # blocks within blocks; an alias to its own block would never end


@dataclass(slots=True)
class Document:
    """What a YAML file says, with the values that variables replaced."""

    file: Path
    data: dict[str, Any]
    nodes: CommentedMap  # the same values as ruamel read them, with their lines and columns
    variables: dict[Keys, str] = field(default_factory=dict)  # the variable that replaced a value

    def place(self, keys: Keys) -> str:
        """``file:line:column`` of the value's key, or of the nearest thing around it; or the name of its variable."""
        for depth in range(len(keys), 0, -1):
            if keys[:depth] in self.variables:
                return self.variables[keys[:depth]]
        line, column = _position(self.nodes, keys)
        return f"{self.file}:{line + 1}:{column + 1}"

    def has(self, keys: Keys) -> bool:
        """Whether the file has a value there."""
        here: Any = self.data
        for key in keys:
            match here, key:
                case list(), int() if key < len(here):
                    here = here[key]
                case dict(), _ if key in here:
                    here = here[key]
                case _:
                    return False
        return True

    def fault(self, keys: Keys, message: str) -> Fault:
        return Fault(self.place(keys), message)


def read_document(path: Path) -> Document:
    """Read a file whose top level is a map; raises `ConfigError`."""
    try:
        nodes = _load(_text(path))
    except OSError as error:
        hint = "give its path as RELAY_TOPOLOGY, or change to the directory that has it"
        raise ConfigError([Fault(str(path), f"cannot be read: {reason_of(error)}; {hint}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Fault(f"{path}:1:1", "is not UTF-8 text")]) from None
    except YAMLError as error:
        raise ConfigError([_yaml_fault(path, error)]) from None
    except RecursionError:
        raise ConfigError([Fault(f"{path}:1:1", f"must not nest deeper than {MAX_DEPTH} levels")]) from None
    except OverflowError:
        raise ConfigError([Fault(f"{path}:1:1", f"must not have more than {MAX_BYTES:,} bytes")]) from None
    except Exception as error:  # noqa: BLE001 - whatever ruamel trips over: a list as a key, a block merged into itself
        problem = f"is YAML that cannot be read ({type(error).__name__}); write it with plain keys and values"
        raise ConfigError([Fault(f"{path}:1:1", problem)]) from None
    if not isinstance(nodes, CommentedMap):
        raise ConfigError([Fault(f"{path}:1:1", "must be a map with 'version', 'topics' and 'workers'")])
    document = Document(path, {}, nodes)
    document.data = _Plain(document).copy(nodes, ())
    return document


def _text(path: Path) -> str:
    """The file's text; raises `OverflowError` when it is too long, and `RecursionError` when it nests too deeply."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise OverflowError
    text, opened = content.decode(), 0
    for bracket in re.findall(r"[\[\]{}]", text):
        opened = max(0, opened + (1 if bracket in "[{" else -1))
        if opened > MAX_OPEN:
            raise RecursionError
    return text


@lru_cache(maxsize=4)
def _load(text: str) -> Any:
    """Parse the text. The nodes are shared by all who read the same text: nothing may change them."""
    yaml = YAML(typ="rt")
    yaml.composer.warn_double_anchors = False  # YAML allows them, and a warning is no line of ours
    return yaml.load(text)


class _Plain:
    """Copies ruamel's nodes into dicts, lists and scalars, and counts them: an alias is copied wherever it is used."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0

    def copy(self, node: Any, keys: Keys) -> Any:
        """Raises `ConfigError` when the file expands to too much."""
        self._values += 1
        if self._values > MAX_VALUES or len(keys) > MAX_DEPTH:
            limits = f"at most {MAX_VALUES:,} values, {MAX_DEPTH} levels deep"
            message = f"aliases (*name) expand to too much here; write the values out ({limits})"
            raise ConfigError([self._document.fault(keys[:2], message)])
        if isinstance(node, CommentedMap):
            return {str(key): self.copy(node[key], (*keys, str(key))) for key in node}
        if isinstance(node, CommentedSeq):
            return [self.copy(item, (*keys, i)) for i, item in enumerate(node)]
        if isinstance(node, bool):
            return bool(node)
        return next((kind(node) for kind in (int, float, str) if isinstance(node, kind)), node)


def _position(nodes: CommentedMap, keys: Keys) -> tuple[int, int]:
    """Line and column, from 0. A key that a merge (``<<``) brought in has none: the block around it counts."""
    found, node = (0, 0), nodes
    for key in keys:
        if isinstance(node, CommentedSeq) and isinstance(key, int) and key < len(node):
            found, node = node.lc.item(key), node[key]
        elif isinstance(node, CommentedMap):
            name = next((name for name in node if str(name) == key), None)
            if name is None:
                break
            found = node.lc.key(name) if name in (node.lc.data or {}) else found
            node = node[name]
        else:
            break
    return found


def _yaml_fault(path: Path, error: YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
    problem = error.problem if isinstance(error, MarkedYAMLError) else "a character that YAML does not allow"
    first = (problem or "not YAML").splitlines()[0]
    if first.startswith("found duplicate key"):
        return Fault(place, f"the key {first.split()[3]} is here twice; take one out")
    if "<block end>" in first:
        first = "indented differently from the lines that it belongs to"
    return Fault(place, f"{first}; check the indentation and the colons here and just above")
