"""What looks at a shard's orders would give, without publishing anything."""

from __future__ import annotations

from collections.abc import AsyncIterator

from workers.app.events.tracked_rows import decode_tracked
from workers.app.poll.context import PollerContext
from workers.app.poll.per_order import book_of
from workers.app.poll.rows import load_state
from workers.app.poll.vendor_reads import PollFailed, words
from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.compacted_rows import CompactedRows, take
from workers.core.poll.cursor import Cursor
from workers.core.poll.order_look import Looked
from workers.core.poll.shard_state import Step
from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_event import Look
from workers.core.record import Partition, Record
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.table import read_all
from workers.vendors.contract import LoginFailed


async def look_at_orders(tools: PollerContext, number: int, span: TimeRange) -> AsyncIterator[Step]:
    """A step for each order that was first tracked in the span; raises `PollFailed` and `KafkaFailed`."""
    spec, now_ms = tools.spec, tools.wall_ms()
    assert spec.follows is not None, "its orders are those of a topic"
    state = await load_state(tools.codec, tools.connection, Partition(spec.state, number))
    state.cursor = state.cursor or Cursor(now_ms, snapshot_until_ms=now_ms, looked_ms=0, swept_ms=0)
    rows = await _rows(tools, Partition(spec.follows, number))
    book = book_of(tools, state, rows)
    for row in list(rows.rows.values()):
        tracked = await _tracked(tools, spec.follows, row.content)
        if span.start_ms <= (row.saved_ms if tracked is None else tracked.since_ms) <= span.end_ms:
            look = await _look(tools, row.key)
            looked = Looked(row.key, row.offset, row.saved_ms, now_ms, look, tracked)
            yield book.step([looked], state.cursor, tools.wall_ms())


async def _rows(tools: PollerContext, at: Partition) -> CompactedRows[bytes]:
    rows = CompactedRows[bytes]()

    def take_in(records: list[Record]) -> None:
        for record in records:
            take(rows, record)

    await read_all(tools.connection, at, take_in)
    return rows


async def _tracked(tools: PollerContext, topic: str, value: bytes) -> Tracked | None:
    try:
        return await decode_tracked(tools.codec, topic, value)
    except Undecodable:
        return None  # it is looked at all the same
    except RegistryUnavailable as error:
        raise KafkaFailed(f"{topic}: {error}") from error


async def _look(tools: PollerContext, number: str) -> Look:
    try:
        found = await tools.client.run(tools.orders.look(number))
    except LoginFailed as failed:
        raise PollFailed(words(failed.outcome)) from failed
    if not isinstance(found, Look):
        raise PollFailed(f"order {number}: {words(found)}")
    return found
