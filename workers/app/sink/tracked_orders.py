"""The vendor's number and content hash of each order that a sink has delivered: written with each delivery, read at
each assignment. Only for sinks that track (``tracks`` in topics.yaml).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from workers.app.events.schemas import ASK_AGAIN_S, learn_to_write
from workers.app.events.tracked_rows import decode_tracked, tracked_row
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.app.sink.write_queue import Write
from workers.core.consume.lanes import Entry
from workers.core.delivery.tracked_order import Mark, Tracked
from workers.core.poll.compacted_rows import CompactedRows
from workers.core.record import TRACESTATE, Partition, Record
from workers.edges.aio import task_error
from workers.edges.avro.codec import Codec
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.table import KafkaTable
from workers.edges.log import log
from workers.edges.telemetry import traceparent_of, tracestate_of


class LoadedShards(Protocol):
    """The intake (`workers.app.sink.intake.Intake`), which comes later in the pipe."""

    def loaded(self, shard: Shard) -> None: ...


class TrackedOrders:
    """The tracked orders of a running sink. Does nothing for a sink that tracks none."""

    def __init__(self, context: SinkContext, table: KafkaTable | None) -> None:
        self._context = context
        self._table = table
        self._rows: TrackedRows | None = None

    async def start(self) -> None:
        """Learn the schema of the rows, waiting for the registry if there is one; then be ready to read."""
        topic = self._context.spec.tracks
        if self._table is None or topic is None:
            return
        await learn_to_write(self._context.codec, [topic], topic=topic)
        self._table.start()

    async def stop(self, within: float) -> None:
        self._close_rows()
        if self._table is not None:
            await self._table.stop(within)

    def follow(self, shards: Mapping[int, Shard], intake: LoadedShards) -> None:
        """Read the tracked orders of these shards; ``intake`` goes on with each one that is loaded."""
        if self._table is None:
            return
        self._close_rows()
        self._rows = TrackedRows(self._context.codec, shards, intake, self._context.failed)
        self._table.follow(frozenset(shards), self._rows)

    def remember(self, shard: Shard, entry: Entry, mark: Mark) -> None:
        """Keep a delivery's mark in memory, and queue its row: the record's offset is committed with the row."""
        topic = self._context.spec.tracks
        if topic is None:
            return
        now_ms, before = self._context.wall_ms(), shard.tracked.get(entry.order_id)
        canceled = before.canceled_at_ms if before is not None else None
        tracked = Tracked(
            order_number=mark.order_number,
            order_id=entry.order_id,
            since_ms=now_ms if before is None else before.since_ms,
            content_hash=mark.content_hash,
            canceled_at_ms=(canceled or now_ms) if mark.canceled else None,
            traceparent=traceparent_of(entry.record),
            tracestate=tracestate_of(entry.record),
        )
        shard.tracked[entry.order_id] = tracked
        row = tracked_row(self._context.codec, Partition(topic, shard.number), tracked, now_ms)
        shard.writes.append(Write(entry=entry, extra_record=row))

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
        intake: LoadedShards,
        failed: Callable[[Exception], None],
    ) -> None:
        """``failed`` takes the error that ended the reading: without it no order of the shard would ever be sent."""
        self._codec = codec
        self._failed = failed
        self._shards = shards
        self._intake = intake
        # By order number: a tombstone has only that.
        self._compacted = {number: CompactedRows[Tracked]() for number in shards}
        self._waiting: asyncio.Queue[tuple[Shard, Record | None]] = asyncio.Queue()  # None: the shard is loaded
        self._reading = asyncio.get_running_loop().create_task(self._read())
        self._reading.add_done_callback(self._ended)

    def rows(self, number: int, records: list[Record]) -> None:
        for record in records:
            self._waiting.put_nowait((self._shards[number], record))

    def loaded(self, number: int) -> None:
        self._waiting.put_nowait((self._shards[number], None))

    def close(self) -> None:
        self._reading.cancel()

    def _ended(self, reading: asyncio.Task[None]) -> None:
        if (fault := task_error(reading)) is not None:
            self._failed(fault)

    async def _read(self) -> None:
        while True:
            shard, record = await self._waiting.get()
            if record is not None:
                await self._row(shard, record)
            else:
                shard.tracked_loaded = True
                self._intake.loaded(shard)

    async def _row(self, shard: Shard, record: Record) -> None:
        order_number = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._end(shard, record, order_number)
            return
        tracked = await self._decode(record)
        if tracked is None:
            return
        known = shard.tracked.get(tracked.order_id)
        content = known if known == tracked and known else tracked  # one object for both memories
        if not self._compacted[shard.number].put(record, order_number, content):
            return
        if not shard.tracked_loaded or known is None:  # else it is our own row, known before it was written, or older
            shard.tracked[tracked.order_id] = tracked

    def _end(self, shard: Shard, record: Record, order_number: str) -> None:
        """The poller has ended the order; if the order comes again, the sink asks the vendor for it.

        A tracked order that is newer than the row which ends stays: its own row is queued.
        """
        compacted = self._compacted[shard.number]
        row = compacted.rows.get(order_number)
        ended = row is not None and compacted.end(record, order_number)
        if row is not None and ended and shard.tracked.get(row.content.order_id) == row.content:
            del shard.tracked[row.content.order_id]

    async def _decode(self, record: Record) -> Tracked | None:
        while True:
            try:
                return await decode_tracked(self._codec, record.topic, record.value or b"", record.header(TRACESTATE))
            except RegistryUnavailable as error:
                log.warning("registry_unavailable", topic=record.topic, detail=str(error))
                await asyncio.sleep(ASK_AGAIN_S)
            except Undecodable as error:
                log.error("tracked_order_unreadable", partition=str(record.at), offset=record.offset, detail=str(error))
                return None
