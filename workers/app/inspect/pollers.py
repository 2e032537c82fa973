"""Commands about pollers: preview what a time range would publish, and move a cursor back."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from workers.app.config.configuration import Configuration
from workers.app.config.specs import PollerSpec
from workers.app.events.tracked_rows import decode_tracked
from workers.app.poll.context import OrderPolling, PollerContext
from workers.app.poll.per_order import open_book
from workers.app.poll.rows import cursor_record, load_state, step_events
from workers.app.poll.vendor_reads import PollFailed, describe_fault
from workers.app.runtime.build import build_poll_tools
from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.compacted_rows import CompactedRows, apply_row
from workers.core.poll.cursor import Cursor, reset
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.step import AnsweredLook, Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange
from workers.core.poll.vendor_event import Look
from workers.core.record import Partition, Record
from workers.edges.avro.codec import Codec
from workers.edges.avro.event_json import to_json
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.table import read_all
from workers.edges.kafka.transactions import Transactions
from workers.vendors.contract import LoginFailed, OrderPoller, Poller, Reading


async def preview(
    configuration: Configuration, spec: PollerSpec, codec: Codec, time_range: TimeRange
) -> AsyncIterator[dict[str, Any]]:
    """Each event of the time range that the poller has not published, as JSON.

    At a vendor that shows single orders only: the events of the orders that were first tracked in the time range.
    Raises `PollFailed` and `KafkaFailed`. Only reads the state, so the poller may be running.
    """
    context = build_poll_tools(spec, configuration, codec, _fail)
    try:
        for shard in range(configuration.config.topics[spec.state].partitions):
            async for step in _steps(context, shard, time_range):
                for event in step_events(context, step):
                    yield to_json(context.codec.schemas[event.topic].today.tree, event.data)
    finally:
        await context.client.close()


def _steps(context: PollerContext, shard: int, time_range: TimeRange) -> AsyncIterator[Step]:
    if isinstance(context.polling, OrderPolling):
        return _order_steps(context, context.polling, shard, time_range)
    return _window_steps(context, context.polling, shard, time_range)


async def _window_steps(
    context: PollerContext, poller: Poller, shard: int, remaining: TimeRange
) -> AsyncIterator[Step]:
    state = await load_state(context.codec, context.connection, Partition(context.spec.state, shard))
    now_ms, width = context.wall_ms(), AdaptiveWidth()
    cursor = state.cursor or Cursor(now_ms, snapshot_until_ms=now_ms, looked_ms=now_ms, swept_ms=now_ms)
    while not remaining.is_empty:
        reading = await context.client.run(poller.window(shard, width.next_range(remaining), now_ms))
        if not isinstance(reading, Reading):
            raise PollFailed(describe_fault(reading))
        assert reading.time_range is not None, "the reading of a window has its time range"
        width.one_page_held(reading.time_range)
        step = state.step(reading.orders, cursor, fields=poller.fields, now_ms=now_ms)
        state.accept(step)  # in memory only: an order that two windows show is one change
        yield step
        remaining = remaining.after(reading.time_range)


async def _order_steps(
    context: PollerContext, polling: OrderPolling, shard: int, time_range: TimeRange
) -> AsyncIterator[Step]:
    now_ms = context.wall_ms()
    state = await load_state(context.codec, context.connection, Partition(context.spec.state, shard))
    state.cursor = state.cursor or Cursor(now_ms, snapshot_until_ms=now_ms, looked_ms=0, swept_ms=0)
    rows = await _tracked_rows(context, Partition(polling.follows, shard))
    book = open_book(context, polling, state, rows, ReadUntil(now_ms))
    for row in list(rows.rows.values()):
        tracked = await _tracked(context, polling.follows, row.content)
        if time_range.start_ms <= (row.saved_ms if tracked is None else tracked.since_ms) <= time_range.end_ms:
            look = await _look(context, polling.poller, row.key)
            yield book.step([AnsweredLook(row, now_ms, look, tracked)], context.now())


async def _tracked_rows(context: PollerContext, partition: Partition) -> CompactedRows[bytes]:
    rows = CompactedRows[bytes]()

    def apply(records: list[Record]) -> None:
        for record in records:
            apply_row(rows, record)

    await read_all(context.connection, partition, apply)
    return rows


async def _tracked(context: PollerContext, topic: str, value: bytes) -> Tracked | None:
    """None: the row is unreadable, which prevents no look."""
    try:
        return await decode_tracked(context.codec, topic, value)
    except Undecodable:
        return None
    except RegistryUnavailable as error:
        raise KafkaFailed(f"{topic}: {error}") from error


async def _look(context: PollerContext, poller: OrderPoller, order_number: str) -> Look:
    try:
        found = await context.client.run(poller.look(order_number))
    except LoginFailed as failed:
        raise PollFailed(describe_fault(failed.outcome)) from failed
    if not isinstance(found, Look):
        raise PollFailed(f"order {order_number}: {describe_fault(found)}")
    return found


def _fail(error: Exception) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class MovedShard:
    """One shard's cursor, before and after; milliseconds since 1970."""

    shard: int
    before_ms: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class UnmovedShard:
    """One shard whose cursor was not moved, and why."""

    shard: int
    why: str


class Reset(NamedTuple):
    moved: list[MovedShard]
    unmoved: list[UnmovedShard]


async def reset_poller(configuration: Configuration, spec: PollerSpec, codec: Codec, to_ms: int) -> Reset:
    """Move back to ``to_ms`` the cursor of every shard that is beyond it; raises `KafkaFailed` when none is.

    Published states are not published again. The transaction fences a running poller, which then reads its state with
    the new cursor, and goes on.
    """
    await codec.prepare([spec.state])
    shards = range(configuration.config.topics[spec.state].partitions)
    return summarize(spec.name, [await _reset_shard(configuration, spec, codec, shard, to_ms) for shard in shards])


def summarize(poller: str, shards: Sequence[MovedShard | UnmovedShard]) -> Reset:
    """The moved and the unmoved shards; raises `KafkaFailed` when none was moved."""
    moved = [one for one in shards if isinstance(one, MovedShard)]
    unmoved = [one for one in shards if isinstance(one, UnmovedShard)]
    if not moved:
        raise KafkaFailed(f"shard {unmoved[0].shard} of {poller} {unmoved[0].why}")
    return Reset(moved, unmoved)


async def _reset_shard(
    configuration: Configuration, spec: PollerSpec, codec: Codec, shard: int, to_ms: int
) -> MovedShard | UnmovedShard:
    kafka, partition = configuration.settings.kafka, Partition(spec.state, shard)
    transactions = Transactions(kafka, spec.transactional_id(shard))
    try:
        await transactions.open()
        cursor = (await load_state(codec, kafka, partition)).cursor
        moved = _moved(cursor, to_ms, by_orders=spec.follows is not None)
        if isinstance(moved, str) or cursor is None:
            return UnmovedShard(shard, str(moved))
        await transactions.append([cursor_record(codec, partition, moved)])
    finally:
        await transactions.close()
    return MovedShard(shard, cursor.at_ms, to_ms)


def _moved(cursor: Cursor | None, to_ms: int, *, by_orders: bool) -> Cursor | str:
    """The cursor at ``to_ms``, or why it stays."""
    if cursor is None:
        begins = "it begins with all its orders" if by_orders else "its 'lookback' says where it begins"
        return f"has never polled; {begins}"
    if to_ms >= cursor.at_ms:
        return "has not come so far yet: to move it forward would lose changes"
    return replace(cursor, at_ms=to_ms) if by_orders else reset(cursor, to_ms)
