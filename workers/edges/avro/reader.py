"""How records of one writer schema are read as today's schema of a topic."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import fastavro

from workers.edges.avro.compile import Decode, Malformed, compile_prefix, compile_record
from workers.edges.avro.logical_changes import changes_of_meaning
from workers.edges.avro.resolution import clashes
from workers.edges.avro.schema_files import Schema
from workers.edges.avro.schema_tree import Primitive, Record, Type, plain

_ORDER_ID: Final = {"OrderCreated": ("order", "order_id"), "OrderStatus": ("order_id",)}


class Undecodable(ValueError):  # noqa: N818 - a fact about a record
    """Bytes that no schema of ours can read, now or later; ``detail`` is one line and holds nothing of the record."""

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

    head: int  # length of the header
    record: Decode
    peek: Decode | None  # the order id alone; None: the writer keeps it elsewhere, or the topic is not of orders
    resolve: Callable[[bytes], dict[str, Any]] | None  # the record's bytes as today's schema; None: written with it
    order_id_path: tuple[str, ...]

    def read(self, value: bytes) -> dict[str, Any]:
        """Decode a whole value; raises `Undecodable`."""
        try:
            content: dict[str, Any] = self.record(value, self.head)
        except Malformed as error:
            raise Undecodable(str(error)) from error
        return content if self.resolve is None else self.resolve(value[self.head :])

    def order_id(self, value: bytes) -> str:
        """Decode the order id, or all that it takes; raises `Undecodable`."""
        try:
            found: Any = self.read(value) if self.peek is None else self.peek(value, self.head)
        except Malformed as error:
            raise Undecodable(str(error)) from error
        for name in self.order_id_path if self.peek is None else ():
            found = found[name]
        return str(found)


def reader_of(writer: Schema, today: Schema, head: int) -> Reader | Unreadable:
    """Work out how to read a writer's records as today's schema, once for all of them."""
    if writer.name != today.name and writer.tree.name not in today.tree.aliases:
        return Unreadable(f"holds a {writer.name}, and the topic takes {today.name}")
    for change in changes_of_meaning(writer.tree, today.tree):
        return Unreadable(f"{change.path}: written as {change.written}, and the topic takes {change.wanted}")
    path = _ORDER_ID.get(today.name, ())
    peek = compile_prefix(writer.tree, path) if path and _has_text(writer.tree, path) else None
    resolve = None if writer.canonical == today.canonical else _resolver(writer, today)
    return Reader(head, compile_record(writer.tree), peek, resolve, path)


def _resolver(writer: Schema, today: Schema) -> Callable[[bytes], dict[str, Any]]:
    written = fastavro.parse_schema(plain(writer.tree))
    wanted = fastavro.parse_schema(plain(today.tree))

    places = ", ".join(sorted({clash.path or "its name" for clash in clashes(today.tree, writer.tree)}))

    def resolve(record: bytes) -> dict[str, Any]:
        try:
            return cast("dict[str, Any]", fastavro.schemaless_reader(io.BytesIO(record), written, wanted))
        except Exception as error:  # whatever fastavro's walk trips over: the record itself was read without a fault
            raise Undecodable(f"written with a schema that today's cannot read; it differs in {places}") from error

    return resolve


def _has_text(tree: Record, path: tuple[str, ...]) -> bool:
    inner: Type = tree
    for name in path:
        fields = inner.fields if isinstance(inner, Record) else ()
        inner = next((item.type for item in fields if item.name == name), Primitive("null"))
    return isinstance(inner, Primitive) and inner.kind == "string"
