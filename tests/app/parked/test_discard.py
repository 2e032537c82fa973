"""What a discard gives up: what was asked, and no record more."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.support.sink_rig import STATUS, Rig
from tests.support.traces import TRACE, Recorded, attributes_of, context_of, publisher, trace_of
from workers.app.parked.command_progress import CommandProgress
from workers.app.parked.discard import DiscardPolicy, Discards
from workers.app.sink.shard import Shard
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, order_of, parked_headers
from workers.core.parked.rows import DiscardCommand
from workers.core.receipt import Receipt
from workers.core.record import Partition, Record
from workers.edges.kafka.parked_reader import Wave

PARKS = "ecdp-parked"
REJECTED = Parking(ParkReason.REJECTED, "no")
FIRST_ONLY = DiscardCommand("c1", {"A": 7}, 0, "ada", "", first_only=True)


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
        self.looked = asyncio.Event()  # at the order
        self.is_replayed = False
        sources = rig.entry("A", headers=publisher()), rig.entry("A", headers=publisher())
        again = [replace(REJECTED, replays=number + 1) for number in range(copies)]
        parked = [(sources[0], REJECTED), *((sources[0], one) for one in again), (sources[1], REJECTED)]
        self.records = [_parked(entry, parking, place) for place, (entry, parking) in enumerate(parked)]
        replays, reader = cast("Any", self), cast("Any", CutShort(self.records))
        self.discards = Discards(rig.context, replays, reader, DiscardPolicy(poll_interval_s=0.001))
        rig.fence("A", Fence(ParkReason.REJECTED, "no", 7, 2, 0, len(self.records) - 1))

    def is_running(self, shard: Shard, order_id: str) -> bool:  # noqa: ARG002
        self.looked.set()
        return self.is_replayed

    async def give_up(self, command: DiscardCommand) -> None:
        ended = Ended(self.rig.shard, "\0key", {"A"}, "ecdp-parked-state")
        self.discards.ask(self.rig.shard, command, ended)
        await asyncio.wait_for(ended.event.wait(), 5)


class Ended(CommandProgress):
    """Progress that a test can wait for."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.event = asyncio.Event()

    def end(self) -> None:
        super().end()
        self.event.set()


def _parked(entry: Entry, parking: Parking, place: int) -> Record:
    headers = parked_headers(entry.record, "ecdp-sink", parking, 0)
    return entry.record._replace(topic=PARKS, offset=place, headers=headers)


def receipts(stand: Stand) -> list[Receipt]:
    """Those that go with the discard's own writes: without them the record is still parked."""
    assert not stand.rig.shard.receipts
    return [receipt for write in stand.rig.shard.writes.next_writes() for receipt in write.receipts]


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[None]:
    task = asyncio.create_task(stand.discards.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_first_of_an_order_is_given_up_alone_however_little_a_pass_reads() -> None:
    """A pass that ends early has not seen that there is a second one: taken for all, the whole order would go."""
    stand = Stand(Rig(), copies=3)
    async with running(stand):
        await stand.give_up(FIRST_ONLY)
    fence = stand.rig.shard.fences["A"]
    assert (fence.first, fence.records, fence.command) == (4, 1, "c1")
    assert [one.offset for one in receipts(stand)] == [0]


async def test_a_record_in_the_parked_topic_that_is_not_the_relays_never_leads() -> None:
    """It has no reason: the worker would end, and its successor would read the same command."""
    stand = Stand(Rig(), copies=1)
    stand.records[1] = stand.records[1]._replace(headers=())
    async with running(stand):
        await stand.give_up(FIRST_ONLY)
    fence = stand.rig.shard.fences["A"]
    assert (fence.first, fence.reason) == (2, ParkReason.REJECTED)
    assert [one.offset for one in receipts(stand)] == [0]


async def test_a_discarded_order_leaves_a_trace_and_no_fence() -> None:
    stand = Stand(Rig(), copies=0)
    async with running(stand):
        await stand.give_up(replace(FIRST_ONLY, first_only=False))
    assert "A" not in stand.rig.shard.fences
    trace = stand.rig.shard.writes.next_writes()[0].extra_record
    assert trace is not None
    assert trace.partition == Partition(PARKS, 0)
    assert dict(trace.headers)["relay-discarded-by"] == b"ada"


async def test_each_discarded_record_has_a_receipt_for_its_source_with_who_and_why() -> None:
    """However often a replay has parked it again."""
    stand = Stand(Rig(), copies=2)
    async with running(stand):
        await stand.give_up(replace(FIRST_ONLY, first_only=False, why="sent by hand"))
    assert [(one.order_id, one.topic, one.offset, one.outcome) for one in receipts(stand)] == [
        ("A", STATUS, 0, "discarded"),
        ("A", STATUS, 1, "discarded"),
    ]
    assert {one.reason for one in receipts(stand)} == {"by ada: sent by hand"}


async def test_records_that_never_arrive_in_the_parked_topic_hold_up_no_other_discard() -> None:
    stand = Stand(Rig(), copies=0)
    stand.rig.finisher.park(stand.rig.entry("A"), REJECTED)
    async with running(stand):
        asked = asyncio.create_task(stand.give_up(FIRST_ONLY))
        await stand.looked.wait()
        stand.rig.now[0] += 31.0
        await asked
    assert stand.rig.shard.fences["A"].first == 0, "it is left as it was, and can be asked for again"


async def test_an_order_that_is_being_replayed_is_left_alone() -> None:
    stand = Stand(Rig(), copies=0)
    stand.is_replayed = True
    async with running(stand):
        await stand.give_up(FIRST_ONLY)
    assert stand.rig.shard.fences["A"].records == 2


@pytest.mark.parametrize("recorded", [None, Recorded()], ids=["not recorded", "recorded"])
async def test_the_trace_of_a_discard_stays_on_its_orders_trace(recorded: Recorded | None) -> None:
    stand = Stand(Rig(tracing=None if recorded is None else recorded.worker), copies=0)
    async with running(stand):
        await stand.give_up(FIRST_ONLY)
    record, *_ = [write.extra_record for write in stand.rig.shard.writes.next_writes() if write.extra_record]
    parent = (dict(record.headers)["traceparent"] or b"").decode()
    assert parent.split("-")[1] == TRACE
    if recorded is not None:
        send = recorded.one("send ecdp-parked")
        assert (parent, trace_of(send)) == (context_of(send), TRACE)
        assert attributes_of(send)["relay.outcome"] == "discarded"
        assert attributes_of(send)["relay.order.id"] == "A"
