"""A redelivery, and a parked topic that it reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, cast

from tests.support.sink_rig import CREATED, Rig, make_rig
from workers.app.parked.replay import Redelivery
from workers.app.sink.write_queue import WriteQueue
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, order_of, parked_headers
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
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
    """A redelivery whose transactions succeed as soon as they are asked for."""

    def __init__(self) -> None:
        self.rig: Rig = make_rig()
        self.queue = WriteQueue(self.rig.state)
        self.topic = Parked()
        self.written: list[tuple[str | None, Fence | None]] = []
        self.ended: list[str] = []
        self.redelivery = Redelivery(
            self.rig.state,
            self.queue,
            KafkaConnection(),
            codec=cast("Any", self.rig.codec),
            pump=lambda: None,
            wake=self.write,
            ended=lambda _, order_id: self.ended.append(order_id),
        )

    @property
    def fences(self) -> dict[str, Fence]:
        return self.rig.state.shards[0].fences

    def write(self) -> None:
        asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        writes = self.queue.take(self.queue.numbers)
        for write in writes:
            self.written.append((write.order_id, self.fences.get(write.order_id or "")))
            if write.entry is not None:
                self.rig.state.finish(write.entry)
        self.queue.done(writes)

    def park(self, *values: str, order: str = "A", parking: Parking = UNKNOWN) -> None:
        """These records lie parked, and their order's fence says where."""
        places = [self.topic.append(self.rig.record(value), parking) for value in values]
        fence = self.fences.get(order) or Fence(parking.reason, parking.detail, 0, 0)
        for place in places:
            fence = fence.with_one_more().at(place)
        self.fences[order] = fence

    def create(self) -> Entry:
        """The order's create has been delivered."""
        (entry,) = self.rig.add("A", topic=CREATED)
        lane = self.rig.state.lanes.take()
        assert lane is not None
        self.rig.state.lanes.finish(lane)
        return entry

    async def next(self) -> Entry:
        """The next record that is sent, still in flight."""
        lane = None
        async with asyncio.timeout(5):
            while (lane := self.rig.state.lanes.take()) is None:  # noqa: ASYNC110 - as below
                await asyncio.sleep(0.001)
        return lane.queue[0]

    def deliver(self, entry: Entry) -> None:
        lane = self.rig.state.lanes.get(entry.order_id)
        assert lane is not None
        self.rig.state.lanes.finish(lane)
        assert self.redelivery.delivered(entry) is False
        self.rig.state.finish(entry)

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not what():  # noqa: ASYNC110 - what is awaited is a state, and several parts lead to it
                await asyncio.sleep(0.001)
