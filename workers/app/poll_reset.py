"""Moves a poller's cursor: in one transaction under its own name, so that it may go on running."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.app.configuration import Configuration
from workers.app.poll_rows import cursor_record, load_state
from workers.app.topology import PollerSpec
from workers.core.cursor import reset
from workers.core.record import Partition
from workers.edges.avro import Codec
from workers.edges.kafka_client import KafkaFailed
from workers.edges.kafka_target import Transactions


@dataclass(frozen=True, slots=True)
class Moved:
    """One shard's cursor, before and after; milliseconds since 1970."""

    shard: int
    before_ms: int
    after_ms: int


async def reset_poller(configuration: Configuration, spec: PollerSpec, codec: Codec, to_ms: int) -> list[Moved]:
    """Move every shard's cursor back to ``to_ms``; raises `KafkaFailed`.

    What the shadows know is not published again. A running poller is shut out by this, reads its state
    anew with the new cursor in it, and goes on.
    """
    await codec.prepare([spec.state])
    shards = range(configuration.topology.topics[spec.state].partitions)
    return [await _reset(configuration, spec, codec, number, to_ms) for number in shards]


async def _reset(configuration: Configuration, spec: PollerSpec, codec: Codec, number: int, to_ms: int) -> Moved:
    kafka, at = configuration.settings.kafka, Partition(spec.state, number)
    transactions = Transactions(kafka, spec.transactional_id(number))
    try:
        await transactions.open()
        cursor = (await load_state(codec, kafka, at)).cursor
        if cursor is None:
            where = "its 'lookback' says where it begins" if spec.follows is None else "it begins with all its orders"
            raise KafkaFailed(f"shard {number} of {spec.name} has never polled; {where}")
        if to_ms >= cursor.at_ms:
            raise KafkaFailed(f"shard {number} of {spec.name} is not so far yet: forward it would lose changes")
        # One that looks at orders one by one has looked at none since: each is due again.
        moved = reset(cursor, to_ms) if spec.follows is None else replace(cursor, at_ms=to_ms)
        await transactions.append([cursor_record(codec, at, moved)])
    finally:
        await transactions.close()
    return Moved(number, cursor.at_ms, to_ms)
