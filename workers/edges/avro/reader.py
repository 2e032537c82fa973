"""Reads the records of one writer schema as today's schema of a topic."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import fastavro

from workers.core.event_kinds import EVENT_KINDS, EventKind
from workers.core.events import Event, EventHead
from workers.edges.avro.compatibility import changes_of_meaning, clashes
from workers.edges.avro.decoder import Decoder, Malformed, cut_off_behind, decoder_of
from workers.edges.avro.schema_files import Schema
from workers.edges.avro.schema_tree import Record, plain


class Undecodable(ValueError):  # noqa: N818 - a fact about a record
    """Bytes that none of our schemas can read, now or later; ``detail`` is one line without any data of the record."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A writer schema whose records cannot be read as today's."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads values that begin with a known header."""

    header_bytes: int
    record: Decoder
    prefix: Decoder | None  # up to the order id; None: the writer's schema has it elsewhere, or no order has the record
    resolve: Callable[[bytes], dict[str, Any]] | None  # the record's bytes as today's schema; None: written with it
    kind: EventKind

    def read(self, value: bytes) -> dict[str, Any]:
        """Decode a whole value; raises `Undecodable`."""
        try:
            content: dict[str, Any] = self.record.read(value, self.header_bytes)
        except Malformed as error:
            raise Undecodable(str(error)) from None
        return content if self.resolve is None else self.resolve(value[self.header_bytes :])

    def head(self, value: bytes) -> EventHead:
        """Decode the order id and what lies before it, or the whole value where it must be; raises `Undecodable`."""
        try:
            found = self.read(value) if self.prefix is None else self.prefix.read_prefix(value, self.header_bytes)
        except Malformed as error:
            raise Undecodable(str(error)) from None
        return self.kind.head(found)

    def event(self, value: bytes) -> Event:
        """Decode an event that sinks consume; raises `Undecodable`."""
        return self.kind.order_event(self.read(value))


def reader_of(writer: Schema, today: Schema, header_bytes: int) -> Reader | Unreadable:
    """Work out how to read a writer's records as today's schema, once for all of them."""
    if writer.name != today.name and writer.tree.name not in today.tree.aliases:
        return Unreadable(f"holds a {writer.name}, and the topic takes {today.name}")
    for change in changes_of_meaning(writer.tree, today.tree):
        return Unreadable(f"{change.path}: written as {change.written}, and the topic takes {change.wanted}")
    kind = EVENT_KINDS.get(today.name, EventKind(record=today.name))
    prefix = _head_of(writer.tree, kind.order_id_path)
    resolve = None if writer.canonical == today.canonical else _resolver(writer, today)
    return Reader(header_bytes, decoder_of(writer.tree), None if prefix is None else decoder_of(prefix), resolve, kind)


def _head_of(writer: Record, order_id_path: tuple[str, ...]) -> Record | None:
    """The writer's schema cut off behind the order id; None where a field of `EventHead` lies behind it."""
    prefix = cut_off_behind(writer, order_id_path)
    names = {field.name for field in prefix.fields} if prefix else set()
    late = {"occurred_at", "producer"} & {field.name for field in writer.fields} - names
    return prefix if "occurred_at" in names and not late else None


def _resolver(writer: Schema, today: Schema) -> Callable[[bytes], dict[str, Any]]:
    written = fastavro.parse_schema(plain(writer.tree))
    wanted = fastavro.parse_schema(plain(today.tree))

    places = ", ".join(sorted({clash.path or "its name" for clash in clashes(today.tree, writer.tree)}))

    def resolve(record: bytes) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", fastavro.schemaless_reader(io.BytesIO(record), written, wanted))
        except Exception:  # noqa: BLE001 - whatever fastavro trips over; its error may hold what the record says
            raise Undecodable(f"written with a schema that today's cannot read; it differs in {places}") from None

    return resolve
