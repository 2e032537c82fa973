"""A Kafka record as JSON, whatever its bytes are."""

import base64
from typing import Any

from workers.app.events.command_codec import OpenCodec
from workers.core.parked.headers import SOURCE_TOPIC
from workers.core.record import Record
from workers.edges.avro.event_json import to_json
from workers.edges.avro.json_text import time_text
from workers.edges.avro.reader import Undecodable


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
