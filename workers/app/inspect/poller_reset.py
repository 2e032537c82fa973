"""Moves a poller's cursor back: in a transaction under the poller's own transactional id, so that it may be running."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from workers.app.config.configuration import Configuration
from workers.app.config.specs import PollerSpec
from workers.app.poll.rows import cursor_record, load_state
from workers.core.poll.cursor import Cursor, reset
from workers.core.record import Partition
from workers.edges.avro.codec import Codec
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.transactions import Transactions


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
    """What a reset did."""

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
