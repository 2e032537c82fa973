"""Changes of logical types, which change the meaning of a value between two schemas without any error.

Avro's resolution compares no logical types: a price of 1.50 written at scale 2
would be read as 0.0150 at scale 4, seconds as milliseconds. So the codec
refuses such a writer, and the compatibility check refuses such a change.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from workers.edges.avro.schema_tree import Array, Field, Fixed, Map, Primitive, Record, Type, Union


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
