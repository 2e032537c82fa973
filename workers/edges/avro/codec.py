"""Avro on Kafka: bytes to events and back, in both framings.

Single-object encoding carries the writer schema's fingerprint (``C3 01``, 8
bytes), Confluent's wire format its id at a registry (``00``, 4 bytes). Both are
read by their first byte, whatever is configured. Decoding never waits: an id
that is not known yet raises `UnknownSchema`; the caller awaits `Codec.learn`
and decodes again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import fastavro
import fastavro.schema

from workers.core.event_kinds import kind_of
from workers.core.events import Event
from workers.edges.avro.decoder import Malformed, decoder_of
from workers.edges.avro.reader import Reader, Undecodable, Unreadable, reader_of
from workers.edges.avro.registry import Registry, RegistryRefused, SchemaMissing
from workers.edges.avro.schema_files import Schema, Schemas, Topic, schema
from workers.edges.avro.schema_tree import SchemaError, plain

SINGLE_OBJECT: Final = b"\xc3\x01"
CONFLUENT: Final = b"\x00"
_SINGLE_OBJECT_HEAD: Final = 10  # bytes before the record
_CONFLUENT_HEAD: Final = 5
_FORGET_MISSING_AFTER: Final = 60.0  # seconds: a schema registered late is found then


class UnknownSchema(Exception):  # noqa: N818 - a fact about a record: await `Codec.learn` and try again
    """The record names a registry's schema that was not asked for yet."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"schema id {schema_id} is not known yet")
        self.schema_id = schema_id


class Unencodable(ValueError):  # noqa: N818 - a fact about an event
    """Data that the topic's schema does not take; it names the topic, never the data."""


