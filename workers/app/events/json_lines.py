"""JSON lines as events ready to be published; a bad line is named by its number and the field at fault."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from workers.core.event_kinds import KindError, kind_of
from workers.core.record import Headers
from workers.edges.avro.codec import Codec, Unencodable
from workers.edges.avro.event_json import InvalidEvent, from_json
from workers.edges.cloud_events import event_headers

BOM = b"\xef\xbb\xbf"
_BATCH_BYTES = 82  # that Kafka adds to the only record of a batch, at most
_HEADER_BYTES = 4  # that Kafka adds to each header


@dataclass(frozen=True, slots=True)
class Ready:
    """An event that its schema takes, encoded."""

    line: int  # 1, 2, ...
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that holds no event of the topic."""

    line: int
    fault: str  # the field and what is wanted, never the value that was given


def read_events(codec: Codec, topic: str, lines: Iterable[bytes], max_bytes: int) -> Iterator[Ready | Bad]:
    """Encode each line that is not blank; with a registry, `Codec.prepare` must have been awaited for the topic.

    ``max_bytes``: the topic's ``max.message.bytes``. A larger event is bad: Kafka would refuse it when a part of the
    file has been sent already.
    """
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(BOM).strip()
        if text:
            event = _event(codec, topic, number, text)
            size = _size(event) if isinstance(event, Ready) else 0
            yield Bad(number, f"{size} bytes in Kafka, and the topic takes {max_bytes}") if size > max_bytes else event


def _size(event: Ready) -> int:
    headers = sum(len(name) + len(value or b"") + _HEADER_BYTES for name, value in event.headers)
    return _BATCH_BYTES + len(event.key) + len(event.value) + headers


def _event(codec: Codec, topic: str, number: int, text: bytes) -> Ready | Bad:
    schema = codec.schemas[topic].today
    try:
        given: Any = orjson.loads(text)
        data = from_json(schema.tree, given)
        value = codec.encode(topic, data)
        key = kind_of(schema.name).key_of(data)
    except orjson.JSONDecodeError as error:
        return Bad(number, f"not JSON: {error.msg} at column {error.colno}")
    except (InvalidEvent, Unencodable, KindError) as error:
        return Bad(number, str(error))
    if not key:
        return Bad(number, "the order id is empty, and it is the key")
    headers = event_headers(schema.tree.name, data, key, datetime.now(UTC))
    return Ready(number, key.encode(), value, headers)
