"""Events and records as JSON: those to be published, and those that were read."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workers.app.events.command_codec import OpenCodec
from workers.app.events.json_stream import JsonValue, NotJson, json_values
from workers.core.event_kinds import KindError, kind_of
from workers.core.parked.headers import SOURCE_TOPIC
from workers.core.record import Headers, Record
from workers.edges.avro.codec import Codec, Unencodable
from workers.edges.avro.event_json import InvalidEvent, from_json, to_json
from workers.edges.avro.json_text import time_text
from workers.edges.avro.reader import Undecodable
from workers.edges.cloud_events import event_headers

_BATCH_BYTES = 82  # that Kafka adds to the only record of a batch, at most
_HEADER_BYTES = 4  # that Kafka adds to each header


@dataclass(frozen=True, slots=True)
class Ready:
    """An event that its schema takes, encoded."""

    line: int  # where it begins: 1, 2, ...
    key: bytes
    value: bytes
    headers: Headers
    content: Mapping[str, Any]  # in its raw Avro form


@dataclass(frozen=True, slots=True)
class Bad:
    """A JSON value, or a text that is none, which is no event of the topic."""

    line: int  # where the value begins, or of the fault in the text
    fault: str  # the field and what is wanted, never the value that was given


def read_events(codec: Codec, topic: str, lines: Iterable[bytes], max_bytes: int) -> Iterator[Ready | Bad]:
    """Encode each JSON value, in any layout; with a registry, `Codec.prepare` must have been awaited for the topic.

    ``max_bytes``: the topic's ``max.message.bytes``. A larger event is bad: Kafka would refuse it when a part of the
    file has been sent already.
    """
    for found in json_values(lines):
        event = Bad(found.line, found.fault) if isinstance(found, NotJson) else _event(codec, topic, found)
        size = _size(event) if isinstance(event, Ready) else 0
        yield Bad(event.line, f"{size} bytes in Kafka, and the topic takes {max_bytes}") if size > max_bytes else event


def _size(event: Ready) -> int:
    headers = sum(len(name) + len(value or b"") + _HEADER_BYTES for name, value in event.headers)
    return _BATCH_BYTES + len(event.key) + len(event.value) + headers


def _event(codec: Codec, topic: str, found: JsonValue) -> Ready | Bad:
    schema, number = codec.schemas[topic].today, found.line
    try:
        data = from_json(schema.tree, found.value)
        value = codec.encode(topic, data)
        key = kind_of(schema.name).key_of(data)
    except (InvalidEvent, Unencodable, KindError) as error:
        return Bad(number, str(error))
    if not key:
        return Bad(number, "the order id is empty, and it is the key")
    headers = event_headers(schema.tree.name, data, key, datetime.now(UTC))
    return Ready(number, key.encode(), value, headers, data)


def record_json(codec: OpenCodec, record: Record) -> dict[str, Any]:
    """Give the record's partition, offset, key, headers and decoded value; an undecodable value in base64, with why.

    Raises `RegistryUnavailable`: whether the value decodes is unknown until the registry answers.
    """
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": time_text(record.timestamp_ms),
        "key": bytes_json(record.key),
        "headers": _headers(record),
        **_value(codec, record),
    }


def bytes_json(raw: bytes | None) -> Any:
    """Give bytes that are UTF-8 as text, and others as ``{"base64": ...}``."""
    if raw is None:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _headers(record: Record) -> dict[str, Any]:
    """Give the headers by name; a name that occurs more than once has a list."""
    found: dict[str, list[Any]] = {}
    for name, value in record.headers:
        found.setdefault(str(name), []).append(bytes_json(value))  # a plain str: orjson refuses subclasses
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _value(codec: OpenCodec, record: Record) -> dict[str, Any]:
    if record.value is None:
        return {"value": None}
    topic = _schema_topic(codec, record)
    if topic is None:
        return {"value": bytes_json(record.value)}
    try:
        data = codec.decode(topic, record.value, record.headers)
    except Undecodable as error:
        return {"undecodable": str(error), "base64": base64.b64encode(record.value).decode()}
    return {"value": to_json(codec.codec.schemas[topic].today.tree, data)}


def _schema_topic(codec: OpenCodec, record: Record) -> str | None:
    """Find the topic whose schema the value has; a parked record has the schema of its source topic."""
    source = record.header(SOURCE_TOPIC) or b""
    names = (record.topic, source.decode("utf-8", "replace"))
    return next((name for name in names if name in codec.codec.schemas), None)
