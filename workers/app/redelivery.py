"""Parked records of an order, delivered again in their first order.

It begins when the create of an order that the vendor did not know has been delivered, or when a person asks.
Until the last record is done the fence stays, so whatever comes meanwhile is parked behind and follows too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from workers.app.parking import ParkQueue
from workers.app.shard import Shard
from workers.app.state import SinkState
from workers.core.fence import Fence, ParkReason
from workers.core.lanes import Entry
from workers.core.parked import Parking, is_original, order_of, source_record
from workers.core.record import Partition, Record
from workers.edges.avro import Codec, UnknownSchema
from workers.edges.avro_reader import Undecodable
from workers.edges.kafka_client import KafkaConnection, KafkaFailed
from workers.edges.kafka_parked import ParkedReader, Wave
from workers.edges.log import log
from workers.edges.registry import RegistryUnavailable

MOST_AT_ONCE = 2_000  # orders whose parked records are in memory; more wait as names alone
_NAP = 0.05
_AGAIN = 5.0


@dataclass(slots=True, eq=False)
class Run:
    """One order's redelivery."""

    shard: Shard
    order_id: str
    command: str | None = None  # who asked; None: the order's create
    resumed: bool = False  # a former owner began it: what it sent last may have been applied
    entries: deque[tuple[int, Entry]] = field(default_factory=deque)  # with their places in the parked topic
    read_to: int = -1  # the last offset of the parked topic that has been read
    seen: set[tuple[str, int]] = field(default_factory=set)  # source coordinates


