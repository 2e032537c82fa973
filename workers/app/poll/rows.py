"""A poller's state and events as Kafka records, and back."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from workers.app.poll.context import PollerContext
from workers.core.event_kinds import kind_of
from workers.core.poll import cursor as cursors
from workers.core.poll.compacted_rows import REPEATS, SETTLES
from workers.core.poll.cursor import unpack_cursor
from workers.core.poll.last_published import unpack_last_published
from workers.core.poll.sets.known_row import unpack_known_row
from workers.core.poll.shard_state import ROW_VERSION, RowKind, ShardState
from workers.core.poll.step import Step, Update
from workers.core.poll.vendor_event import unpack_event_ids
from workers.core.record import Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.framing import SchemaId
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.table import read_all
from workers.edges.kafka.transactions import BY_KEY, Outgoing
from workers.edges.telemetry.tracing import SendSpan

_EVENTS_KEY: Final = "events:"  # before an order number; the key of an order's row has its account and a slash instead
_SET_KEY: Final = "set:"  # before a set's name, a colon, and the row's key in the set
_CURSOR_KEY: Final = f"{cursors.KEY}:"  # before a set's name


class StateUnreadableError(Exception):
    """A row that this release cannot read: without it the poller would publish its order again."""


class StepEvent(NamedTuple):
    topic: str
    data: dict[str, Any]
    update: Update  # that it is of


class StepRecords(NamedTuple):
    """What a step's transaction writes."""

    records: list[Outgoing]
    sends: list[SendSpan]  # of its events; to be ended with the transaction


def step_records(context: PollerContext, shard: int, step: Step) -> StepRecords:
    """Events, then the rows behind them, then the cursor."""
    events, sends = list[Outgoing](), list[SendSpan]()
    for event in step_events(context, step):
        send = _send(context, event, step)
        record = _event(context, event)
        events.append(record._replace(headers=send.forwarded(record.headers)))
        sends.append(send)
    return StepRecords([*events, *_tracked_rows(context, shard, step), *_state_rows(context, shard, step)], sends)


def cursor_record(codec: Codec, partition: Partition, cursor: cursors.Cursor, set_name: str = "") -> Outgoing:
    key = f"{_CURSOR_KEY}{set_name}" if set_name else cursors.KEY
    return _row(codec, partition, key, RowKind.CURSOR, cursor.pack())


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
        _delete(state, key)
        return
    try:
        row = codec.decode_any(record.topic, record.value)
        _put(state, key, row["kind"], row["version"], row["body"])
    except (ValueError, Undecodable) as error:
        message = f"{record.at}, offset {record.offset}: {error}; run a release that reads it"
        raise StateUnreadableError(message) from error


def _delete(state: ShardState, key: str) -> None:
    if key.startswith(_EVENTS_KEY):
        state.put_event_ids(key.removeprefix(_EVENTS_KEY), None)
    elif key.startswith(_SET_KEY):
        name, row_key = _place_in_set(key)
        state.sets[name].put(row_key, None)
    else:
        state.put_order(key, None)


def _put(state: ShardState, key: str, kind: str, version: int, body: bytes) -> None:
    """Take over a row; it is unpacked, so that the error names the place of a broken one. Raises `ValueError`."""
    match kind if version == ROW_VERSION else None:
        case RowKind.CURSOR if key.startswith(_CURSOR_KEY):
            state.sets[key.removeprefix(_CURSOR_KEY)].cursor = unpack_cursor(body)
        case RowKind.CURSOR:
            state.cursor = unpack_cursor(body)
        case RowKind.EVENTS:
            unpack_event_ids(body)
            state.put_event_ids(key.removeprefix(_EVENTS_KEY), body)
        case RowKind.SET_ROW:
            unpack_known_row(body)
            name, row_key = _place_in_set(key)
            state.sets[name].put(row_key, body)
        case RowKind.ORDER:
            unpack_last_published(body)
            state.put_order(key, body)
        case RowKind.BUDGET:
            pass  # of whoever sends requests; see `BudgetRows`
        case _:
            raise ValueError(f"{kind} of version {version} is of a later release")


def _place_in_set(key: str) -> tuple[str, str]:
    """(the set's name, the row's key in it)."""
    name, _, row_key = key.removeprefix(_SET_KEY).partition(":")
    return name, row_key


def step_events(context: PollerContext, step: Step) -> Iterator[StepEvent]:
    """Each topic gets the events of its schema's kind; topics are in the sequence of ``publishes``."""
    for topic in context.spec.publishes:
        events_in = kind_of(context.codec.schemas[topic].today.name).update_events
        if events_in is None:
            continue  # a topic of no poller's kind
        for update in step.all_updates:
            contents = events_in(context.spec.vendor, update)
            yield from (StepEvent(topic, content, update) for content in contents)


def _send(context: PollerContext, event: StepEvent, step: Step) -> SendSpan:
    look = event.update.look
    order_id = event.data.get("order_id") if look is None else look.order_id
    poll = step.poll if look is None else look.poll
    return context.tracing.send(event.topic, order_id, event.update.order_context, poll=poll)


def _event(context: PollerContext, event: StepEvent) -> Outgoing:
    topic, data, update = event
    schema, observed = context.codec.schemas[topic].today, _time(data["observed_at"])
    key = kind_of(schema.name).key_of(data)
    headers = event_headers(schema.tree.name, data, key, observed, update.order_context)
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
            repeats = (REPEATS, b"%d" % row.offset)
            yield Outgoing(partition, key.encode(), row.content, (*headers, *row.carried, repeats))
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
            yield _row(codec, partition, update.key, RowKind.ORDER, update.last_published.pack())
        if update.event_ids is not None:
            yield _row(codec, partition, events_key, RowKind.EVENTS, update.event_ids.pack())
    for one in step.rows:
        key = f"{_SET_KEY}{one.set_name}:{one.key}"
        tombstone = Outgoing(partition, key.encode(), None)
        yield tombstone if one.row is None else _row(codec, partition, key, RowKind.SET_ROW, one.row)
    yield cursor_record(codec, partition, step.cursor, step.set_name)


def _row(codec: Codec, partition: Partition, key: str, kind: RowKind, body: bytes) -> Outgoing:
    data = {"kind": kind, "version": ROW_VERSION, "body": body}
    return Outgoing(partition, key.encode(), codec.encode(partition.topic, data))


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
