"""Whether today's schemas are compatible with every recorded version of theirs (FULL_TRANSITIVE).

Publishers and subscribers change over at different times, so a program that
holds any version must be able to read what another writes with any other.
Apache's checker judges each pair and says why; it compares no logical types, so
`changes_of_meaning` adds those.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import avro.schema
from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
)

from workers.edges.avro.schema_files import Schema, Schemas, Topic
from workers.edges.avro.schema_tree import Array, Field, Fixed, Map, Primitive, Record, Type, Union, named_types, plain


@dataclass(frozen=True, slots=True)
class ChangeOfMeaning:
    """One place where the written and the read value would mean different things."""

    path: str
    written: Primitive | Fixed
    wanted: Primitive | Fixed


def changes_of_meaning(writer: Type, reader: Type, path: str = "") -> Iterator[ChangeOfMeaning]:
    """Every place where the logical types differ although Avro would read the bytes."""
    match writer, reader:
        case Record(), Record():
            yield from _in_fields(writer, reader, path)
        case (Array(items=written), Array(items=wanted)) | (Map(values=written), Map(values=wanted)):
            yield from changes_of_meaning(written, wanted, f"{path}[]")
        case Union(branches=branches), _:
            for branch in branches:
                yield from changes_of_meaning(branch, reader, path)
        case _, Union(branches=branches):
            yield from _into_union(writer, branches, path)
        case (Primitive() | Fixed(), Primitive() | Fixed()) if _differ(writer, reader):
            yield ChangeOfMeaning(path, writer, reader)
        case _:
            pass  # enums have no logical type; Avro's resolution refuses the other pairs


def _in_fields(writer: Record, reader: Record, path: str) -> Iterator[ChangeOfMeaning]:
    for wanted in reader.fields:
        written = counterpart(writer, wanted)
        if written is not None:
            yield from changes_of_meaning(written.type, wanted.type, joined(path, wanted.name))


def counterpart(writer: Record, wanted: Field) -> Field | None:
    """Find the writer's field that a reader's field takes its value from: by its name, else by its aliases."""
    by_name = {item.name: item for item in writer.fields}
    return next((by_name[name] for name in (wanted.name, *wanted.aliases) if name in by_name), None)


def joined(path: str, name: str) -> str:
    """The path of a field in the record at ``path``."""
    return f"{path}.{name}" if path else name


def _into_union(writer: Type, branches: tuple[Type, ...], path: str) -> Iterator[ChangeOfMeaning]:
    """Avro reads a value as the first branch of its type; a branch of the same meaning must be among those."""
    found = [list(changes_of_meaning(writer, branch, path)) for branch in branches if _alike(writer, branch)]
    if all(found):
        yield from (found or [[]])[0]


def _alike(writer: Type, reader: Type) -> bool:
    if isinstance(writer, Primitive) and isinstance(reader, Primitive):
        return writer.kind == reader.kind
    return type(writer) is type(reader)


def _differ(writer: Primitive | Fixed, reader: Primitive | Fixed) -> bool:
    text = isinstance(reader, Primitive) and reader.kind in {"string", "null"}  # uuid and others stay the same text
    return not text and writer.logical != reader.logical and "null" not in {str(writer), str(reader)}


Hurts: TypeAlias = Literal["publishers", "subscribers"]


@dataclass(frozen=True, slots=True)
class Break:
    """One change in today's schema of a topic that breaks its publishers or its subscribers."""

    topic: str
    path: str  # such as order.lines[].unit_price; empty: the record as a whole
    former_version: int | None  # the recorded version that it breaks with; None: it differs from another topic's
    hurts: Hurts  # who still uses the former version
    what: str  # what was changed
    instead: str  # what to write instead

    def __str__(self) -> str:
        against = "" if self.former_version is None else f" ({self.hurts} with version {self.former_version})"
        return f"{self.topic}: {self.path or 'the record'}: {self.what}{against}; {self.instead}"


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Today's schema breaks nothing, but its history lacks it: what is written with it may become unreadable."""

    topic: str
    file: Path  # where to keep a copy of it

    def __str__(self) -> str:
        return f"{self.topic}: a new version; record it as {self.file}"


class Clash(NamedTuple):
    """The innermost place where a reader cannot take what a writer may write, as Apache's checker names it."""

    path: str
    kind: SchemaIncompatibilityType
    reason: str


class Wording(NamedTuple):
    """What was changed, and what to write instead; ``{reason}`` is Apache's message."""

    what: str
    instead: str


