"""A poller's state and events as Kafka records, and back."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from workers.app.poll.context import PollerContext
from workers.core.event_kinds import kind_of
from workers.core.poll import cursor as cursors
from workers.core.poll.compacted_rows import REPEATS, SETTLES
from workers.core.poll.cursor import unpack_cursor
from workers.core.poll.last_published import unpack_last_published
from workers.core.poll.shard_state import ShardState
from workers.core.poll.step import Step
from workers.core.poll.vendor_event import unpack_event_ids
from workers.core.record import TRACESTATE, Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.framing import SchemaId
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.table import read_all
from workers.edges.kafka.transactions import BY_KEY, Outgoing

VERSION: Final = 1
ORDER, EVENTS, CURSOR = "order", "events", "cursor"  # kinds of rows
_EVENTS_KEY: Final = "events:"  # before an order number; the key of an order's row has its account and a slash instead


class StateUnreadableError(Exception):
    """A row that this release cannot read: without it the poller would publish its order again."""


class StepEvent(NamedTuple):
    topic: str
    data: dict[str, Any]
    traceparent: str  # of the event that saved the order; empty: none
    tracestate: str


def step_records(context: PollerContext, shard: int, step: Step) -> list[Outgoing]:
    """All records of the step's transaction: events, then the rows behind them, then the cursor."""
    events = (_event(context, event) for event in step_events(context, step))
    return [*events, *_tracked_rows(context, shard, step), *_state_rows(context, shard, step)]


def cursor_record(codec: Codec, partition: Partition, cursor: cursors.Cursor) -> Outgoing:
    return _row(codec, partition, cursors.KEY, CURSOR, cursor.pack())


async def load_state(codec: Codec, connection: KafkaConnection, partition: Partition) -> ShardState:
    """Read a shard's state to the end; raises `KafkaFailed`, and `StateUnreadableError` that names the row."""
    state = ShardState()
    await read_state(codec, connection, partition, state)
    return state


async def read_state(
    codec: Codec, connection: KafkaConnection, partition: Partition, state: ShardState, start: int | None = None
) -> int:
    """Apply the rows from ``start`` (None: the beginning) to the end, which is returned; raises as `load_state` does.

    `StartGoneError`: the state must be read from the beginning. To apply a row twice changes nothing.
    """
    loop = asyncio.get_running_loop()

    def learn(schema_id: SchemaId) -> None:
        asyncio.run_coroutine_threadsafe(codec.learn(schema_id), loop).result()

    def take(records: list[Record]) -> None:
        for record in records:
            try:
                _apply(codec, state, record)
            except UnknownSchema as unknown:
                learn(unknown.schema_id)
                _apply(codec, state, record)

    try:
        return await read_all(connection, partition, take, start)
    except RegistryUnavailable as error:
        raise KafkaFailed(f"{partition}: {error}") from error


def _apply(codec: Codec, state: ShardState, record: Record) -> None:
    key = (record.key or b"").decode()
    if record.value is None:
        if key.startswith(_EVENTS_KEY):
            state.put_event_ids(key.removeprefix(_EVENTS_KEY), None)
        else:
            state.put_order(key, None)
        return
    try:
        row = codec.decode_any(record.topic, record.value)
        if row["version"] == VERSION and row["kind"] == CURSOR:
            state.cursor = unpack_cursor(row["body"])
        elif row["version"] == VERSION and row["kind"] == EVENTS:
            unpack_event_ids(row["body"])  # so that the error names the place of a broken row
            state.put_event_ids(key.removeprefix(_EVENTS_KEY), row["body"])
        else:
            state.put_order(key, _order(row))
    except (ValueError, Undecodable) as error:
        message = f"{record.at}, offset {record.offset}: {error}; run a release that reads it"
        raise StateUnreadableError(message) from error


def _order(row: Mapping[str, Any]) -> bytes:
    if (row["version"], row["kind"]) != (VERSION, ORDER):
        raise ValueError(f"{row['kind']} of version {row['version']} is of a later release")
    body: bytes = row["body"]
    unpack_last_published(body)  # so that the error names the place of a broken row
    return body


def step_events(context: PollerContext, step: Step) -> Iterator[StepEvent]:
    """Each topic gets the events of its schema's kind; topics are in the sequence of ``publishes``."""
    for topic in context.spec.publishes:
        events_in = kind_of(context.codec.schemas[topic].today.name).update_events
        if events_in is None:
            continue  # a topic of no poller's kind
        for update in step.updates:
            contents = events_in(context.spec.vendor, update)
            yield from (StepEvent(topic, content, update.traceparent, update.tracestate) for content in contents)


def _event(context: PollerContext, event: StepEvent) -> Outgoing:
    topic, data, traceparent, tracestate = event
    schema, observed = context.codec.schemas[topic].today, _time(data["observed_at"])
    key = kind_of(schema.name).key_of(data)
    headers = event_headers(schema.tree.name, data, key, observed, traceparent, tracestate=tracestate)
    return Outgoing(Partition(topic, BY_KEY), key.encode(), context.codec.encode(topic, data), headers)


def _tracked_rows(context: PollerContext, shard: int, step: Step) -> Iterator[Outgoing]:
    """Rows of the followed topic: put back below another row's tombstone, or ended (see `CompactedRows`)."""
    if context.spec.follows is None:
        return
    partition = Partition(context.spec.follows, shard)
    name = context.codec.schemas[partition.topic].today.tree.name
    for update in step.updates:
        key = update.order_number
        if (row := update.put_back) is not None:
            headers = event_headers(name, {}, key, _time(context.wall_ms()))
            kept = () if row.tracestate is None else ((TRACESTATE, row.tracestate),)
            yield Outgoing(partition, key.encode(), row.content, (*headers, *kept, (REPEATS, b"%d" % row.offset)))
        if update.done and update.look:
            yield Outgoing(partition, key.encode(), None, ((SETTLES, b"%d" % update.look.row.offset),))


def _state_rows(context: PollerContext, shard: int, step: Step) -> Iterator[Outgoing]:
    codec, partition = context.codec, Partition(context.spec.state, shard)
    for update in step.updates:
        events_key = _EVENTS_KEY + update.order_number
        if update.forgotten:
            yield Outgoing(partition, update.key.encode(), None)
            if context.spec.follows is not None:  # other pollers have no such rows
                yield Outgoing(partition, events_key.encode(), None)
        if update.last_published is not None:
            yield _row(codec, partition, update.key, ORDER, update.last_published.pack())
        if update.event_ids is not None:
            yield _row(codec, partition, events_key, EVENTS, update.event_ids.pack())
    yield cursor_record(codec, partition, step.cursor)


def _row(codec: Codec, partition: Partition, key: str, kind: str, body: bytes) -> Outgoing:
    data = {"kind": kind, "version": VERSION, "body": body}
    return Outgoing(partition, key.encode(), codec.encode(partition.topic, data))


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
