"""A YAML file as plain values, and the line and column of every key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workers.app.config.errors import ConfigError, Fault, Keys, reason_of
from workers.app.config.yaml_nodes import MAX_DEPTH, MAX_VALUES, Node, NotReadableError, read_nodes

MAX_BYTES: Final = 131_072


@dataclass(slots=True)
class Document:
    """What a YAML file says, with the values that variables replaced."""

    file: Path
    data: dict[str, Any]
    root: Node  # the same values with their lines and columns
    variables: dict[Keys, str] = field(default_factory=dict)  # the variable that replaced a value

    def place(self, keys: Keys) -> str:
        """``file:line:column`` of the value's key, or of the nearest thing around it; or the name of its variable."""
        for depth in range(len(keys), 0, -1):
            if keys[:depth] in self.variables:
                return self.variables[keys[:depth]]
        node = _nearest(self.root, keys)
        return f"{self.file}:{node.line}:{node.column}"

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
        root = read_nodes(_text(path)) or Node(1, 1, None)
        data = _Plain(root).copy(root, ())
    except NotReadableError as error:
        raise ConfigError([Fault(f"{path}:{error.line}:{error.column}", error.problem)]) from None
    if not isinstance(data, dict):
        raise ConfigError([Fault(f"{path}:1:1", "must be a map with 'version', 'topics' and 'workers'")])
    return Document(path, data, root)


def plain_value(text: str) -> Any:
    """What a short YAML text says, such as ``[a, b]``; raises `NotReadableError`."""
    root = read_nodes(text)
    return None if root is None else _Plain(root).copy(root, ())


def _text(path: Path) -> str:
    """The file's text; raises `ConfigError` or `NotReadableError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "give its path as RELAY_TOPOLOGY, or change to the directory that has it"
        raise ConfigError([Fault(str(path), f"cannot be read: {reason_of(error)}; {hint}")]) from None
    if len(content) > MAX_BYTES:
        raise NotReadableError(1, 1, f"must not have more than {MAX_BYTES:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise NotReadableError(1, 1, "is not UTF-8 text") from None


class _Plain:
    """Copies nodes into dicts, lists and scalars, and counts them: an alias is copied wherever it is used."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._values = 0

    def copy(self, node: Node, keys: Keys) -> Any:
        """Raises `NotReadableError` when the text expands to too much."""
        self._values += 1
        if self._values > MAX_VALUES or len(keys) > MAX_DEPTH:
            limits = f"at most {MAX_VALUES:,} values, {MAX_DEPTH} levels deep"
            problem = f"aliases (*name) expand to too much here; write the values out ({limits})"
            place = _nearest(self._root, keys[:2])
            raise NotReadableError(place.line, place.column, problem)
        match node.value:
            case dict() as block:
                return {key: self.copy(value, (*keys, key)) for key, value in block.items()}
            case list() as items:
                return [self.copy(item, (*keys, i)) for i, item in enumerate(items)]
            case scalar:
                return scalar


def _nearest(node: Node, keys: Keys) -> Node:
    """The value there, or the last one on the way to it."""
    for key in keys:
        match node.value, key:
            case dict() as block, str() if key in block:
                node = block[key]
            case list() as items, int() if key < len(items):
                node = items[key]
            case _:
                break
    return node
