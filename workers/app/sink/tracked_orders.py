"""What a sink's deliveries leave behind at the vendor: kept with each delivery, read at each assignment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workers.app.events.schema_waits import ASK_AGAIN_S, learn_to_write
from workers.app.events.tracked_rows import decode_tracked, tracked_row
from workers.app.sink.shard import Shard
from workers.app.sink.state import SinkState
from workers.app.sink.write_queue import WriteQueue
from workers.core.consume.lanes import Entry
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.core.poll.compacted_rows import CompactedRows
from workers.core.record import Partition, Record
from workers.edges.aio import task_error
from workers.edges.avro.codec import Codec
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.table import KafkaTable
from workers.edges.kafka.transactions import Outgoing
from workers.edges.log import log
from workers.edges.telemetry import traceparent_of


@dataclass(frozen=True, slots=True)
class Tracking:
    """Keeps the marks of one sink's orders: in memory, and as rows to be written."""

    codec: Codec
    topic: str
    wall_ms: Callable[[], int]

    def remember(self, shard: Shard, entry: Entry, mark: Mark) -> Outgoing:
        """Keep the mark in memory, and return its row; it is to be written before the record's offset is committed."""
        now_ms, before = self.wall_ms(), shard.tracked.get(entry.order_id)
        canceled = before.canceled_at_ms if before is not None else None
        tracked = Tracked(
            order_number=mark.order_number,
            order_id=entry.order_id,
            since_ms=now_ms if before is None else before.since_ms,
            content_hash=mark.content_hash,
            canceled_at_ms=(canceled or now_ms) if mark.canceled else None,
            traceparent=traceparent_of(entry.record),
        )
        shard.tracked[entry.order_id] = tracked
        return tracked_row(self.codec, Partition(self.topic, shard.number), tracked, now_ms)


class Marks:
    """The marks of a running sink: read at each assignment, written with each delivery. Idle for sinks without."""

    def __init__(
        self,
        state: SinkState,
        codec: Codec,
        queue: WriteQueue,
        table: KafkaTable | None,
        failed: Callable[[Exception], None],
    ) -> None:
        """``failed`` is told of what ended the reading: without it no order of the shard would ever be sent."""
        self._state = state
        self._codec = codec
        self._tracking = None if state.spec.tracks is None else Tracking(codec, state.spec.tracks, state.wall_ms)
        self._queue = queue
        self._table = table
        self._failed = failed
        self._rows: TrackedRows | None = None

    async def start(self) -> None:
        """Learn how to write rows, waiting for the registry if there is one; then be ready to read."""
        if self._table is None or self._tracking is None:
            return
        topic = self._tracking.topic
        await learn_to_write(self._codec, [topic], topic=topic)
        self._table.start()

    async def stop(self, within: float) -> None:
        self._close_rows()
        if self._table is not None:
            await self._table.stop(within)

    def follow(self, shards: Mapping[int, Shard], loaded: Callable[[Shard], None]) -> None:
        """Read the marks of these shards."""
        if self._table is None:
            return
        self._close_rows()
        self._rows = TrackedRows(self._codec, shards, loaded, self._failed)
        self._table.follow(frozenset(shards), self._rows)

    def delivered(self, entry: Entry, mark: Mark) -> bool:
        """Write the mark; True: the record finishes with it. False when the shard has been given away since."""
        shard = self._state.shard_of(entry)
        if self._tracking is None or shard is None:
            return False
        self._queue.tracked(shard.number, entry, self._tracking.remember(shard, entry, mark))
        return True

    def _close_rows(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._rows = None


class TrackedRows:
    """Reads the rows of one assignment into its shards; implements the table's `Reader`.

    The poller ends orders here while we save them: it settles the row that it knows, no newer one (`CompactedRows`).
    """

    def __init__(
        self,
        codec: Codec,
        shards: Mapping[int, Shard],
        loaded: Callable[[Shard], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._codec = codec
        self._failed = failed
        self._shards = shards
        self._loaded = loaded
        # By order number: a tombstone has only that.
        self._standing = {number: CompactedRows[Tracked]() for number in shards}
        self._waiting: asyncio.Queue[Callable[[], None] | tuple[Shard, Record]] = asyncio.Queue()
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self._reading.add_done_callback(self._ended)

    def rows(self, number: int, records: list[Record]) -> None:
        for record in records:
            self._waiting.put_nowait((self._shards[number], record))

    def loaded(self, number: int) -> None:
        self._waiting.put_nowait(lambda: self._loaded(self._shards[number]))

    def close(self) -> None:
        self._reading.cancel()

    def _ended(self, reading: asyncio.Task[None]) -> None:
        if (fault := task_error(reading)) is not None:
            self._failed(fault)

    async def _read(self) -> None:
        while True:
            next_one = await self._waiting.get()
            if isinstance(next_one, tuple):
                await self._row(*next_one)
            else:
                next_one()

    async def _row(self, shard: Shard, record: Record) -> None:
        number = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._end(shard, record, number)
            return
        tracked = await self._decode(record)
        if tracked is None:
            return
        mark = shard.tracked.get(tracked.order_id)
        if not self._standing[shard.number].put(record, number, mark if mark == tracked and mark else tracked):
            return
        if not shard.tracked_loaded or mark is None:  # else it is our own, known before it was written, or an older one
            shard.tracked[tracked.order_id] = tracked

    def _end(self, shard: Shard, record: Record, number: str) -> None:
        """The poller has done with the order; should it come again, the vendor is asked for it.

        A mark that is newer than the row which ends stays: its own row is on its way.
        """
        standing = self._standing[shard.number]
        row = standing.rows.get(number)
        if row is not None and standing.end(record, number) and shard.tracked.get(row.content.order_id) == row.content:
            del shard.tracked[row.content.order_id]

    async def _decode(self, record: Record) -> Tracked | None:
        while True:
            try:
                return await decode_tracked(self._codec, record.topic, record.value or b"")
            except RegistryUnavailable as error:
                log.warning("registry_unavailable", topic=record.topic, detail=str(error))
                await asyncio.sleep(ASK_AGAIN_S)
            except Undecodable as error:
                log.error("tracked_order_unreadable", partition=str(record.at), offset=record.offset, detail=str(error))
                return None
