"""Tells the broker what has finished: one commit at a time, plain, or in the transaction that parks records."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from itertools import islice

from workers.app.sink.state import SinkState
from workers.app.sink.write_queue import TransactionDraft, Write, WriteQueue, with_places
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.source import KafkaSource
from workers.edges.kafka.transactions import GroupCommit, Transactions
from workers.edges.log import log

COMMIT_EVERY = 1.0  # seconds: after SIGKILL at most so much of finished work is repeated
PROVE_EVERY = 3.0  # seconds between commits of an idle member, which prove that it still is one
_PARK_AGAIN = 2.0
_PAUSE = 4.0  # times what the last transaction took, but no longer than `COMMIT_EVERY`: parking must not be all we do


class Commits:
    """The only one that commits. Plain commits and transactions never run side by side: an older one would
    overtake a newer, and the group's offset would move back.
    """

    def __init__(self, state: SinkState, queue: WriteQueue, transactions: Transactions) -> None:
        self._state = state
        self._queue = queue
        self._transactions = transactions
        self._wanted = asyncio.Event()
        self._not_before: dict[int, float] = {}  # partition numbers whose records could not be parked: until when
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()  # nothing new comes: there is nobody to wait for
        self._due = 0.0  # when the next plain commit is
        self._park_at = 0.0  # not before is the next transaction
        self._committed_at = 0.0
        self._plain: asyncio.Future[None] | None = None  # the plain commit under way
        self.source: KafkaSource | None = None  # set once, before `run`

    def wake(self) -> None:
        """Something is to be parked."""
        self._wanted.set()

    def soon(self) -> None:
        """A shard's first records are here: tell what may be sent from now on, so that a successor can count it."""
        self._due = self._state.monotonic()
        self._wanted.set()

    async def run(self) -> None:
        """Commit and park until cancelled."""
        self._due = self._state.monotonic() + COMMIT_EVERY
        while True:
            await self._alone(self._commit_if_due())  # also while there is always more to be parked
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._due - self._state.monotonic())):
                    await self._wanted.wait()
            self._wanted.clear()
            if self._queue.numbers:
                await self._pause()
            if numbers := self._parkable():
                await self._alone(self._park(numbers))
                self._wanted.set()  # there may be more; the commit that is due comes between

    async def _pause(self) -> None:
        """Wait until the next transaction may be; what comes meanwhile goes with it. Plain commits go on."""
        while not self._hurry.is_set() and self._state.monotonic() < self._park_at:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(self._park_at, self._due) - self._state.monotonic())):
                    await self._hurry.wait()
            await self._alone(self._commit_if_due())

    def releasing(self) -> None:
        """The Kafka thread stands in a rebalance and obeys nothing: a plain commit that waits for it would hold up
        the parking that the release waits for. The release commits instead.
        """
        if self._plain is not None and not self._plain.done():
            self._plain.set_exception(KafkaFailed("commit: left to the release of the partitions"))

    async def settled(self) -> None:
        """Wait until everything queued has been parked, or cannot be; and no commit is under way."""
        self._hurry.set()
        try:
            while self._parkable():
                self.wake()
                await asyncio.sleep(0.01)
            await self._idle.wait()
        finally:
            self._hurry.clear()

    async def _alone(self, work: Coroutine[None, None, None]) -> None:
        self._idle.clear()
        try:
            await work
        finally:
            self._idle.set()

    def _parkable(self) -> list[int]:
        now = self._state.monotonic()
        return [number for number in self._queue.numbers if self._not_before.get(number, 0.0) <= now]

    async def _commit_if_due(self) -> None:
        if self._due <= self._state.monotonic():
            self._due = self._state.monotonic() + COMMIT_EVERY
            await self._commit()

    async def _commit(self) -> None:
        state = self._state
        offsets = {at: offset for shard in state.shards.values() for at, offset in shard.to_commit().items()}
        offsets = offsets or self._proof()
        if not offsets or self.source is None:
            return
        self._committed_at = state.monotonic()
        epoch = state.epoch
        self._plain = self.source.commit(epoch, offsets)
        try:
            await self._plain
        except KafkaFailed as error:
            log.warning("commit_failed", worker=state.spec.name, detail=str(error))
        else:
            self._told(epoch, offsets)

    def _proof(self) -> dict[Partition, CommitPoint]:
        """One old commit again, now and then: only a commit tells an idle member that another has taken its name
        (kafka-python 3.0.12), and it would deliver beside that one.
        """
        if self._state.monotonic() - self._committed_at < PROVE_EVERY:
            return {}
        shards = self._state.shards.values()
        known = ((at, one) for shard in shards for at, one in shard.committed.items() if at not in shard.stopped)
        return dict(islice(known, 1))

    def _told(self, epoch: int, offsets: dict[Partition, CommitPoint]) -> None:
        if not self._state.is_current(epoch):
            return
        for at, offset in offsets.items():
            self._state.shards[at.number].committed[at] = offset

    async def _park(self, numbers: Sequence[int]) -> None:
        """All together; when that fails, each partition number alone, so that one bad record stops only its own."""
        began = self._state.monotonic()
        if not await self._transaction(numbers) and len(numbers) > 1:
            for number in numbers:
                await self._commit_if_due()  # one that cannot be parked may take seconds to say so
                await self._transaction([number])
        if not self._queue.crowded(self._parkable()):
            ended = self._state.monotonic()
            self._park_at = ended + min(COMMIT_EVERY, _PAUSE * (ended - began))

    async def _transaction(self, numbers: Sequence[int]) -> bool:
        state, queue = self._state, self._queue
        if state.assignment is None:
            queue.forget()
            return True
        epoch = state.epoch
        writes = queue.take(numbers)
        draft = queue.draft(writes)
        offsets = self._offsets_with(writes)
        try:
            placed = await self._transactions.write(
                draft.records(), draft.rows, GroupCommit(offsets, state.assignment.group)
            )
        except KafkaFailed as error:
            self._cannot_park(numbers, error)
            return False
        if state.is_current(epoch):
            self._parked(draft, placed, epoch, offsets)
        return True

    def _offsets_with(self, writes: Sequence[Write]) -> dict[Partition, CommitPoint]:
        """The offsets of these partition numbers as they will be once these are written.

        Also where none of them moves: only a transaction that carries offsets is refused to a former owner, whose
        late row could take a fence away that the present owner needs.
        """
        parked: dict[Partition, set[int]] = {}
        for write in writes:
            if write.entry is not None and not write.entry.replay:
                parked.setdefault(write.entry.record.at, set()).add(write.entry.record.offset)
        shards = [self._state.shards[number] for number in {write.number for write in writes}]
        return {at: offset for shard in shards for at, offset in shard.committable(parked).items()}

    def _parked(
        self, draft: TransactionDraft, placed: Sequence[int], epoch: int, offsets: dict[Partition, CommitPoint]
    ) -> None:
        for (number, order_id), fence in draft.placed(placed).items():
            present = self._state.shards[number].fences.get(order_id)
            if fence is not None and present is not None:
                self._state.shards[number].fences[order_id] = with_places(present, fence)
        for write in draft.writes:
            if write.entry is not None:
                self._state.finish(write.entry)
            if write.parking is not None and not write.parking.replays:
                self._state.stats.parked[write.parking.reason.value] += 1
        self._queue.done(draft.writes)
        self._told(epoch, offsets)

    def _cannot_park(self, numbers: Sequence[int], error: KafkaFailed) -> None:
        """Nothing is lost: the records stay unfinished, so their offsets are not committed. Others go on."""
        again = self._state.monotonic() + _PARK_AGAIN
        if len(numbers) == 1:
            self._not_before[numbers[0]] = again
        text = f"cannot park in {self._state.spec.parks}: {error}"
        if text != self._state.stats.last_error:
            log.error("parking_failed", worker=self._state.spec.name, partitions=list(numbers), detail=text)
        self._state.stats.last_error = text
