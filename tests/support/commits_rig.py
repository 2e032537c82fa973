"""A sink's commits on virtual time, and a Kafka that takes or refuses them as a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tests.support.sink_rig import RECEIPTS, Rig, receipts_in
from workers.app.sink.commit.commits import Commits
from workers.app.sink.commit.receipts import Receipts
from workers.app.sink.write_queue import WriteLimits
from workers.core.consume.commit_pacing import Pacing
from workers.core.parked.fence import ParkReason
from workers.core.parked.headers import Parking
from workers.core.receipt import Receipt
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed, MetadataTooLarge
from workers.edges.kafka.publisher import Appended, Records

REJECTED = Parking(ParkReason.REJECTED, "no")


@dataclass
class Kafka:
    """Source and transactions in one: keeps what is asked, and answers when the test lets it."""

    plain: list[Mapping[Partition, CommitPoint]] = field(default_factory=list)
    written: list[tuple[list[bytes | None], list[bytes | None], Any]] = field(default_factory=list)
    refuse: Callable[[Sequence[Any]], bool] = lambda _: False
    failure: KafkaFailed | None = None
    longest_metadata: int = 4096
    refused: int = 0
    under_way: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    next_place: int = 100
    receipts: list[Receipt] = field(default_factory=list)  # acknowledged, in their sequence
    without_receipts: frozenset[int] = frozenset()  # partition numbers whose receipts are not acknowledged
    contexts: list[bytes] = field(default_factory=list)  # of the records with receipts: their ``traceparent``
    appends: int = 0
    appending: asyncio.Event = field(default_factory=asyncio.Event)  # unset: an append waits

    def commit(self, epoch: int, offsets: Mapping[Partition, CommitPoint]) -> asyncio.Future[None]:  # noqa: ARG002
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().create_task(self._commit(offsets, done))
        return done

    async def _commit(self, offsets: Mapping[Partition, CommitPoint], done: asyncio.Future[None]) -> None:
        await self._alone()
        if done.done():
            return
        if self.failure is not None:
            done.set_exception(self.failure)
        elif self.is_too_long(offsets):
            done.set_exception(MetadataTooLarge("too long"))
        else:
            self.plain.append(offsets)
            done.set_result(None)

    async def write(
        self, records: Sequence[Any], rows: Callable[[list[int]], Sequence[Any]], offsets: Any
    ) -> list[int]:
        await self._alone()
        if self.refuse(records):
            raise KafkaFailed("too large: canary-free advice")
        if self.is_too_long(offsets.offsets):
            raise MetadataTooLarge("too long")
        placed = [self.next_place + n for n in range(len(records))]
        self.next_place += len(records)
        made = rows(placed)
        own = [one.key for one in made if one.partition.topic != RECEIPTS]
        self._take_receipts(made)
        self.written.append(([one.value for one in records], own, offsets))
        return placed

    async def append(self, records: Records) -> Appended:
        self.appends += 1
        await asyncio.sleep(0.001)
        await self.appending.wait()
        made = [one for one in records.records() if one.partition.number not in self.without_receipts]
        self._take_receipts(made)
        fault = KafkaFailed("no leader") if self.without_receipts else None
        return Appended(frozenset(one.partition for one in made), fault)

    async def close(self) -> None:
        pass

    def _take_receipts(self, made: Sequence[Any]) -> None:
        self.receipts += receipts_in(made)
        self.contexts += [dict(one.headers)["traceparent"] for one in made if one.partition.topic == RECEIPTS]

    def is_too_long(self, offsets: Mapping[Partition, CommitPoint]) -> bool:
        too_long = any(len(point.metadata) > self.longest_metadata for point in offsets.values())
        self.refused += too_long
        return too_long

    async def _alone(self) -> None:
        self.under_way += 1
        assert self.under_way == 1, "two commits side by side: the older could overtake the newer"
        await asyncio.sleep(0.001)  # a broker never answers at once
        await self.gate.wait()
        self.under_way -= 1


class Stand:
    """A sink's commits; its clock is the loop's."""

    def __init__(self, pacing: Pacing | None = None, limits: WriteLimits | None = None, **spec: Any) -> None:
        self.rig = Rig(monotonic=asyncio.get_running_loop().time, limits=limits, **spec)
        self.kafka = Kafka()
        self.kafka.gate.set()
        self.kafka.appending.set()
        one: Any = self.kafka
        rig = self.rig
        self.commits = Commits(
            rig.context,
            rig.ownership,
            source=one,
            transactions=one,
            receipts=Receipts(rig.context, one),
            finisher=rig.finisher,
            stats=rig.stats,
            pacing=pacing,
        )
        rig.wakeups.connect(sender=cast("Any", None), commits=self.commits, fetching=NoFetching())

    def park(self, value: str, number: int = 0) -> None:
        self.rig.finisher.park(self.rig.entry(value, number=number), REJECTED)

    def finish(self, value: str, number: int = 0) -> None:
        self.rig.finisher.delivered(self.rig.entry(value, number=number))


class NoFetching:
    def recheck_soon(self) -> None:
        pass


@asynccontextmanager
async def running(stand: Stand) -> AsyncIterator[None]:
    task = asyncio.create_task(stand.commits.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()
