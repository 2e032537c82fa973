"""A poller's state and events as Kafka records, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from workers.app.poll.context import PollerContext
from workers.core.event_kinds import kind_of
from workers.core.poll import cursor as cursors
from workers.core.poll.compacted_rows import REPEATS, SETTLES
from workers.core.poll.cursor import unpack_cursor
from workers.core.poll.last_published import unpack
from workers.core.poll.shard_state import ShardState, Step
from workers.core.poll.vendor_event import unpack_known
from workers.core.record import Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.table import read_all
from workers.edges.kafka.transactions import BY_KEY, Outgoing

VERSION = 1
ORDER, EVENTS, CURSOR = "order", "events", "cursor"
_EVENTS_KEY = "events:"  # before an order's number; a shadow's key has its account and a slash before it


class StateUnreadableError(Exception):
    """A row that this release cannot read: to go on without it would publish its order anew."""


def step_records(tools: PollerContext, number: int, step: Step) -> list[Outgoing]:
    """All that goes out in the step's transaction: events, then the rows behind them, then the cursor."""
    rows = _rows(tools.codec, Partition(tools.spec.state, number), step)
    events = (_event(tools, topic, data, step.traces) for topic, data in step_events(tools, step))
    return [*events, *_followed(tools, number, step), *rows]


def cursor_record(codec: Codec, at: Partition, cursor: cursors.Cursor) -> Outgoing:
    """The cursor's row."""
    return _row(codec, at, cursors.KEY, CURSOR, cursor.pack())


async def load_state(codec: Codec, connection: KafkaConnection, at: Partition) -> ShardState:
    """Read a shard's state to the end; raises `KafkaFailed`, and `StateUnreadableError` that names the row."""
    state, loop = ShardState(), asyncio.get_running_loop()

    def learn(schema_id: int) -> None:
        asyncio.run_coroutine_threadsafe(codec.learn(schema_id), loop).result()

    def take(records: list[Record]) -> None:
        for record in records:
            try:
                _take(codec, state, record)
            except UnknownSchema as unknown:
                learn(unknown.schema_id)
                _take(codec, state, record)

    try:
        await read_all(connection, at, take)
    except RegistryUnavailable as error:
        raise KafkaFailed(f"{at}: {error}") from error
    return state


def _take(codec: Codec, state: ShardState, record: Record) -> None:
    key = (record.key or b"").decode()
    if record.value is None:
        if key.startswith(_EVENTS_KEY):
            state.put_known(key.removeprefix(_EVENTS_KEY), None)
        else:
            state.put(key, None)
        return
    try:
        row = codec.decode_any(record.topic, record.value)
        if row["version"] == VERSION and row["kind"] == CURSOR:
            state.cursor = unpack_cursor(row["body"])
        elif row["version"] == VERSION and row["kind"] == EVENTS:
            unpack_known(row["body"])  # a broken one is found now, with its place
            state.put_known(key.removeprefix(_EVENTS_KEY), row["body"])
        else:
            state.put(key, _order(row))
    except (ValueError, Undecodable) as error:
        raise StateUnreadableError(
            f"{record.at}, offset {record.offset}: {error}; run a release that reads it"
        ) from error


def _order(row: Mapping[str, Any]) -> bytes:
    """A packed shadow, looked at once so that a broken one is found now, with its place."""
    if (row["version"], row["kind"]) != (VERSION, ORDER):
        raise ValueError(f"{row['kind']} of version {row['version']} is of a later release")
    body: bytes = row["body"]
    unpack(body)
    return body


def step_events(tools: PollerContext, step: Step) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each kind for the topics whose schema is its own; a look's change of stage before what has happened."""
    for topic in tools.spec.publishes:
        kind = kind_of(tools.codec.schemas[topic].today.name)
        contents = kind.step_events(tools.spec.vendor, step) if kind.step_events is not None else ()
        yield from ((topic, content) for content in contents)


def _event(tools: PollerContext, topic: str, data: dict[str, Any], traces: Mapping[str, str]) -> Outgoing:
    schema, now = tools.codec.schemas[topic].today, datetime.fromtimestamp(data["observed_at"] / 1000, UTC)
    key = kind_of(schema.name).key_of(data)
    headers = event_headers(schema.tree.name, data, key, now, traces.get(data["order_number"], ""))
    return Outgoing(Partition(topic, BY_KEY), key.encode(), tools.codec.encode(topic, data), headers)


def _followed(tools: PollerContext, number: int, step: Step) -> Iterator[Outgoing]:
    """Rows of the orders that it looks at: ended, or put back below a tombstone that was not theirs (`Standing`)."""
    topic = tools.spec.follows
    if topic is None:
        return
    at, name = Partition(topic, number), tools.codec.schemas[topic].today.tree.name
    for key, (offset, value) in step.put_back.items():
        headers = event_headers(name, {}, key, datetime.fromtimestamp(tools.wall_ms() / 1000, UTC))
        yield Outgoing(at, key.encode(), value, (*headers, (REPEATS, str(offset).encode())))
    for key, offset in step.settled.items():
        yield Outgoing(at, key.encode(), None, ((SETTLES, str(offset).encode()),))


def _rows(codec: Codec, at: Partition, step: Step) -> Iterator[Outgoing]:
    for key, body in step.rows.items():
        yield Outgoing(at, key.encode(), None) if body is None else _row(codec, at, key, ORDER, body)
    for number, body in step.known.items():
        key = _EVENTS_KEY + number
        yield Outgoing(at, key.encode(), None) if body is None else _row(codec, at, key, EVENTS, body)
    yield cursor_record(codec, at, step.cursor)


def _row(codec: Codec, at: Partition, key: str, kind: str, body: bytes) -> Outgoing:
    data = {"kind": kind, "version": VERSION, "body": body}
    return Outgoing(at, key.encode(), codec.encode(at.topic, data))