@dataclass(frozen=True, slots=True)
class Codec:
    """Decodes and encodes the topics of `schemas`; what it learns of a registry it keeps for good.

    A topic that is not among them is a `KeyError`.
    """

    schemas: Schemas
    clock: Callable[[], float]  # seconds, monotonic
    registry: Registry | None = None
    _readers: dict[tuple[str, bytes], Reader | Unreadable] = field(default_factory=dict)  # by topic and header
    _learnt: dict[int, Schema | Unreadable] = field(default_factory=dict)
    _missing: dict[int, float] = field(default_factory=dict)  # ids that the registry does not know, until when
    _heads: dict[str, bytes] = field(default_factory=dict)  # by topic: what an encoded value begins with
    _writers: dict[str, Any] = field(default_factory=dict)  # by topic: fastavro's parsed schema

    def order_id(self, topic: str, value: bytes) -> str:
        """Read just enough of a consumed event to know its order.

        Raises `Undecodable` and `UnknownSchema`. What follows the order id is not looked at.
        """
        return self._reader(topic, value).order_id(value)

    def decode(self, topic: str, value: bytes) -> Event:
        """Decode an event of an order; raises `Undecodable` and `UnknownSchema`."""
        content = self._reader(topic, value).read(value)
        return kind_of(self.schemas[topic].today.name).order_event(content)

    def decode_any(self, topic: str, value: bytes) -> dict[str, Any]:
        """Decode a value of any topic that has a schema, in its raw form; raises `Undecodable` and `UnknownSchema`."""
        return self._reader(topic, value).read(value)

    def encode(self, topic: str, data: Mapping[str, Any]) -> bytes:
        """Encode data in its raw form (int milliseconds, decimal bytes); raises `Unencodable`.

        With a registry, `prepare` must have been awaited for the topic.
        """
        head = self._heads.get(topic) or self._head(topic)
        stream = io.BytesIO(head)
        stream.seek(len(head))
        try:
            fastavro.schemaless_writer(stream, self._writer(topic), data, strict_allow_default=True)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise Unencodable(f"{topic}: the data does not fit the schema ({type(error).__name__})") from error
        return stream.getvalue()

    def fault_at(self, topic: str, value: bytes) -> int | None:
        """Where an undecodable value breaks its own writer's schema: an offset in it; None when it does not.

        Slow: for people to look at. Raises `UnknownSchema`.
        """
        head = _SINGLE_OBJECT_HEAD if value[:2] == SINGLE_OBJECT else _CONFLUENT_HEAD
        try:
            writer = self._writer_of(value[:head])
        except Undecodable:
            return 0
        if isinstance(writer, Unreadable) or topic not in self.schemas:
            return None
        try:
            decoder_of(writer.tree).read(value, head)
        except Malformed as error:
            return error.offset
        return None

    async def prepare(self, topics: Iterable[str]) -> None:
        """Ask the registry, if there is one, for the ids of today's schemas, so that `encode` can name them.

        Raises `RegistryUnavailable`, and `RegistryRefused` when a schema is not registered.
        """
        for name in topics:
            if self.registry is not None and name not in self._heads:
                topic = self.schemas[name]
                schema_id = await self.registry.find(topic.subject, topic.today.text)
                if schema_id is None:
                    raise RegistryRefused(
                        f"{topic.subject}: today's schema is not registered; run `relay topics apply`"
                    )
                self._heads[name] = CONFLUENT + schema_id.to_bytes(4, "big")

    async def learn(self, schema_id: int) -> None:
        """Ask the registry for a schema and keep it; one that it does not know is `Undecodable` for 60 s.

        Raises `RegistryUnavailable`: nothing was learnt, the record waits.
        """
        if self.registry is None or schema_id in self._learnt:
            return
        try:
            text = await self.registry.schema(schema_id)
        except SchemaMissing:
            self._remember_missing(schema_id, self.clock())
        except RegistryRefused as error:
            self._learnt[schema_id] = Unreadable(str(error))
        else:
            self._learnt[schema_id] = _parsed(text, schema_id)

    def _remember_missing(self, schema_id: int, now: float) -> None:
        for old in [known for known, until in self._missing.items() if until <= now]:
            del self._missing[old]  # else every garbage id would be held for ever
        self._missing[schema_id] = now + _FORGET_MISSING_AFTER

    def _head(self, topic: str) -> bytes:
        if self.registry is not None:
            raise RuntimeError(f"{topic}: await Codec.prepare before the first encode")
        self._heads[topic] = SINGLE_OBJECT + self.schemas[topic].today.fingerprint
        return self._heads[topic]

    def _writer(self, topic: str) -> Any:
        if topic not in self._writers:
            self._writers[topic] = fastavro.parse_schema(plain(self.schemas[topic].today.tree))
        return self._writers[topic]

    def _reader(self, topic: str, value: bytes) -> Reader:
        size = _SINGLE_OBJECT_HEAD if value[:2] == SINGLE_OBJECT else _CONFLUENT_HEAD
        head = value[:size]
        reader = self._readers.get((topic, head))
        if reader is None:
            reader = self._readers[topic, head] = self._find_reader(self.schemas[topic], head)
        match reader:
            case Reader():
                return reader
            case Unreadable(reason):
                raise Undecodable(reason)
            case _:
                assert_never(reader)

    def _find_reader(self, topic: Topic, head: bytes) -> Reader | Unreadable:
        writer = self._writer_of(head)
        if isinstance(writer, Unreadable):
            return writer
        return reader_of(writer, topic.today, len(head))

    def _writer_of(self, head: bytes) -> Schema | Unreadable:
        """Find the writer's schema by a value's header. Raises what must not be kept as the answer for this header."""
        if head[:2] == SINGLE_OBJECT and len(head) == _SINGLE_OBJECT_HEAD:
            return self._by_fingerprint(head[2:])
        if head[:1] == CONFLUENT and len(head) == _CONFLUENT_HEAD:
            return self._by_id(int.from_bytes(head[1:], "big"))
        if head[:1] in (CONFLUENT, SINGLE_OBJECT[:1]):
            raise Undecodable("its header is cut short, or is of no known framing")
        raise Undecodable("begins neither as Avro single-object encoding (C3 01) nor as Confluent's framing (00)")

    def _by_fingerprint(self, fingerprint: bytes) -> Schema | Unreadable:
        for topic in self.schemas.values():
            for known in (topic.today, *topic.history):
                if known.fingerprint == fingerprint:
                    return known
        raise Undecodable(f"written with a schema that is not in schemas/: CRC-64-AVRO fingerprint {fingerprint.hex()}")

    def _by_id(self, schema_id: int) -> Schema | Unreadable:
        if self.registry is None:
            raise Undecodable(f"names schema id {schema_id} of a registry, and SCHEMA_REGISTRY_URL is not set")
        if schema_id in self._learnt:
            return self._learnt[schema_id]
        if self.clock() < self._missing.get(schema_id, float("-inf")):
            raise Undecodable(f"the registry does not know schema id {schema_id}")
        raise UnknownSchema(schema_id)


def _parsed(text: str, schema_id: int) -> Schema | Unreadable:
    try:
        return schema(text)
    except SchemaError as error:
        return Unreadable(f"schema id {schema_id} of the registry: {error}")
