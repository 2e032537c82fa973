"""Avro on Kafka: bytes to events and back, in both framings.

Single-object encoding carries the writer schema's fingerprint (``C3 01``, 8
bytes), Confluent's wire format its id at a registry (``00``, 4 bytes). The
first byte decides which of both a value has, whatever is configured. Decoding
never waits: an id that is not known yet raises `UnknownSchema`; the caller
awaits `Codec.learn` and decodes again.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

import fastavro
import fastavro.schema

from workers.core.events import Event
from workers.edges.avro.decoder import Malformed, decoder_of
from workers.edges.avro.reader import Reader, Undecodable, Unreadable, reader_of
from workers.edges.avro.registry import Registry, RegistryRefused, SchemaMissing
from workers.edges.avro.schema_files import Schema, Schemas, Topic, schema
from workers.edges.avro.schema_tree import SchemaError, plain

SINGLE_OBJECT: Final = b"\xc3\x01"
CONFLUENT: Final = b"\x00"
_SINGLE_OBJECT_BYTES: Final = 10  # of the header before the record
_CONFLUENT_BYTES: Final = 5
_ASK_MISSING_AGAIN_AFTER_S: Final = 60.0  # then a schema that was registered late is found


class UnknownSchema(Exception):  # noqa: N818 - a fact about a record: await `Codec.learn` and try again
    """The record names a schema id that the registry was not asked for yet."""

    def __init__(self, schema_id: int) -> None:
        super().__init__(f"schema id {schema_id} is not known yet")
        self.schema_id = schema_id


class Unencodable(ValueError):  # noqa: N818 - a fact about an event
    """Data that the topic's schema does not take; the text names the topic, never the data."""


@dataclass(frozen=True, slots=True)
class Codec:
    """Decodes and encodes the topics of `schemas`, and keeps each schema that the registry gave.

    A topic without a schema raises `KeyError`.
    """

    schemas: Schemas
    clock: Callable[[], float]  # seconds, monotonic
    registry: Registry | None = None
    _readers: dict[tuple[str, bytes], Reader | Unreadable] = field(default_factory=dict)  # by topic and header
    _learnt: dict[int, Schema | Unreadable] = field(default_factory=dict)
    _missing: dict[int, float] = field(default_factory=dict)  # ids that the registry does not have, until when (clock)
    _headers: dict[str, bytes] = field(default_factory=dict)  # by topic: the first bytes of an encoded value
    _writers: dict[str, Any] = field(default_factory=dict)  # by topic: fastavro's parsed schema

    def order_id(self, topic: str, value: bytes) -> str:
        """Read just enough of a consumed event to know its order.

        Raises `Undecodable` and `UnknownSchema`. Bytes behind the order id are not read.
        """
        return self._reader(topic, value).order_id(value)

    def decode(self, topic: str, value: bytes) -> Event:
        """Decode an event of an order; raises `Undecodable` and `UnknownSchema`."""
        return self._reader(topic, value).event(value)

    def decode_any(self, topic: str, value: bytes) -> dict[str, Any]:
        """Decode a value of any topic that has a schema, in its raw form; raises `Undecodable` and `UnknownSchema`."""
        return self._reader(topic, value).read(value)

    def encode(self, topic: str, data: Mapping[str, Any]) -> bytes:
        """Encode data in its raw form (int milliseconds, decimal bytes); raises `Unencodable`.

        With a registry, `prepare` must have been awaited for the topic.
        """
        header = self._headers.get(topic) or self._header(topic)
        stream = io.BytesIO(header)
        stream.seek(len(header))
        try:
            fastavro.schemaless_writer(stream, self._writer(topic), data, strict_allow_default=True)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise Unencodable(f"{topic}: the data does not fit the schema ({type(error).__name__})") from error
        return stream.getvalue()

    def fault_at(self, topic: str, value: bytes) -> int | None:
        """Find the offset at which an undecodable value breaks its own writer's schema; None: it does not break it.

        Slow: only for what operators look at. Raises `UnknownSchema`.
        """
        header = _header_of(value)
        try:
            writer = self._writer_of(header)
        except Undecodable:
            return 0
        if isinstance(writer, Unreadable) or topic not in self.schemas:
            return None
        try:
            decoder_of(writer.tree).read(value, len(header))
        except Malformed as error:
            return error.offset
        return None

    async def prepare(self, topics: Iterable[str]) -> None:
        """Ask the registry, if one is configured, for the ids of today's schemas: `encode` writes them.

        Raises `RegistryUnavailable`, and `RegistryRefused` when a schema is not registered.
        """
        for name in topics:
            if self.registry is not None and name not in self._headers:
                topic = self.schemas[name]
                schema_id = await self.registry.find(topic.subject, topic.today.text)
                if schema_id is None:
                    raise RegistryRefused(
                        f"{topic.subject}: today's schema is not registered; run `relay topics apply`"
                    )
                self._headers[name] = CONFLUENT + schema_id.to_bytes(4, "big")

    async def learn(self, schema_id: int) -> None:
        """Ask the registry for a schema and keep it; an id that it does not have is `Undecodable` for 60 s.

        Raises `RegistryUnavailable`: nothing was learnt, and the record waits.
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
            del self._missing[old]  # else the ids of garbage would fill the memory
        self._missing[schema_id] = now + _ASK_MISSING_AGAIN_AFTER_S

    def _header(self, topic: str) -> bytes:
        if self.registry is not None:
            raise RuntimeError(f"{topic}: await Codec.prepare before the first encode")
        self._headers[topic] = SINGLE_OBJECT + self.schemas[topic].today.fingerprint
        return self._headers[topic]

    def _writer(self, topic: str) -> Any:
        if topic not in self._writers:
            self._writers[topic] = fastavro.parse_schema(plain(self.schemas[topic].today.tree))
        return self._writers[topic]

    def _reader(self, topic: str, value: bytes) -> Reader:
        header = _header_of(value)
        reader = self._readers.get((topic, header))
        if reader is None:
            reader = self._readers[topic, header] = self._find_reader(self.schemas[topic], header)
        match reader:
            case Reader():
                return reader
            case Unreadable(reason):
                raise Undecodable(reason)
            case _:
                assert_never(reader)

    def _find_reader(self, topic: Topic, header: bytes) -> Reader | Unreadable:
        writer = self._writer_of(header)
        if isinstance(writer, Unreadable):
            return writer
        return reader_of(writer, topic.today, len(header))

    def _writer_of(self, header: bytes) -> Schema | Unreadable:
        """Find the writer's schema by a value's header; raises what a later call may answer otherwise."""
        if header[:2] == SINGLE_OBJECT and len(header) == _SINGLE_OBJECT_BYTES:
            return self._by_fingerprint(header[2:])
        if header[:1] == CONFLUENT and len(header) == _CONFLUENT_BYTES:
            return self._by_id(int.from_bytes(header[1:], "big"))
        if header[:1] in (CONFLUENT, SINGLE_OBJECT[:1]):
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


def _header_of(value: bytes) -> bytes:
    return value[: _SINGLE_OBJECT_BYTES if value[:2] == SINGLE_OBJECT else _CONFLUENT_BYTES]


def _parsed(text: str, schema_id: int) -> Schema | Unreadable:
    try:
        return schema(text)
    except SchemaError as error:
        return Unreadable(f"schema id {schema_id} of the registry: {error}")
