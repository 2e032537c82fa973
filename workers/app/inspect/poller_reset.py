"""Moves a poller's cursor: in one transaction under its own name, so that it may go on running."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.app.config.configuration import Configuration
from workers.app.config.specs import PollerSpec
from workers.app.poll.rows import cursor_record, load_state
from workers.core.poll.cursor import reset
from workers.core.record import Partition
from workers.edges.avro.codec import Codec
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.transactions import Transactions


@dataclass(frozen=True, slots=True)
class Moved:
    """One shard's cursor, before and after; milliseconds since 1970."""

    shard: int
    before_ms: int
    after_ms: int


@dataclass(frozen=True, slots=True)
class Unmoved:
    """One shard that stays where it is, and why."""

    shard: int
    why: str


async def reset_poller(
    configuration: Configuration, spec: PollerSpec, codec: Codec, to_ms: int
) -> tuple[list[Moved], list[Unmoved]]:
    """Move back to ``to_ms`` the cursor of every shard that is beyond it; raises `KafkaFailed` when none is.

    What the shadows know is not published again. A running poller is shut out by this, reads its state
    anew with the new cursor in it, and goes on.
    """
    await codec.prepare([spec.state])
    shards = range(configuration.config.topics[spec.state].partitions)
    found = [await _reset(configuration, spec, codec, number, to_ms) for number in shards]
    moved = [one for one in found if isinstance(one, Moved)]
    unmoved = [one for one in found if isinstance(one, Unmoved)]
    if not moved:
        raise KafkaFailed(f"shard {unmoved[0].shard} of {spec.name} {unmoved[0].why}")
    return moved, unmoved


async def _reset(
    configuration: Configuration, spec: PollerSpec, codec: Codec, number: int, to_ms: int
) -> Moved | Unmoved:
    kafka, at = configuration.settings.kafka, Partition(spec.state, number)
    transactions = Transactions(kafka, spec.transactional_id(number))
    try:
        await transactions.open()
        cursor = (await load_state(codec, kafka, at)).cursor
        if cursor is None:
            where = "its 'lookback' says where it begins" if spec.follows is None else "it begins with all its orders"
            return Unmoved(number, f"has never polled; {where}")
        if to_ms >= cursor.at_ms:
            return Unmoved(number, "is not so far yet: forward it would lose changes")
        # One that looks at orders one by one has looked at none since: each is due again.
        moved = reset(cursor, to_ms) if spec.follows is None else replace(cursor, at_ms=to_ms)
        await transactions.append([cursor_record(codec, at, moved)])
    finally:
        await transactions.close()
    return Moved(number, cursor.at_ms, to_ms)