_KEEP_TYPE: Final = "keep the type, and add a new field of the other type with a default"
_Kind: TypeAlias = SchemaIncompatibilityType
_PUBLISHERS: Final = {
    _Kind.reader_field_missing_default_value: Wording("added without a default", "give it a default"),
    _Kind.missing_enum_symbols: Wording(
        "symbols {reason} removed from the enum", "keep the symbols, or give the enum a default"
    ),
    _Kind.missing_union_branch: Wording("removed from the union: {reason}", "keep the type in the union"),
    _Kind.type_mismatch: Wording("type changed: {reason}", _KEEP_TYPE),
    _Kind.fixed_size_mismatch: Wording("size changed: {reason}", _KEEP_TYPE),
    _Kind.name_mismatch: Wording("type renamed: {reason}", "keep the former name"),
}
_SUBSCRIBERS: Final = _PUBLISHERS | {
    _Kind.reader_field_missing_default_value: Wording("removed, and it had no default", "keep the field"),
    _Kind.missing_enum_symbols: Wording(
        "symbols {reason} added to an enum that had no default",
        "keep the symbols, and add a new field whose enum has a default from the start",
    ),
    _Kind.missing_union_branch: Wording(
        "added to the union: {reason}", "keep the union, and add a new field with a default"
    ),
}


def check(schemas: Schemas) -> list[Break | Unrecorded]:
    """Judge every topic's schema of today; empty: each is compatible and recorded."""
    found: list[Break | Unrecorded] = [*differing_types(schemas)]
    for topic in schemas.values():
        broken = list(breaks(topic))
        found += broken
        recorded = topic.history and topic.history[-1].tree == topic.today.tree
        if not broken and not recorded:
            found.append(Unrecorded(topic.name, topic.next_file))
    return found


def breaks(topic: Topic) -> Iterator[Break]:
    """Judge one topic's schema of today: with every recorded version, both ways."""
    for version, former in enumerate(topic.history, start=1):
        yield from _of_pair(topic, version, former, "publishers")
        yield from _of_pair(topic, version, former, "subscribers")


def differing_types(schemas: Schemas) -> Iterator[Break]:
    """Find named types that two topics use and define differently: a program that reads both knows only one."""
    first: dict[str, tuple[str, Type]] = {}
    for topic in schemas.values():
        for name, tree in named_types(topic.today.tree).items():
            elsewhere, known = first.setdefault(name, (topic.name, tree))
            if known != tree:
                what = f"{name} differs from {name} in {elsewhere}"
                yield Break(topic.name, name, None, "subscribers", what, "write both the same")


def clashes(reader: Type, writer: Type, path: str = "") -> Iterator[Clash]:
    """Find every innermost place where Apache's checker refuses to read the writer's values as the reader's."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call] # Apache's own is partly typed
    verdict = checker.get_compatibility(_apache(reader), _apache(writer))
    if verdict.compatibility is SchemaCompatibilityType.compatible:
        return
    smaller = (part for part in _parts(reader, writer, path) if part[:2] != (reader, writer))
    inner = [clash for part in smaller for clash in clashes(*part)]
    yield from inner or [Clash(path, verdict.incompatibilities[0], "; ".join(sorted(verdict.messages)))]


def _of_pair(topic: Topic, version: int, former: Schema, hurts: Hurts) -> Iterator[Break]:
    today = topic.today
    reader, writer = (today, former) if hurts == "publishers" else (former, today)
    for clash in clashes(reader.tree, writer.tree):
        wording = (_PUBLISHERS if hurts == "publishers" else _SUBSCRIBERS)[clash.kind]
        yield Break(topic.name, clash.path, version, hurts, wording.what.format(reason=clash.reason), wording.instead)
    for change in changes_of_meaning(former.tree, today.tree):
        what = f"meaning changed from {change.written} to {change.wanted}"
        instead = f"keep {change.written}, and add a new field with a default for {change.wanted}"
        yield Break(topic.name, change.path, version, hurts, what, instead)


def _apache(tree: Type) -> avro.schema.Schema:
    return avro.schema.parse(json.dumps(plain(tree)))


def _parts(reader: Type, writer: Type, path: str) -> Iterator[tuple[Type, Type, str]]:
    """Take a pair of types apart into smaller pairs, each with its path."""
    match reader, writer:
        case Record(), Record():
            yield replace(reader, fields=()), writer, path  # the names alone
            for item in reader.fields:
                yield _field_part(item, reader, writer, joined(path, item.name))
        case (Array(items=wanted), Array(items=written)) | (Map(values=wanted), Map(values=written)):
            yield wanted, written, f"{path}[]"
        case _, Union(branches=branches):
            yield from ((reader, branch, path) for branch in branches)
        case Union(branches=branches), _:
            yield from ((branch, writer, path) for branch in branches if str(branch) == str(writer))
        case _:
            pass


def _field_part(item: Field, reader: Record, writer: Record, path: str) -> tuple[Type, Type, str]:
    written = counterpart(writer, item)
    if written is not None:
        return item.type, written.type, path
    missing = replace(item, type=Primitive("null"), default=None)  # whatever its type: has it a default?
    return replace(reader, name=writer.name, fields=(missing,)), writer, path
