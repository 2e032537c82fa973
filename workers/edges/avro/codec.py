"""Avro on Kafka: bytes to events and back, in both framings.

`framing` finds what names a value's schema, whatever is configured. Decoding
never waits: an id that is not known yet raises `UnknownSchema`; the caller
awaits `Codec.learn` and decodes again.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, assert_never

import fastavro
import fastavro.schema

from workers.core.events import Event, EventHead
from workers.core.record import Headers
from workers.edges.avro.decoder import Malformed, decoder_of
from workers.edges.avro.framing import CONFLUENT, SINGLE_OBJECT, Framing, SchemaId, framing_of, schema_name
from workers.edges.avro.reader import Reader, Undecodable, Unreadable, reader_of
from workers.edges.avro.registry import Registry, RegistryRefused, SchemaMissing, WriterSchema
from workers.edges.avro.schema_files import Schema, Schemas, Topic, schema
from workers.edges.avro.schema_tree import SchemaError, plain

_ASK_MISSING_AGAIN_AFTER_S: Final = 60.0  # then a schema that was registered late is found


class UnknownSchema(Exception):  # noqa: N818 - a fact about a record: await `Codec.learn` and try again
    """The record names a schema id that the registry was not asked for yet."""

    def __init__(self, schema_id: SchemaId) -> None:
        super().__init__(f"{schema_name(schema_id)} is not known yet")
        self.schema_id = schema_id


class Unencodable(ValueError):  # noqa: N818 - a fact about an event
    """Data that the topic's schema does not take; the text names the topic, never the data."""


class Missing(NamedTuple):
    """What the registry does not have."""

    until: float  # of the codec's clock: then the registry is asked again
    detail: str


