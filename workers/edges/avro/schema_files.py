"""The event schemas of ``schemas/`` and their recorded former versions.

``schemas/<topic>.avsc`` is today's schema of a topic, complete in itself.
``schemas/history/<topic>/<n>.avsc`` are the versions that records may have been
written with, oldest first; the last one is today's once it is recorded.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import fastavro.schema

from workers.edges.avro.event_json import InvalidEvent, default_of
from workers.edges.avro.schema_tree import Record, SchemaError, Union, named_types, parse, plain

SUFFIX = ".avsc"
HISTORY = "history"
_MOST_KEPT: Final = 256  # parsed texts of files: one reading of topics.yaml asks for each schema several times


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a topic's schema."""

    tree: Record
    text: str  # as the file holds it: what is registered
    canonical: str  # Avro's parsing canonical form: without docs, defaults and logical types
    fingerprint: bytes  # CRC-64-AVRO of it, 8 bytes, little-endian

    @property
    def name(self) -> str:
        """The record's name without its namespace, such as ``OrderCreated``."""
        return self.tree.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's schema of today and its former versions."""

    name: str
    today: Schema
    file: Path
    history: tuple[Schema, ...] = ()  # version n is history[n - 1]

    @property
    def next_file(self) -> Path:
        """The file that records today's schema when the history does not have it yet."""
        return history_folder(self.file, self.name) / f"{len(self.history) + 1}{SUFFIX}"

    @property
    def subject(self) -> str:
        """Name of the topic's values at a schema registry."""
        return f"{self.name}-value"


Schemas: TypeAlias = Mapping[str, Topic]


def load(folder: Path) -> Schemas:
    """Read every schema of a folder with its history; raises `SchemaError` that names the file."""
    return {file.stem: load_topic(file.stem, file) for file in sorted(folder.glob(f"*{SUFFIX}"))}


def load_topic(name: str, file: Path) -> Topic:
    """Read one topic's schema file and its history; raises `SchemaError` that names the file."""
    history = tuple(read(version) for version in _versions(history_folder(file, name)))
    return Topic(name, read(file), file, history)


def history_folder(file: Path, topic: str) -> Path:
    """The folder of a topic's recorded versions; the first is ``1.avsc``."""
    return file.parent / HISTORY / topic


def read(file: Path) -> Schema:
    """Read one schema file; raises `SchemaError` that names it."""
    try:
        return _schema_of(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SchemaError(f"{file}: cannot be read: {error.strerror}") from error
    except (SchemaError, UnicodeDecodeError) as error:
        raise SchemaError(f"{file}: {error}") from error


@lru_cache(maxsize=_MOST_KEPT)
def _schema_of(text: str) -> Schema:
    return schema(text)


def schema(text: str, references: Iterable[str] = ()) -> Schema:
    """Parse a schema's JSON text; raises `SchemaError`.

    ``references``: the texts of the schemas whose types it names, each after those that it refers to itself.
    """
    try:
        definition = _json(text)
        others = [_json(other) for other in references]
        tree = parse(definition, others)
        if not isinstance(tree, Record):
            raise SchemaError("wanted a record: the values of a topic have named fields")
        _assert_defaults(tree)
        canonical = canonical_form(plain(tree) if others else definition)
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    return Schema(tree, text, canonical, fingerprint(canonical))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SchemaError(f"line {error.lineno}: not JSON: {error.msg}") from error


def _assert_defaults(tree: Record) -> None:
    """Raise `SchemaError` for a default that is not of its field's type; fastavro's own error names no field."""
    records = [one for one in named_types(tree).values() if isinstance(one, Record)]
    for record, item in [(one, item) for one in records for item in one.fields if item.has_default]:
        try:
            default_of(item)
        except InvalidEvent as error:
            first = " (a union's default is of its first branch)" if isinstance(item.type, Union) else ""
            place = f"{record.name.rpartition('.')[2]}.{item.name}"
            raise SchemaError(f"{place}: the default is not a value of its type, {item.type}{first}") from error


def canonical_form(definition: Any) -> str:
    """Give Avro's parsing canonical form; raises `SchemaError` for what Avro does not allow."""
    try:
        fastavro.schema.parse_schema(definition, _force=True)
        form: str = fastavro.schema.to_parsing_canonical_form(definition)
    except Exception as error:  # fastavro raises what its walk trips over: KeyError, TypeError, its own
        raise SchemaError(f"not an Avro schema: {error}") from error
    return form


def fingerprint(canonical: str) -> bytes:
    """CRC-64-AVRO of a canonical form as single-object encoding carries it: 8 bytes, little-endian."""
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


def _versions(folder: Path) -> Iterator[Path]:
    numbered = {file.stem: file for file in folder.glob(f"*{SUFFIX}")}
    for number in range(1, len(numbered) + 1):
        if str(number) not in numbered:
            raise SchemaError(f"{folder}: wanted 1{SUFFIX} to {len(numbered)}{SUFFIX}; {number}{SUFFIX} is missing")
        yield numbered[str(number)]
