"""Commands about pollers: preview what a time range would publish, and move a cursor back."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from workers.app.config.configuration import Configuration, UnreadSet, unread_sets
from workers.app.config.specs import PollerSpec
from workers.app.events.tracked_rows import decode_tracked
from workers.app.inspect.set_preview import set_steps
from workers.app.poll.context import OrderPolling, PollerContext, SetPolling
from workers.app.poll.per_order import open_book
from workers.app.poll.rows import cursor_record, load_state, step_events
from workers.app.poll.vendor_reads import PollFailed
from workers.app.runtime.build import build_poll_tools
from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.compacted_rows import CompactedRows, apply_row
from workers.core.poll.cursor import Cursor, reset, reset_set
from workers.core.poll.read_until import ReadUntil
from workers.core.poll.step import AnsweredLook, Step
from workers.core.poll.time_range import AdaptiveWidth, TimeRange
from workers.core.poll.vendor_event import Look
from workers.core.record import Partition, Record
from workers.core.redaction import redact
from workers.edges.avro.codec import Codec
from workers.edges.avro.event_json import to_json
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client import Fenced, KafkaFailed
from workers.edges.kafka.table import read_all
from workers.edges.kafka.transactions import Transactions
from workers.vendors.contract import LoginFailed, OrderPoller, Poller, Reading

_RESETS: Final = 5  # tries


async def preview(
    configuration: Configuration, spec: PollerSpec, codec: Codec, time_range: TimeRange
) -> AsyncIterator[dict[str, Any] | UnreadSet]:
    """Each event of the time range that the poller has not published, as JSON; and the sets that are not read.

    At a vendor that shows single orders only: the events of the orders that were first tracked in the time range.
    Raises `PollFailed` and `KafkaFailed`. Only reads the state, so the poller may be running.
    """
    for unread in unread_sets(spec, configuration.credentials[spec.name]):
        yield unread
    context = build_poll_tools(spec, configuration, codec, _fail)
    try:
        for shard in range(configuration.config.topics[spec.state].partitions):
            async for step in _steps(context, shard, time_range):
                if isinstance(step, UnreadSet):
                    yield step
                    continue
                for event in step_events(context, step):
                    yield to_json(context.codec.schemas[event.topic].today.tree, event.data)
    except PollFailed as failed:  # the vendor may have repeated our key
        raise PollFailed(redact(str(failed), context.credentials.secrets)) from failed
    finally:
        await context.client.close()


def _steps(context: PollerContext, shard: int, time_range: TimeRange) -> AsyncIterator[Step | UnreadSet]:
    if isinstance(context.polling, OrderPolling):
        return _order_steps(context, context.polling, shard, time_range)
    if isinstance(context.polling, SetPolling):
        return set_steps(context, context.polling, shard, time_range)
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
            raise PollFailed(reading.reason)
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
        raise PollFailed(failed.outcome.reason) from failed
    if not isinstance(found, Look):
        raise PollFailed(f"order {order_number}: {found.reason}")
    return found


def _fail(error: Exception) -> None:
    raise error


@dataclass(frozen=True, slots=True)
class MovedShard:
    """One shard's cursor, or that of a set, before and after; milliseconds since 1970."""

    shard: int
    before_ms: int
    after_ms: int
    set_name: str = ""


@dataclass(frozen=True, slots=True)
class UnmovedShard:
    """One shard, or one set, whose cursor was not moved, and why."""

    shard: int
    why: str
    set_name: str = ""


class Reset(NamedTuple):
    moved: list[MovedShard]
    unmoved: list[UnmovedShard]


async def reset_poller(configuration: Configuration, spec: PollerSpec, codec: Codec, to_ms: int) -> Reset:
    """Move back to ``to_ms`` the cursor of every shard, or set, that is beyond it; raises `KafkaFailed` when none is.

    Published states are not published again. The transaction fences a running poller, which then reads its state with
    the new cursor, and goes on.
    """
    await codec.prepare([spec.state])
    shards = range(configuration.config.topics[spec.state].partitions)
    found = [await _reset_surely(configuration, spec, codec, shard, to_ms) for shard in shards]
    return summarize(spec.name, [one for some in found for one in some])


def summarize(poller: str, shards: Sequence[MovedShard | UnmovedShard]) -> Reset:
    """The moved and the unmoved shards; raises `KafkaFailed` when none was moved."""
    moved = [one for one in shards if isinstance(one, MovedShard)]
    unmoved = [one for one in shards if isinstance(one, UnmovedShard)]
    if not moved:
        raise KafkaFailed(f"{place_of(unmoved[0])} of {poller} {unmoved[0].why}")
    return Reset(moved, unmoved)


def place_of(one: MovedShard | UnmovedShard) -> str:
    """Whose cursor it is, for a person."""
    return f"set {one.set_name}" if one.set_name else f"shard {one.shard}"


async def _reset_surely(
    configuration: Configuration, spec: PollerSpec, codec: Codec, shard: int, to_ms: int
) -> list[MovedShard | UnmovedShard]:
    """Try again while the running poller is quicker: it takes its place back, and nothing of ours is written."""
    for _ in range(_RESETS - 1):
        with suppress(Fenced):
            return await _reset_shard(configuration, spec, codec, shard, to_ms)
    return await _reset_shard(configuration, spec, codec, shard, to_ms)


async def _reset_shard(
    configuration: Configuration, spec: PollerSpec, codec: Codec, shard: int, to_ms: int
) -> list[MovedShard | UnmovedShard]:
    kafka, partition = configuration.settings.kafka, Partition(spec.state, shard)
    transactions = Transactions(kafka, spec.transactional_id(shard))
    try:
        await transactions.open()
        state = await load_state(codec, kafka, partition)
        cursors = {name: state.sets[name].cursor for name in spec.sets} or {"": state.cursor}
        moved = {name: moved_cursor(cursor, to_ms, spec) for name, cursor in cursors.items()}
        found = {name: cursor for name, cursor in moved.items() if isinstance(cursor, Cursor)}
        if found:
            await transactions.append([cursor_record(codec, partition, one, name) for name, one in found.items()])
    finally:
        await transactions.close()
    return [_result(shard, name, cursors[name], after) for name, after in moved.items()]


def _result(shard: int, name: str, before: Cursor | None, after: Cursor | str) -> MovedShard | UnmovedShard:
    if isinstance(after, str) or before is None:
        return UnmovedShard(shard, str(after), name)
    return MovedShard(shard, before.at_ms, after.at_ms, name)


def moved_cursor(cursor: Cursor | None, to_ms: int, spec: PollerSpec) -> Cursor | str:
    """The cursor at ``to_ms``, or why it stays."""
    if cursor is None:
        begins = "it begins with all its orders" if spec.follows is not None else "its 'lookback' says where it begins"
        return f"has never polled; {begins}"
    if to_ms >= cursor.at_ms:
        return "has not come so far yet: to move it forward would lose changes"
    if spec.follows is not None:
        return replace(cursor, at_ms=to_ms)
    return reset_set(cursor, to_ms) if spec.sets else reset(cursor, to_ms)