@dataclass(frozen=True, slots=True)
class Codec:
    """Decodes and encodes the topics of `schemas`, and keeps each schema that the registry gave.

    A topic without a schema raises `KeyError`. ``headers``: those of the value's Kafka record, which may name its
    schema.
    """

    schemas: Schemas
    clock: Callable[[], float]  # seconds, monotonic
    registry: Registry | None = None
    _readers: dict[tuple[str, Framing], Reader | Unreadable] = field(default_factory=dict)  # by topic
    _learnt: dict[SchemaId, Schema | Unreadable] = field(default_factory=dict)
    _missing: dict[SchemaId, Missing] = field(default_factory=dict)
    _headers: dict[str, bytes] = field(default_factory=dict)  # by topic: the first bytes of an encoded value
    _writers: dict[str, Any] = field(default_factory=dict)  # by topic: fastavro's parsed schema

    def head(self, topic: str, value: bytes, headers: Headers = ()) -> EventHead:
        """Read just enough of a consumed event to know its order and its place in it.

        Raises `Undecodable` and `UnknownSchema`. Bytes behind the order id are not read.
        """
        return self._reader(topic, value, headers).head(value)

    def decode(self, topic: str, value: bytes, headers: Headers = ()) -> Event:
        """Decode an event of an order; raises `Undecodable` and `UnknownSchema`."""
        return self._reader(topic, value, headers).event(value)

    def decode_any(self, topic: str, value: bytes, headers: Headers = ()) -> dict[str, Any]:
        """Decode a value of any topic that has a schema, in its raw form; raises `Undecodable` and `UnknownSchema`."""
        return self._reader(topic, value, headers).read(value)

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

    def fault_at(self, topic: str, value: bytes, headers: Headers = ()) -> int | None:
        """Find the offset at which an undecodable value breaks its own writer's schema; None: it does not break it.

        Slow: only for what operators look at. Raises `UnknownSchema`.
        """
        try:
            framing = framing_of(value, headers)
            writer = self._writer_of(framing)
        except Undecodable:
            return 0
        if isinstance(writer, Unreadable) or topic not in self.schemas:
            return None
        try:
            decoder_of(writer.tree).read(value, framing.record_at)
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

    async def learn(self, schema_id: SchemaId) -> None:
        """Ask the registry for a schema and keep it; one that it does not have is `Undecodable` for 60 s.

        Raises `RegistryUnavailable`: nothing was learnt, and the record waits.
        """
        if self.registry is None or schema_id in self._learnt:
            return
        try:
            found = await self.registry.schema(schema_id)
        except SchemaMissing as error:
            self._remember_missing(schema_id, str(error))
        except RegistryRefused as error:
            self._learnt[schema_id] = Unreadable(str(error))
        else:
            self._learnt[schema_id] = _parsed(found, schema_id)

    def _remember_missing(self, schema_id: SchemaId, detail: str) -> None:
        now = self.clock()
        for old in [known for known, missing in self._missing.items() if missing.until <= now]:
            del self._missing[old]  # else the ids of garbage would fill the memory
        self._missing[schema_id] = Missing(now + _ASK_MISSING_AGAIN_AFTER_S, detail)

    def _header(self, topic: str) -> bytes:
        if self.registry is not None:
            raise RuntimeError(f"{topic}: await Codec.prepare before the first encode")
        self._headers[topic] = SINGLE_OBJECT + self.schemas[topic].today.fingerprint
        return self._headers[topic]

    def _writer(self, topic: str) -> Any:
        if topic not in self._writers:
            self._writers[topic] = fastavro.parse_schema(plain(self.schemas[topic].today.tree))
        return self._writers[topic]

    def _reader(self, topic: str, value: bytes, headers: Headers) -> Reader:
        framing = framing_of(value, headers)
        reader = self._readers.get((topic, framing))
        if reader is None:
            reader = self._readers[topic, framing] = self._find_reader(self.schemas[topic], framing)
        match reader:
            case Reader():
                return reader
            case Unreadable(reason):
                raise Undecodable(reason)
            case _:
                assert_never(reader)

    def _find_reader(self, topic: Topic, framing: Framing) -> Reader | Unreadable:
        writer = self._writer_of(framing)
        if isinstance(writer, Unreadable):
            return writer
        try:
            return reader_of(writer, topic.today, framing.record_at)
        except Exception as error:  # noqa: BLE001 - a publisher's schema, such as one nested too deeply, must end no worker
            return Unreadable(f"its schema cannot be compared with today's ({type(error).__name__})")

    def _writer_of(self, framing: Framing) -> Schema | Unreadable:
        """Find the writer's schema; raises what a later call may answer otherwise."""
        fingerprint = framing.fingerprint
        return self._by_id(framing.schema_id) if fingerprint is None else self._by_fingerprint(fingerprint)

    def _by_fingerprint(self, fingerprint: bytes) -> Schema:
        for topic in self.schemas.values():
            for known in (topic.today, *topic.history):
                if known.fingerprint == fingerprint:
                    return known
        raise Undecodable(f"written with a schema that is not in schemas/: CRC-64-AVRO fingerprint {fingerprint.hex()}")

    def _by_id(self, schema_id: SchemaId) -> Schema | Unreadable:
        if self.registry is None:
            raise Undecodable(f"names {schema_name(schema_id)} of a registry, and SCHEMA_REGISTRY_URL is not set")
        if schema_id in self._learnt:
            return self._learnt[schema_id]
        missing = self._missing.get(schema_id)
        if missing is not None and self.clock() < missing.until:
            raise Undecodable(missing.detail)
        raise UnknownSchema(schema_id)


def _parsed(found: WriterSchema, schema_id: SchemaId) -> Schema | Unreadable:
    try:
        return schema(found.text, found.references)
    except SchemaError as error:
        return Unreadable(f"{schema_name(schema_id)} of the registry: {error}")
    except Exception as error:  # noqa: BLE001 - whatever the walk trips over in what others have registered
        return Unreadable(f"{schema_name(schema_id)} of the registry: not an Avro schema ({type(error).__name__})")
