"""Parked records of an order, delivered again in their first order.

When the create of an order that the vendor did not know has been delivered, the statuses that were parked for
it follow. Until the last of them is done the fence stays, so whatever comes meanwhile is parked behind and
follows too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from workers.app.parking import ParkQueue
from workers.app.shard import Shard
from workers.app.state import SinkState
from workers.core.fence import Fence
from workers.core.lanes import Entry
from workers.core.parked import Parking, source_record
from workers.core.record import Partition, Record
from workers.edges.avro import Codec, UnknownSchema
from workers.edges.avro_reader import Undecodable
from workers.edges.kafka_client import KafkaConnection, KafkaFailed
from workers.edges.kafka_table import read_range
from workers.edges.log import log
from workers.edges.registry import RegistryUnavailable

_AGAIN = 5.0


@dataclass(slots=True, eq=False)
class Run:
    """One order's redelivery. ``places``: offset in the parked topic of each record still to be delivered."""

    shard: Shard
    order_id: str
    entries: deque[tuple[int, Entry]] = field(default_factory=deque)
    read_to: int = -1  # the last offset of the parked topic that has been read


class Redelivery:
    """Delivers an order's parked records through its lane, one after another."""

    def __init__(
        self,
        state: SinkState,
        queue: ParkQueue,
        connection: KafkaConnection,
        codec: Codec,
        *,
        pump: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._state = state
        self._queue = queue
        self._connection = connection
        self._codec = codec
        self._pump = pump
        self._wake = wake
        self._runs: dict[str, Run] = {}
        self._readers: set[asyncio.Task[None]] = set()

    def delivered(self, entry: Entry) -> bool:
        """A record has been delivered: it may be one of a run, or the create that mends its order's fence.

        True when the record finishes with what is written here: a create that was finished before its fence is
        marked as mended would leave the statuses parked for good if we died between.
        """
        shard = self._state.shard_of(entry)
        if shard is None:
            return False
        if entry.replay:
            self._next(entry)
            return False
        fence = shard.fences.get(entry.order_id)
        if fence is None or not entry.opens or entry.order_id in self._runs:
            return False
        shard.fences[entry.order_id] = replace(fence, mended=True)
        self._queue.fence_changed(shard.number, entry.order_id, entry)
        self._wake()
        self._start(Run(shard, entry.order_id))
        return True

    def loaded(self, shard: Shard) -> None:
        """Go on with what a former owner did not end."""
        for order_id, fence in shard.fences.items():
            if fence.mended and order_id not in self._runs:
                self._start(Run(shard, order_id))

    def parked_again(self, entry: Entry, parking: Parking) -> None:
        """A record of a run failed: it and what follows stay parked, with the new reason."""
        run = self._runs.pop(entry.order_id, None)
        if run is None or not run.entries:
            return
        place = run.entries[0][0]
        fence = run.shard.fences[entry.order_id]
        run.shard.fences[entry.order_id] = replace(
            fence, reason=parking.reason, detail=parking.detail, first=place, mended=False
        )
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._wake()

    def forget(self) -> None:
        for reader in self._readers:
            reader.cancel()
        self._runs.clear()

    def _start(self, run: Run) -> None:
        self._runs[run.order_id] = run
        reader = asyncio.get_running_loop().create_task(self._read(run))
        self._readers.add(reader)
        reader.add_done_callback(self._read_ended)

    def _read_ended(self, reader: asyncio.Task[None]) -> None:
        self._readers.discard(reader)
        if not reader.cancelled() and (error := reader.exception()) is not None:
            log.error("redelivery_failed", worker=self._state.spec.name, error=type(error).__name__)

    async def _read(self, run: Run) -> None:
        """Read what is parked of the order beyond what has been read, and send it on its way."""
        while run.shard is self._state.shards.get(run.shard.number):
            fence = run.shard.fences[run.order_id]
            if self._queue.holds(run.order_id) or fence.first is None or fence.last is None:
                await asyncio.sleep(0.05)  # its records are on their way into the parked topic
                continue
            if fence.last <= run.read_to:
                self._finish(run)
                return
            try:
                await self._read_more(run, fence)
            except (KafkaFailed, TimeoutError) as error:
                log.warning("redelivery_waits", worker=self._state.spec.name, detail=str(error))
                await asyncio.sleep(_AGAIN)
                continue
            if run.entries:
                self._state.lanes.add(run.entries[0][1])
                self._pump()
                return

    async def _read_more(self, run: Run, fence: Fence) -> None:
        first = max(fence.first or 0, run.read_to + 1)
        at = Partition(self._state.spec.parks, run.shard.number)
        may_be = partial(self._is_of, run.order_id)
        found = await read_range(self._connection, at, first, fence.last or 0, may_be)
        for record in found:
            await self._learn(record)
        found = [record for record in found if may_be(record)]
        run.read_to = fence.last or 0
        run.entries.extend((record.offset, self._entry(run, record)) for record in _once(found))

    def _is_of(self, order_id: str, parked: Record) -> bool:
        """As when it was fetched, its value tells the order; its key may be missing, or another's."""
        try:
            topic = source_record(parked).topic
        except ValueError as error:  # not parked by us: what it should be delivered as is not to be told
            log.error("parked_record_foreign", partition=str(parked.at), offset=parked.offset, detail=str(error))
            return False
        try:
            return self._codec.order_id(topic, parked.value or b"") == order_id
        except UnknownSchema:
            return True  # perhaps
        except (Undecodable, ValueError, KeyError):
            return parked.key == order_id.encode()

    async def _learn(self, parked: Record) -> None:
        """Lanes take only what can be decoded at once; raises `KafkaFailed` while the registry does not answer."""
        try:
            self._codec.order_id(source_record(parked).topic, parked.value or b"")
        except UnknownSchema as unknown:
            try:
                await self._codec.learn(unknown.schema_id)
            except RegistryUnavailable as error:
                raise KafkaFailed(str(error)) from error
        except (Undecodable, ValueError, KeyError):
            return  # lanes park it again, and say why

    def _entry(self, run: Run, parked: Record) -> Entry:
        record = source_record(parked)
        return Entry(
            record=record,
            order_id=run.order_id,
            opens=record.topic in self._state.opening,
            ledger=run.shard.replays,
            size=0,
            replay=True,
        )

    def _next(self, entry: Entry) -> None:
        run = self._runs.get(entry.order_id)
        if run is None:
            return
        run.entries.popleft()
        if run.entries:
            self._progress(run, run.entries[0][0])
            self._state.lanes.add(run.entries[0][1])
        else:
            self._start(run)  # look whether more was parked behind meanwhile

    def _progress(self, run: Run, place: int) -> None:
        """What has been delivered is not delivered again after a restart."""
        fence = run.shard.fences[run.order_id]
        run.shard.fences[run.order_id] = replace(fence, first=place, records=max(1, fence.records - 1))
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._wake()

    def _finish(self, run: Run) -> None:
        """Nothing of the order is parked any more: its fence ends."""
        del self._runs[run.order_id]
        del run.shard.fences[run.order_id]
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._wake()
        log.info("order_released", worker=self._state.spec.name, order_id=run.order_id)


def _once(records: list[Record]) -> list[Record]:
    """Two parked records with the same source coordinates are one: a transaction whose end was lost ran twice."""
    seen: dict[tuple[str, int, int], Record] = {}
    for parked in records:
        source = source_record(parked)
        seen.setdefault((source.topic, source.partition, source.offset), parked)
    return list(seen.values())
