"""The vendor's number and content hash of each order that a sink has delivered: written with each delivery, read at
each assignment. Only for sinks that track (``tracks`` in topics.yaml).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from workers.app.events.schemas import ASK_AGAIN_S
from workers.app.events.tracked_rows import decode_tracked, tracked_row
from workers.app.sink.context import SinkContext
from workers.app.sink.shard import Shard
from workers.app.sink.write_queue import Write
from workers.core.consume.lanes import Entry, Lanes
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
from workers.edges.telemetry.headers import baggage_of, traceparent_of, tracestate_of
from workers.vendors.contract import load


class LoadedShards(Protocol):
    """The intake (`workers.app.sink.intake.Intake`), which comes later in the pipe."""

    def loaded(self, shard: Shard) -> None: ...


class TrackedOrders:
    """The tracked orders of a running sink. Does nothing for a sink that tracks none."""

    def __init__(self, context: SinkContext, table: KafkaTable | None) -> None:
        self._context = context
        self._table = table
        self._rows: TrackedRows | None = None
        self._key = load(context.spec.vendor).tracked_key

    def start(self) -> None:
        """Be ready to read. The schema of the rows must have been learnt."""
        if self._table is not None:
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
        if (row := self._row_of(shard, entry, mark)) is not None:
            shard.writes.append(Write(entry=entry, extra_record=row))

    async def keep(self, shard: Shard, entry: Entry, mark: Mark) -> None:
        """Keep the mark of a delivery that is not finished; returns when its row is durable, or given away."""
        assert self._context.spec.tracks is not None, "only a sink that tracks stops at checkpoints"
        waiting = asyncio.get_running_loop().create_future()
        shard.writes.append(Write(extra_record=self._row_of(shard, entry, mark), waiting=waiting))
        await waiting

    def _row_of(self, shard: Shard, entry: Entry, mark: Mark) -> Outgoing | None:
        topic = self._context.spec.tracks
        if topic is None:
            return None
        now_ms, before = self._context.wall_ms(), shard.tracked.get(entry.order_id)
        canceled = before.canceled_at_ms if before is not None else None
        same = before if before is not None and before.order_number == mark.order_number else None
        tracked = Tracked(
            order_number=mark.order_number,
            order_id=entry.order_id,
            since_ms=now_ms if same is None else same.since_ms,
            content_hash=mark.content_hash,
            stage=mark.stage,
            canceled_at_ms=(canceled or now_ms) if mark.canceled else None,
            traceparent=traceparent_of(entry.record),
            tracestate=tracestate_of(entry.record),
            baggage=baggage_of(entry.record),
        )
        shard.track(tracked)
        return tracked_row(self._context.codec, Partition(topic, shard.number), tracked, now_ms, self._key)

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
        # By the rows' key: a tombstone has only that.
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
        key = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._end(shard, record, key)
            return
        tracked = await self._decode(record)
        if tracked is None:
            return
        known = shard.tracked.get(tracked.order_id)
        content = known if known == tracked and known else tracked  # one object for both memories
        if not self._compacted[shard.number].put(record, key, content):
            return
        if not shard.tracked_loaded or known is None:  # else it is our own row, known before it was written, or older
            shard.track(tracked)

    def _end(self, shard: Shard, record: Record, key: str) -> None:
        """The poller has ended the order; if the order comes again, the sink asks the vendor for it.

        A tracked order that is newer than the row which ends stays: its own row is queued.
        """
        compacted = self._compacted[shard.number]
        row = compacted.rows.get(key)
        ended = row is not None and compacted.end(record, key)
        if row is not None and ended and shard.tracked.get(row.content.order_id) == row.content:
            shard.forget(row.content.order_id)

    async def _decode(self, record: Record) -> Tracked | None:
        while True:
            try:
                return await decode_tracked(self._codec, record.topic, record.value or b"", record.headers)
            except RegistryUnavailable as error:
                log.warning("registry_unavailable", topic=record.topic, detail=str(error))
                await asyncio.sleep(ASK_AGAIN_S)
            except Undecodable as error:
                log.error("tracked_order_unreadable", partition=str(record.at), offset=record.offset, detail=str(error))
                return None


class HalfMade(NamedTuple):
    """The half-made orders of a sink: deliveries that have begun at the vendor and are not finished."""

    orders: int
    oldest: Tracked | None
    life_s: float | None  # None: the vendor's orders are never half made


def half_made(context: SinkContext, shards: Iterable[Shard], lanes: Lanes) -> HalfMade:
    """Count them."""
    life_s = load(context.spec.vendor).half_made_life_s
    found = [] if life_s is None else list(_half_made(shards, lanes, context.wall_ms() - life_s * 1000))
    return HalfMade(len(found), min(found, key=lambda one: one.since_ms, default=None), life_s)


def half_made_until(context: SinkContext, shards: Iterable[Shard], order_id: str) -> int | None:
    """Until when the vendor keeps what there is of the order, in milliseconds; None: it is not half made."""
    tracked = next((shard.tracked[order_id] for shard in shards if order_id in shard.half_made), None)
    return None if tracked is None else load(context.spec.vendor).half_made_until_ms(tracked.since_ms)


def _half_made(shards: Iterable[Shard], lanes: Lanes, kept_since_ms: float) -> Iterator[Tracked]:
    """One that has passed its life is at the vendor no more. It counts while its records wait here or are parked."""
    for shard in shards:
        for tracked in (shard.tracked[order_id] for order_id in shard.half_made):
            is_kept = tracked.since_ms > kept_since_ms
            if is_kept or tracked.order_id in shard.fences or tracked.order_id in lanes:
                yield tracked
