"""Parked records of an order, delivered again in their first order.

It begins when the create of an order that the vendor did not know has been delivered, or when a person asks.
Until the last record is done the fence stays, so whatever comes meanwhile is parked behind and follows too.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain

from workers.app.parked.replay_run import ReplayRun
from workers.app.sink.intake import cost
from workers.app.sink.shard import Shard
from workers.app.sink.state import SinkState
from workers.app.sink.write_queue import WriteQueue
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import ParkedOriginal, Parking, read_original
from workers.core.record import Partition, Record
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.parked_reader import Bound, ParkedReader, Wave
from workers.edges.log import log

_HEAD = 5  # bytes of a value that name a registry's schema
_NAP = 0.05
_AGAIN = 5.0
_SHARE = 0.5  # of the window's bytes, beside the window itself
_LEAST_ROOM = 0.25  # of the bounds; a wave for less would read the partition once more for few orders


class Redelivery:
    """Delivers orders' parked records through their lanes, one after another, many orders at once."""

    def __init__(
        self,
        state: SinkState,
        queue: WriteQueue,
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
        self._runs: dict[tuple[int, str], ReplayRun] = {}  # by `ReplayRun.place`
        self._unread: defaultdict[int, deque[ReplayRun]] = defaultdict(deque)  # by partition number, what is to be read
        self._flying = 0  # runs with entries
        self._bytes = 0  # that their entries keep in memory
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
        if self._unread and self._room():
            self._wanted.set()
            if not read:
                await asyncio.sleep(_NAP)  # their records are on their way into the parked topic

    def ask(self, shard: Shard, order_id: str, command: str, *, resumed: bool) -> None:
        """A person wants this parked order delivered again; one that is under way already goes on."""
        run = self._runs.get((shard.number, order_id))
        if run is not None:
            run.command = command
            return
        self._start(ReplayRun(shard, order_id, command, resumed))

    def delivered(self, entry: Entry, *, marked: bool = False) -> bool:
        """A record has been delivered: it may be one of a run, or the create that mends its order's fence.

        True when the record finishes with what is written here: a create that was finished before its fence is
        marked as mended would leave the statuses parked for good if we died between.
        ``marked``: its mark is written after this, and it finishes with that.
        """
        shard = self._state.shard_of(entry)
        if shard is None:
            return False
        if entry.replay:
            self._next(entry)
            return False
        fence = shard.fences.get(entry.order_id)
        if fence is not None and fence.non_blocking:
            return self._overtaken(shard, entry, fence, None if marked else entry)
        if fence is None or not entry.creates_order or self._run_of(entry) is not None:
            return False
        shard.fences[entry.order_id] = replace(fence, create_delivered=True)
        self._queue.fence_changed(shard.number, entry.order_id, None if marked else entry)
        self._wake()
        self._start(ReplayRun(shard, entry.order_id))
        return True

    def _overtaken(self, shard: Shard, entry: Entry, fence: Fence, finishing: Entry | None) -> bool:
        """What is parked was refused for itself, and is older: delivered from now on it would undo this record."""
        if fence.superseded == fence.records:
            return False
        shard.fences[entry.order_id] = replace(fence, superseded=fence.records)
        self._queue.fence_changed(shard.number, entry.order_id, finishing)
        self._wake()
        return True

    def loaded(self, shard: Shard) -> None:
        """Go on with what a former owner did not end."""
        for order_id, fence in shard.fences.items():
            if fence.create_delivered and not self.has(shard.number, order_id):
                self._start(ReplayRun(shard, order_id, resumed=True))

    def parked_again(self, entry: Entry, parking: Parking) -> None:
        """A record of a run was refused: it and what follows stay parked, with the new reason."""
        run = self._run_of(entry)
        if run is None or not run.entries or self._state.shard_of(entry) is not run.shard:
            return
        place = run.entries[0][0]
        fence = run.shard.fences[run.order_id].refused(parking.reason, parking.detail, place, run.command)
        run.shard.fences[run.order_id] = fence
        copy = replace(parking, replays=fence.replays)
        self._queue.park_again(run.shard.number, run.order_id, entry, copy)
        self._flying -= 1
        self._bytes -= sum(one.size for _, one in run.entries)
        self._close(run)

    def has(self, number: int, order_id: str) -> bool:
        """Whether the order's parked records in this partition are being delivered."""
        return (number, order_id) in self._runs

    def forget(self) -> None:
        """The partitions are given away: their next owner goes on."""
        self._runs.clear()
        self._unread.clear()
        self._flying = self._bytes = 0

    def _run_of(self, entry: Entry) -> ReplayRun | None:
        return self._runs.get((entry.record.partition, entry.order_id))

    def _start(self, run: ReplayRun) -> None:
        self._runs[run.place] = run
        self._await_reading(run)

    def _await_reading(self, run: ReplayRun) -> None:
        self._unread[run.shard.number].append(run)
        self._wanted.set()

    def _room(self) -> int:
        """How many more orders may be read; 0 for few. Others wait as names alone: memory is bounded like a window."""
        most = self._state.spec.max_unfinished
        room = most - self._flying
        return room if room >= most * _LEAST_ROOM and self._room_bytes() >= self._most_bytes * _LEAST_ROOM else 0

    def _room_bytes(self) -> int:
        return self._most_bytes - self._bytes

    @property
    def _most_bytes(self) -> int:
        return int(self._state.spec.max_unfinished_bytes * _SHARE)

    def _next_wave(self, number: int) -> list[ReplayRun]:
        """The next runs of one partition to be read together; those that have nothing more parked end here."""
        unread, room = self._unread.get(number), self._room()
        if not unread or not room:
            return []
        wave: list[ReplayRun] = []
        for _ in range(len(unread)):
            run = unread.popleft()
            fence = run.shard.fences[run.order_id]
            if self._queue.holds(*run.place) or fence.first is None or fence.last is None:
                unread.append(run)
            elif fence.last <= run.read_to:
                self._finish(run) if run.met else self._gone(run)
            else:
                wave.append(run)
                if len(wave) >= room:
                    break
        if not unread:
            del self._unread[number]
        return wave

    async def _read(self, wave: list[ReplayRun]) -> None:
        """Read what is parked of these orders beyond what has been read, and send it on its way."""
        at = Partition(self._state.spec.parks, wave[0].shard.number)
        spans = {run.order_id: run.span() for run in wave}
        try:
            found = await self._reader.read(at, spans, Bound(self._room_bytes(), cost))
            originals = {order_id: self._originals(records) for order_id, records in found.orders.items()}
            await self._learn(chain.from_iterable(originals.values()))
        except (KafkaFailed, RegistryUnavailable) as error:
            log.warning("replay_waits", worker=self._state.spec.name, detail=str(error))
            await asyncio.sleep(_AGAIN)
            found, originals = Wave({}, -1), {}
        for run in wave:
            if self._runs.get(run.place) is not run:
                continue  # its partition was given away meanwhile
            for original in originals.get(run.order_id, ()):
                self._bytes += run.take(original, self._entry(run, original))
            first, last = spans[run.order_id]
            run.met = run.met or run.order_id in found.orders or first > last
            run.read_to = max(run.read_to, min(last, found.reached))
            self._send_on(run)
        asyncio.get_running_loop().call_soon(self._pump)  # while the next wave is read

    def _originals(self, records: Sequence[Record]) -> list[ParkedOriginal]:
        """Those that are to be delivered, each as its source had it."""
        found = []
        for parked in records:
            try:
                original = read_original(parked)
            except ValueError as error:  # somebody else's record, in our topic
                where = {"partition": str(parked.at), "offset": parked.offset}
                log.error("parked_record_unreadable", worker=self._state.spec.name, detail=str(error), **where)
                continue
            if original is not None:
                found.append(original)
        return found

    async def _learn(self, originals: Iterable[ParkedOriginal]) -> None:
        """Lanes take only what can be decoded at once; raises `RegistryUnavailable`."""
        heads = {(one.source.topic, (one.source.value or b"")[:_HEAD]): one.source for one in originals}
        for source in heads.values():
            try:
                self._codec.order_id(source.topic, source.value or b"")
            except UnknownSchema as unknown:
                await self._codec.learn(unknown.schema_id)
            except (Undecodable, ValueError, KeyError):
                continue  # its lane parks it again, and says why

    def _entry(self, run: ReplayRun, original: ParkedOriginal) -> Entry:
        first = not run.seen
        entry = Entry(
            record=original.source,
            order_id=run.order_id,
            creates_order=original.source.topic in self._state.opening,
            ledger=run.shard.replays,
            size=cost(original.source),
            unknown=(run.resumed and first) or original.reason == ParkReason.GAVE_UP.value,
            replay=True,
        )
        if run.command is not None:  # who asks wants the answer of today: not to wait once more for a create
            entry.unknown_order_since = self._state.monotonic() - self._state.spec.unknown_order_wait
        return entry

    def _send_on(self, run: ReplayRun) -> None:
        if not run.entries:
            self._await_reading(run)
            return
        self._flying += 1
        self._state.lanes.add(run.entries[0][1])

    def _next(self, entry: Entry) -> None:
        run = self._run_of(entry)
        if run is None or not run.entries or run.entries[0][1] is not entry:
            return
        del run.entries[0]
        self._bytes -= entry.size
        fence = run.shard.fences[run.order_id]
        if run.entries:
            self._onward(run, fence, run.entries[0][0])
            self._state.lanes.add(run.entries[0][1])
            return
        self._flying -= 1
        if fence.last is not None and fence.last <= run.read_to and not self._queue.holds(*run.place):
            self._finish(run)
        else:  # more was parked behind meanwhile
            self._onward(run, fence, run.read_to + 1)
            self._await_reading(run)
        self._look_for_room()

    def _onward(self, run: ReplayRun, fence: Fence, place: int) -> None:
        run.shard.fences[run.order_id] = fence.without_first(place)
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._wake()

    def _finish(self, run: ReplayRun) -> None:
        """Nothing of the order is parked any more: its fence ends."""
        del run.shard.fences[run.order_id]
        self._queue.fence_changed(run.shard.number, run.order_id)
        self._close(run)
        log.debug("order_released", worker=self._state.spec.name, order_id=run.order_id)

    def _gone(self, run: ReplayRun) -> None:
        """Not even the record was there at which the fence ends: somebody has deleted it.

        Were the fence ended, what is lost would be called delivered.
        """
        fence, spec = run.shard.fences[run.order_id], self._state.spec
        detail = f"its parked records are no longer in {spec.parks}; discard it, and have it published again"
        run.shard.fences[run.order_id] = fence.refused(fence.reason, detail, fence.first or 0, run.command)
        self._queue.fence_changed(run.shard.number, run.order_id)
        log.error("parked_records_gone", worker=spec.name, order_id=run.order_id, records=fence.records)
        self._close(run)

    def _close(self, run: ReplayRun) -> None:
        del self._runs[run.place]
        self._wake()
        self._ended(run.shard, run.order_id)
        self._look_for_room()

    def _look_for_room(self) -> None:
        if self._unread and self._room():
            self._wanted.set()
