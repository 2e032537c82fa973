"""Replays, and a parked topic that they read."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, cast

from tests.support.sink_rig import CREATED, Rig
from workers.app.parked.command_progress import CommandProgress
from workers.app.parked.replay import Replays
from workers.app.sink.fences import Fences
from workers.app.sink.write_queue import Write
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, order_of, parked_headers
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.parked_reader import Bound, Wave

UNKNOWN = Parking(ParkReason.UNKNOWN_ORDER, "404", 404, 9)


class Parked:
    """The parked topic: what a pass over it finds there."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failures: list[KafkaFailed] = []
        self.reads: list[dict[str, tuple[int, int]]] = []

    def append(self, record: Record, parking: Parking = UNKNOWN) -> int:
        headers = parked_headers(record, "ecdp-sink", parking, 0)
        offset = 100 + len(self.records)
        self.records.append(Record("ecdp-parked", 0, offset, 0, record.key, record.value, headers))
        return offset

    async def read(self, at: Partition, wanted: Mapping[str, tuple[int, int]], bound: Bound) -> Wave:
        assert at == Partition("ecdp-parked", 0)
        self.reads.append(dict(wanted))
        if self.failures:
            raise self.failures.pop()
        spans = {order_id: range(first, last + 1) for order_id, (first, last) in wanted.items()}
        found = [one for one in self.records if one.offset in spans.get(order_of(one), ())]
        sizes = list(accumulate(map(bound.cost, found)))
        enough = next((place for place, size in enumerate(sizes, 1) if size >= bound.most), len(found))
        reached = max(last for _, last in wanted.values()) if enough == len(found) else found[enough - 1].offset
        orders: dict[str, list[Record]] = {}
        for one in found[:enough]:
            orders.setdefault(order_of(one), []).append(one)
        return Wave(orders, reached)

    async def close(self) -> None:
        pass


class Stand:
    """Replays whose transactions succeed as soon as a write is queued, unless the test ends them."""

    def __init__(self, **spec: Any) -> None:
        self.rig = Rig(**spec)
        self.topic = Parked()
        self.replays = Replays(self.rig.context, self.rig.lanes, self.rig.wakeups, cast("Any", self.topic))
        assert self.rig.ownership.assignment is not None
        self.rig.ownership.assignment.replays = self.replays
        self.rig.wakeups.connect(sender=self, commits=self, fetching=self)
        self.written: list[tuple[str | None, Fence | None]] = []
        self.ended: list[str] = []

    @property
    def fences(self) -> Fences:
        return self.rig.shard.fences

    def ask(self, order_id: str, command: str, *, resumed: bool = False) -> None:
        """An operator's command for one order."""
        progress = cast("CommandProgress", Noted(self.ended))
        self.replays.ask(self.rig.shard, order_id, command, (progress,), resumed=resumed)

    # What the wakeups reach.

    def pump(self) -> None:
        pass

    def finished(self) -> None:
        pass

    def recheck_soon(self) -> None:
        pass

    def commit_soon(self) -> None:
        pass

    def write_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        writes = self.rig.shard.writes.next_writes()
        self.written += [(write.order_id, self.fences.get(write.order_id or "")) for write in writes]
        self.acknowledge(writes)

    def acknowledge(self, writes: Sequence[Write]) -> None:
        orders = {write.order_id for write in writes if write.order_id is not None}
        fences = {order_id: self.fences.get(order_id) for order_id in orders}
        for entry in self.fences.acknowledge(writes, fences):
            self.rig.finisher.finish(entry)

    # The vendor and the parked topic.

    def park(self, *values: str, order: str = "A", parking: Parking = UNKNOWN) -> None:
        """These records lie parked, and their order's fence says where."""
        places = [self.topic.append(self.rig.record(value), parking) for value in values]
        fence = self.fences.get(order) or Fence(parking.reason, parking.detail, 0, 0)
        for place in places:
            fence = fence.with_one_more().with_record_at(place)
        self.fences.load(order, fence)

    def create(self) -> Entry:
        """The order's create has been delivered."""
        (entry,) = self.rig.add("A", topic=CREATED)
        lane = self.rig.lanes.take()
        assert lane is not None
        self.rig.lanes.finish(lane)
        self.rig.finisher.delivered(entry)
        return entry

    async def next(self) -> Entry:
        """The next record that is sent, still in flight."""
        lane = None
        async with asyncio.timeout(60):
            while (lane := self.rig.lanes.take()) is None:  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.001)
        return lane.queue[0]

    def deliver(self, entry: Entry) -> None:
        self._end_flight(entry)
        self.rig.finisher.delivered(entry)

    def refuse(self, entry: Entry, parking: Parking) -> None:
        self._end_flight(entry)
        self.rig.finisher.park(entry, parking)

    def _end_flight(self, entry: Entry) -> None:
        lane = self.rig.lanes.get(entry.order_id)
        assert lane is not None
        self.rig.lanes.finish(lane)


class Noted:
    """A command's progress that only takes notes of the orders that have ended."""

    def __init__(self, ended: list[str]) -> None:
        self._ended = ended

    def order_ended(self, order_id: str) -> None:
        self._ended.append(order_id)
