"""What a discard gives up: what was asked, and no record more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from tests.support.sink_rig import Rig, make_rig
from workers.app.parked.discard import Discards
from workers.app.sink.write_queue import WriteQueue
from workers.core.consume.lanes import Entry
from workers.core.parked.commands import Discard
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, order_of, parked_headers
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.parked_reader import Wave

PARKS = "ecdp-parked"
REJECTED = Parking(ParkReason.REJECTED, "no")
FIRST_ONLY = Discard("c1", {"A": 7}, 0, "ada", "", first_only=True)


class CutShort:
    """The parked topic, of which a pass reads one record."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    async def read(self, at: Partition, wanted: Mapping[str, tuple[int, int]]) -> Wave:  # noqa: ARG002
        ((first, last),) = wanted.values()
        one = self.records[first]
        return Wave({order_of(one): [one]}, one.offset) if one.offset <= last else Wave({}, last)

    async def close(self) -> None:
        return None


class Stand:
    """Discards over a parked topic of copies of one record, with another record behind them."""

    def __init__(self, rig: Rig, *, copies: int) -> None:
        self.rig = rig
        self.queue = WriteQueue(rig.state)
        self.done = asyncio.Event()
        self.looked = asyncio.Event()  # at the order
        self.discards = Discards(rig.state, self.queue, KafkaConnection(), busy=self.busy, wake=lambda: None)
        sources = rig.entry("A"), rig.entry("A")
        again = [replace(REJECTED, replays=number + 1) for number in range(copies)]
        told = [(sources[0], REJECTED), *((sources[0], one) for one in again), (sources[1], REJECTED)]
        self.records = [_parked(entry, parking, place) for place, (entry, parking) in enumerate(told)]
        self.discards._reader = CutShort(self.records)  # type: ignore[assignment]
        self.rig.state.shards[0].fences["A"] = Fence(ParkReason.REJECTED, "no", 7, 2, 0, len(self.records) - 1)

    def busy(self, number: int, order_id: str) -> bool:  # noqa: ARG002
        self.looked.set()
        return False

    async def give_up(self, command: Discard) -> None:
        self.discards.carry_out(self.rig.state.shards[0], command, ["A"], self.done.set)
        await asyncio.wait_for(self.done.wait(), 5)


def _parked(entry: Entry, parking: Parking, place: int) -> Record:
    headers = parked_headers(entry.record, "ecdp-sink", parking, 0)
    return entry.record._replace(topic=PARKS, offset=place, headers=headers)


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[None]:
    at_work = asyncio.create_task(stand.discards.run())
    try:
        yield
    finally:
        at_work.cancel()
        await asyncio.wait([at_work])


async def test_the_first_of_an_order_is_given_up_alone_however_little_a_pass_reads() -> None:
    """A pass that ends early has not seen that there is a second one: taken for all, the whole order would go."""
    stand = Stand(make_rig(), copies=3)
    async with running(stand):
        await stand.give_up(FIRST_ONLY)
    fence = stand.rig.state.shards[0].fences["A"]
    assert (fence.first, fence.records) == (4, 1)


async def test_records_that_never_arrive_in_the_parked_topic_hold_up_no_other_discard() -> None:
    stand = Stand(make_rig(), copies=0)
    stand.queue.park(stand.rig.entry("A"), REJECTED)
    async with running(stand):
        asked = asyncio.create_task(stand.give_up(FIRST_ONLY))
        await stand.looked.wait()
        stand.rig.now[0] += 31.0
        await asked
    assert stand.rig.state.shards[0].fences["A"].first == 0, "it is left as it was, and can be asked for again"
