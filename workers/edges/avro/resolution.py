"""Where a reader's schema cannot take what a writer's schema may write (Avro's rules of schema resolution)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from workers.edges.avro.logical_changes import changes_of_meaning, counterpart, joined
from workers.edges.avro.schema_tree import Array, Enum, Field, Fixed, Map, Primitive, Record, Type, Union

Kind: TypeAlias = Literal["field", "rename", "type", "meaning", "symbol", "branch", "name"]

_PROMOTED: Final[dict[str, frozenset[str]]] = {  # what may be written for a reader's type
    "long": frozenset({"int"}),
    "float": frozenset({"int", "long"}),
    "double": frozenset({"int", "long", "float"}),
    "bytes": frozenset({"string"}),
    "string": frozenset({"bytes"}),
}


@dataclass(frozen=True, slots=True)
class Clash:
    """One place where reading fails, or would change the meaning."""

    kind: Kind
    path: str
    written: str = ""  # what the writer has there
    wanted: str = ""  # what the reader has there


def clashes(reader: Type, writer: Type) -> Iterator[Clash]:
    """Every place where the reader cannot take what the writer may write."""
    yield from _walk(reader, writer, "")
    for change in changes_of_meaning(writer, reader):
        yield Clash("meaning", change.path, str(change.written), str(change.wanted))


def _walk(reader: Type, writer: Type, path: str) -> Iterator[Clash]:
    match reader, writer:
        case _, Union(branches=branches):
            for branch in branches:
                yield from _from_branch(reader, branch, path)
        case Union(branches=branches), _:
            yield from _into_union(branches, writer, path)
        case (Record() | Enum() | Fixed(), Record() | Enum() | Fixed()) if type(reader) is type(writer):
            yield from _walk_named(reader, writer, path)
        case (Array(items=wanted), Array(items=written)) | (Map(values=wanted), Map(values=written)):
            yield from _walk(wanted, written, f"{path}[]")
        case Primitive(), Primitive() if writer.kind == reader.kind or writer.kind in _PROMOTED.get(reader.kind, ()):
            pass
        case _:
            yield Clash("type", path, _bare(writer), _bare(reader))


def _bare(tree: Type) -> str:
    return tree.kind if isinstance(tree, Primitive) else str(tree)


def _from_branch(reader: Type, branch: Type, path: str) -> Iterator[Clash]:
    found = list(_walk(reader, branch, path))
    if found and found[0] == Clash("type", path, _bare(branch), _bare(reader)):
        found = [Clash("branch", path, _bare(branch), _bare(branch))]
    yield from found


def _into_union(branches: tuple[Type, ...], writer: Type, path: str) -> Iterator[Clash]:
    """It is well if one branch takes the value; else the branch of its own sort says what is wrong."""
    tried = [list(_walk(branch, writer, path)) for branch in branches]
    if not all(tried):
        return
    same = [found for branch, found in zip(branches, tried, strict=True) if _same_sort(branch, writer)]
    yield from same[0] if same else [Clash("branch", path, _bare(writer), _bare(writer))]


def _same_sort(reader: Type, writer: Type) -> bool:
    return type(reader) is type(writer) and not isinstance(reader, Primitive)


def _walk_named(reader: Type, writer: Type, path: str) -> Iterator[Clash]:
    match reader, writer:
        case Record(), Record():
            yield from _renamed(reader.name, writer.name, reader.aliases, path)
            for item in reader.fields:
                yield from _walk_field(item, reader, writer, path)
        case Enum(), Enum():
            yield from _renamed(reader.name, writer.name, (), path)
            missing = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
            if reader.default is None:
                yield from (Clash("symbol", path, symbol, symbol) for symbol in missing)
        case Fixed(), Fixed():
            yield from _renamed(reader.name, writer.name, (), path)
            if reader.size != writer.size:
                yield Clash("type", path, f"{writer.size} bytes", f"{reader.size} bytes")
        case _:
            pass  # `_walk` calls for equal sorts only


def _renamed(reader: str, writer: str, aliases: tuple[str, ...], path: str) -> Iterator[Clash]:
    """Avro compares names without their namespaces."""
    if reader.rpartition(".")[2] != writer.rpartition(".")[2] and writer not in aliases:
        yield Clash("name", path, writer, reader)


def _walk_field(item: Field, reader: Record, writer: Record, path: str) -> Iterator[Clash]:
    written = counterpart(writer, item)
    here = joined(path, item.name)
    if written is not None:
        yield from _walk(item.type, written.type, here)
    elif not item.has_default:
        other = _other_name(item, reader, writer)
        yield Clash("rename", here, other, item.name) if other else Clash("field", here)


def _other_name(item: Field, reader: Record, writer: Record) -> str | None:
    """Find the writer's one field of the same type that the reader lacks: the field under another name."""
    known = {field.name for field in reader.fields}
    found = [field.name for field in writer.fields if field.name not in known and field.type == item.type]
    return found[0] if len(found) == 1 else None