class Redelivery:
    """Delivers orders' parked records through their lanes, one after another, many orders at once."""

    def __init__(
        self,
        state: SinkState,
        queue: ParkQueue,
        connection: KafkaConnection,
        codec: Codec,
        *,
        pump: Callable[[], None],
        wake: Callable[[], None],
        ended: Callable[[Shard, str], None],
    ) -> None:
        """``ended`` is told of each order whose run is over, however it went."""
        self._state = state
        self._queue = queue
        self._reader = ParkedReader(connection)
        self._codec = codec
        self._pump = pump
        self._wake = wake
        self._ended = ended
        self._runs: dict[str, Run] = {}
        self._unread: dict[int, deque[Run]] = {}  # by partition number, those with something to read
        self._flying = 0  # runs with entries
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Read what is to be delivered, a wave at a time, until cancelled."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                await self._round()
        finally:
            await self._reader.close()

    async def _round(self) -> None:
        """One wave of each partition; those that wait for room, or for their records to arrive, are looked at again."""
        read = False
        for number in list(self._unread):
            if wave := self._next_wave(number):
                await self._read(wave)
                read = True
        if any(self._unread.values()):
            self._wanted.set()
            if not read:
                await asyncio.sleep(_NAP)

    def ask(self, shard: Shard, order_id: str, command: str, *, resumed: bool) -> None:
        """A person wants this parked order delivered again; one that is under way already goes on."""
        run = self._runs.get(order_id)
        if run is not None:
            run.command = command
            return
        self._start(Run(shard, order_id, command, resumed))

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
        if fence.passes:
            return False  # what is parked is older, and was refused for itself: delivered now it would undo this create
        shard.fences[entry.order_id] = replace(fence, mended=True)
        self._queue.fence_changed(shard.number, entry.order_id, entry)
        self._wake()
        self._start(Run(shard, entry.order_id))
        return True

    def loaded(self, shard: Shard) -> None:
        """Go on with what a former owner did not end."""
        for order_id, fence in shard.fences.items():
            if fence.mended and order_id not in self._runs:
                self._start(Run(shard, order_id, resumed=True))

    def parked_again(self, entry: Entry, parking: Parking) -> None:
        """A record of a run was refused: it and what follows stay parked, with the new reason."""
        run = self._runs.get(entry.order_id)
        if run is None or not run.entries or self._state.shard_of(entry) is not run.shard:
            return
        place = run.entries[0][0]
        fence = run.shard.fences[run.order_id].refused(parking.reason, parking.detail, place, run.command)
        run.shard.fences[run.order_id] = fence
        copy = replace(parking, replays=fence.replays)
        self._queue.park_again(run.shard.number, run.order_id, entry, copy)
        self._flying -= 1
        self._close(run)

    def has(self, order_id: str) -> bool:
        """Whether the order's parked records are being delivered."""
        return order_id in self._runs

    def forget(self) -> None:
        """The partitions are given away: their next owner goes on."""
        self._runs.clear()
        self._unread.clear()
        self._flying = 0

    def _start(self, run: Run) -> None:
        self._runs[run.order_id] = run
        self._await_reading(run)

    def _await_reading(self, run: Run) -> None:
        self._unread.setdefault(run.shard.number, deque()).append(run)
        self._wanted.set()

    def _next_wave(self, number: int) -> list[Run]:
        """The next runs of one partition to be read together; those that have nothing more parked end here."""
        unread = self._unread.get(number)
        room = MOST_AT_ONCE - self._flying
        if not unread or room < MOST_AT_ONCE // 2:
            return []
        wave: list[Run] = []
        for _ in range(len(unread)):
            run = unread.popleft()
            fence = run.shard.fences[run.order_id]
            if self._queue.holds(run.order_id) or fence.first is None or fence.last is None:
                unread.append(run)
            elif fence.last <= run.read_to:
                self._finish(run)
            else:
                wave.append(run)
                if len(wave) >= room:
                    break
        return wave

    async def _read(self, wave: list[Run]) -> None:
        """Read what is parked of these orders beyond what has been read, and send it on its way."""
        number = wave[0].shard.number
        spans = {run.order_id: self._span(run) for run in wave}
        try:
            found = await self._reader.read(Partition(self._state.spec.parks, number), spans)
            sources = await self._sources(found.records)
        except (KafkaFailed, RegistryUnavailable) as error:
            log.warning("redelivery_waits", worker=self._state.spec.name, detail=str(error))
            await asyncio.sleep(_AGAIN)
            found, sources = Wave([], -1), []
        going = {run.order_id: run for run in wave if self._runs.get(run.order_id) is run}
        for parked, source in sources:
            run = going.get(order_of(parked))
            if run is not None:
                self._take(run, parked, source)
        for order_id, run in going.items():
            run.read_to = max(run.read_to, min(spans[order_id][1], found.reached))
            self._send_on(run)
        self._pump()

    async def _sources(self, records: list[Record]) -> list[tuple[Record, Record]]:
        """Each parked record with the one that its source had; raises `RegistryUnavailable`."""
        found = []
        for parked in filter(is_original, records):
            try:
                source = source_record(parked)
            except ValueError as error:  # somebody else's record, in our topic
                where = {"partition": str(parked.at), "offset": parked.offset}
                log.error("parked_record_unreadable", worker=self._state.spec.name, detail=str(error), **where)
                continue
            await self._learn(source)
            found.append((parked, source))
        return found

    async def _learn(self, source: Record) -> None:
        """Lanes take only what can be decoded at once; raises `RegistryUnavailable`."""
        try:
            self._codec.order_id(source.topic, source.value or b"")
        except UnknownSchema as unknown:
            await self._codec.learn(unknown.schema_id)
        except (Undecodable, ValueError, KeyError):
            return  # its lane parks it again, and says why

    def _span(self, run: Run) -> tuple[int, int]:
        fence = run.shard.fences[run.order_id]
        return max(fence.first or 0, run.read_to + 1), fence.last or 0

    def _take(self, run: Run, parked: Record, source: Record) -> None:
        place = source.topic, source.offset
        if place in run.seen and not _take_away(run, source):
            return  # delivered already
        entry = self._entry(run, parked, source)
        run.seen.add(place)
        run.entries.append((parked.offset, entry))

    def _entry(self, run: Run, parked: Record, source: Record) -> Entry:
        first = not run.seen
        entry = Entry(
            record=source,
            order_id=run.order_id,
            opens=source.topic in self._state.opening,
            ledger=run.shard.replays,
            size=0,
            unknown=(run.resumed and first) or parked.header("relay-reason") == ParkReason.GAVE_UP.value.encode(),
            replay=True,
        )
        if run.command is not None:  # who asks wants the answer of today: not to wait once more for a create
            entry.unknown_order_since = self._state.monotonic() - self._state.spec.unknown_order_wait
        return entry

    def _send_on(self, run: Run) -> None:
        if not run.entries:
            self._await_reading(run)
            return
        self._flying += 1
        self._state.lanes.add(run.entries[0][1])

    def _next(self, entry: Entry) -> None:
        run = self._runs.get(entry.order_id)
        if run is None or not run.entries or run.entries[0][1] is not entry:
            return
        run.entries.popleft()
        fence = run.shard.fences[run.order_id]
        if run.entries:
            self._onward(run, fence, run.entries[0][0])
            self._state.lanes.add(run.entries[0][1])
            return
        self._flying -= 1
        if fence.last is not None and fence.last <= run.read_to and not self._queue.holds(run.order_id):
            self._finish(run)
        else:  # more was parked behind meanwhile
            self._onward(run, fence, run.read_to + 1)
            self._await_reading(run)
        if self._flying <= MOST_AT_ONCE // 2:
            self._wanted.set()

    def _onward(self, run: Run, fence: Fence, place: int) -> None:
        run.shard.fences[run.order_id] = fence.onward(place)
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._wake()

    def _finish(self, run: Run) -> None:
        """Nothing of the order is parked any more: its fence ends."""
        del run.shard.fences[run.order_id]
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._close(run)
        log.debug("order_released", worker=self._state.spec.name, order_id=run.order_id)

    def _close(self, run: Run) -> None:
        del self._runs[run.order_id]
        self._wake()
        self._ended(run.shard, run.order_id)
        if self._flying <= MOST_AT_ONCE // 2:
            self._wanted.set()


def _take_away(run: Run, source: Record) -> bool:
    """Remove an earlier copy: a transaction whose end was lost ran twice, and two records of one source are one.

    The later copy counts: a new owner that begins behind the earlier one must not meet it after what followed.
    """
    kept = deque(row for row in run.entries if row[1].record != source)
    removed = len(kept) < len(run.entries)
    run.entries = kept
    return removed
