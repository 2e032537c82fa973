"""Commits what has finished: one commit at a time, plain, or in the transaction that writes what is queued."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, assert_never

from workers.app.sink.assignment import Ownership, SinkAssignment
from workers.app.sink.commit.receipts import NOT_ACKNOWLEDGED, Receipts
from workers.app.sink.context import SinkContext
from workers.app.sink.finisher import Finisher
from workers.app.sink.shard import Shard
from workers.app.sink.stats import SinkStats
from workers.app.sink.write_queue import TransactionDraft, Write
from workers.core.consume.commit_pacing import CommitPacing, Pacing, PlainCommit, Transaction, Wait
from workers.core.consume.lanes import Entry
from workers.core.consume.receipt_log import Unwritten
from workers.core.last_errors import Part
from workers.core.parked.fence import Fence, OrderKey
from workers.core.receipt import Receipt
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed, MetadataTooLarge
from workers.edges.kafka.source import KafkaSource
from workers.edges.kafka.transactions import GroupCommit, Transactions
from workers.edges.log import log


class _Written(NamedTuple):
    """What a transaction has written."""

    points: dict[Partition, CommitPoint]
    unwritten: Mapping[int, Unwritten]  # receipts, by partition number
    offsets: list[int]  # of the parked records


class Commits:
    """The only part that commits. Plain commits and transactions never run at the same time: an older one could
    overtake a newer one, and the group's offset would move back.
    """

    def __init__(
        self,
        context: SinkContext,
        ownership: Ownership,
        *,
        source: KafkaSource,
        transactions: Transactions,
        receipts: Receipts,
        finisher: Finisher,
        stats: SinkStats,
        pacing: Pacing | None = None,
    ) -> None:
        self._context = context
        self._ownership = ownership
        self._source = source
        self._transactions = transactions
        self._receipts = receipts
        self._receipts_blocked_until = 0.0  # monotonic: they could not be written, and are not tried again before
        self._finisher = finisher
        self._stats = stats
        self._limits = pacing or Pacing()
        self._pacing = CommitPacing(self._limits, context.monotonic())
        self._hurry = False  # nothing new will be queued
        self._waits_idle = False  # for nothing but the next proof, or a finish
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()  # no commit is under way
        self._plain: asyncio.Future[None] | None = None  # the plain commit under way

    def write_soon(self) -> None:
        """A write is queued."""
        self._woken.set()

    def commit_soon(self) -> None:
        """A plain commit is due now."""
        self._pacing.commit_now()
        self._woken.set()

    def finished(self) -> None:
        """A record has finished: the loop may wait for nothing but the next proof."""
        if self._waits_idle:
            self._waits_idle = False
            self._woken.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            self._woken.clear()
            now = self._context.monotonic()
            action = self._pacing.next_action(
                now,
                writes_wait=bool(self._writable()),
                hurry=self._hurry or self._someone_to_try_alone(),
                idle=self._is_idle(),
            )
            match action:
                case PlainCommit():
                    await self._commit()
                    self._pacing.commit_ended(now, self._context.monotonic())
                case Transaction():
                    await self._write()
                case Wait(until=until):
                    await self._wait(until - now)
                case _:
                    assert_never(action)

    async def settled(self) -> None:
        """Wait until all that is queued has been written, or cannot be, and no commit is under way."""
        self._hurry = True
        try:
            while True:
                self._idle.clear()
                self._woken.set()
                await self._idle.wait()
                if not self._writable():
                    return
        finally:
            self._hurry = False

    def abandon_plain_commit(self) -> None:
        """The Kafka thread is blocked in a rebalance and processes no commands: a plain commit that waits for it would
        hold up the writes that the release waits for. The release commits instead.
        """
        if self._plain is not None and not self._plain.done():
            self._plain.set_exception(KafkaFailed("commit: left to the release of the partitions"))

    async def _wait(self, seconds: float) -> None:
        self._idle.set()
        blocked = [shard.writes.blocked_until for shard in self._ownership.shards if shard.writes]
        now = self._context.monotonic()
        again = min((until - now for until in blocked if until > now), default=seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(seconds, again))):
                await self._woken.wait()

    def _is_idle(self) -> bool:
        """Whether nothing has finished since the last commit: each finished record leaves a receipt until then."""
        self._waits_idle = not any(shard.receipts for shard in self._ownership.shards)
        return self._waits_idle

    def _writable(self) -> list[Shard]:
        """Shards whose queued writes may be written now."""
        now = self._context.monotonic()
        return [shard for shard in self._ownership.shards if shard.writes and shard.writes.blocked_until <= now]

    def _someone_to_try_alone(self) -> bool:
        return any(shard.writes.try_alone for shard in self._writable())

    async def _commit(self) -> None:
        now, assignment = self._context.monotonic(), self._ownership.assignment
        self._pacing.commit_began(now)
        if assignment is None:
            return
        points = await self._receipted(assignment)
        if self._ownership.assignment is not assignment:
            return  # given away meanwhile: its next owner commits
        if not points and self._pacing.proof_is_due(now):
            points = _proof(assignment)
        if points:
            self._pacing.committed(now)
            await self._commit_points(assignment, points)

    async def _commit_points(self, assignment: SinkAssignment, points: Mapping[Partition, CommitPoint]) -> None:
        self._plain = self._source.commit(assignment.epoch, points)
        try:
            await self._plain
        except MetadataTooLarge as error:
            if self._shortens(points, error):
                self._pacing.commit_now()
        except KafkaFailed as error:
            say = log.debug if self._context.brokers.may_fail else log.warning
            say("commit_failed", worker=self._context.spec.name, detail=str(error))
        else:
            self._note_committed(assignment, points)

    async def _receipted(self, assignment: SinkAssignment) -> Mapping[Partition, CommitPoint]:
        """What is to be committed, with its receipts written. Without them it waits for the next commit."""
        if self._receipts_blocked_until > self._context.monotonic():
            return {}
        points, fault = await self._receipts.before_commit(assignment.shards.values())
        self._note_receipts(fault)
        committed = {at: point for shard in assignment.shards.values() for at, point in shard.committed.items()}
        return {at: point for at, point in points.items() if committed.get(at) != point}

    def _note_receipts(self, fault: KafkaFailed | None) -> None:
        """They are tried again after a pause; nothing whose receipts are missing is committed meanwhile."""
        if fault is None:
            self._stats.errors.clear(Part.RECEIPTS)
            return
        self._receipts_blocked_until = self._context.monotonic() + self._limits.retry_after_s
        text = f"cannot write receipts to {self._context.spec.receipts}: {fault}"
        if text != self._stats.errors.of(Part.RECEIPTS):
            say = log.debug if self._context.brokers.may_fail else log.error
            say("receipts_failed", worker=self._context.spec.name, detail=text)
        self._stats.errors.put(Part.RECEIPTS, text, self._context.wall_ms())

    def _shortens(self, points: Mapping[Partition, CommitPoint], error: KafkaFailed) -> bool:
        """Whether the next commit brings less metadata than this one; what it leaves out is repeated after a crash."""
        limit = self._ownership.metadata_limit
        shorter = limit.refused(points.values())
        name, characters = self._context.spec.name, limit.characters
        log.warning("commit_metadata_too_long", worker=name, detail=str(error), characters=characters)
        return shorter

    async def _write(self) -> None:
        """All shards together; if that fails each one alone, so that one bad record stops only its own partition."""
        assignment, began = self._ownership.assignment, self._context.monotonic()
        shards = self._writable()
        if assignment is None or not shards:
            return
        alone = [shard for shard in shards if shard.writes.try_alone]
        shards = alone[:1] or shards
        for shard in shards:
            shard.writes.try_alone = False
        try:
            await self._transaction(assignment, shards)
        except KafkaFailed as error:
            self._cannot_write(shards, error)
        self._pacing.transaction_ended(
            began,
            self._context.monotonic(),
            more_waits=any(shard.writes.exceeds_one_transaction for shard in self._writable()),
        )

    async def _transaction(self, assignment: SinkAssignment, shards: Sequence[Shard]) -> None:
        writes = {shard.number: shard.writes.next_writes() for shard in shards}
        spec = self._context.spec
        draft = TransactionDraft(
            writes, _fences(shards, writes), spec.name, spec.parks, spec.parked_state, self._context.wall_ms()
        )
        points, unwritten, offsets = await self._write_draft(draft, assignment, shards)
        for shard in shards:
            self._stats.errors.clear((Part.PARKING, shard.number))
        if self._ownership.assignment is not assignment:
            return  # given away meanwhile: nothing of this assignment is finished any more
        fences: dict[int, dict[str, Fence | None]] = {shard.number: {} for shard in shards}
        for key, fence in draft.written_fences(offsets).items():
            fences[key.partition_number][key.order_id] = fence
        for shard in shards:
            shard.receipts.written(unwritten[shard.number].up_to)
            for entry in shard.fences.acknowledge(writes[shard.number], fences[shard.number]):
                entry.receipt = None  # the transaction has written it
                self._finisher.finish(entry)
            for write in writes[shard.number]:
                if write.parking is not None and not write.parking.replays:
                    self._stats.parked[write.parking.reason.value] += 1
        self._note_committed(assignment, points)

    async def _write_draft(
        self, draft: TransactionDraft, assignment: SinkAssignment, shards: Sequence[Shard]
    ) -> _Written:
        """Write it with what may be committed then, and with the receipts of all that this commit finishes."""
        while True:
            points = _points_with(shards, draft.writes)
            unwritten = {shard.number: shard.receipts.unwritten() for shard in shards}
            receipts = {number: one.receipts + _receipts_of(draft.writes[number]) for number, one in unwritten.items()}
            whole = replace(draft, receipts=self._receipts.draft(receipts))
            commit = GroupCommit(points, assignment.group)
            try:
                offsets = await self._transactions.write(whole.records(), whole.rows, commit)
            except KafkaFailed as error:
                whole.end(NOT_ACKNOWLEDGED)
                if not (isinstance(error, MetadataTooLarge) and self._shortens(points, error)):
                    raise
            else:
                whole.end()
                return _Written(points, unwritten, offsets)

    def _note_committed(self, assignment: SinkAssignment, points: Mapping[Partition, CommitPoint]) -> None:
        now = self._context.monotonic()
        for at, point in points.items():
            assignment.shards[at.number].note_committed(at, point, now)

    def _cannot_write(self, shards: Sequence[Shard], error: KafkaFailed) -> None:
        """Nothing is lost: the records stay unfinished, so their offsets are not committed. Others go on."""
        if len(shards) == 1:
            shards[0].writes.blocked_until = self._context.monotonic() + self._limits.retry_after_s
        else:
            for shard in shards:
                shard.writes.try_alone = True
        text = f"cannot park in {self._context.spec.parks}: {error}"
        parts = [(Part.PARKING, shard.number) for shard in shards]
        if text not in map(self._stats.errors.of, parts):
            numbers = [shard.number for shard in shards]
            log.error("parking_failed", worker=self._context.spec.name, partitions=numbers, detail=text)
        for part in parts:
            self._stats.errors.put(part, text, self._context.wall_ms())


def _proof(assignment: SinkAssignment) -> dict[Partition, CommitPoint]:
    """An old commit to repeat: only from a commit does an idle member learn that another process has taken its name
    (kafka-python 3.0.12). Without one both would deliver.
    """
    shards = assignment.shards.values()
    known = ((at, one) for shard in shards for at, one in shard.committed.items() if at not in shard.stopped)
    return dict(islice(known, 1))


def _fences(shards: Sequence[Shard], writes: Mapping[int, Sequence[Write]]) -> dict[OrderKey, Fence | None]:
    """The fences whose rows these writes bring, as they are now."""
    return {
        OrderKey(shard.number, write.order_id): shard.fences.get(write.order_id)
        for shard in shards
        for write in writes[shard.number]
        if write.order_id is not None
    }


def _points_with(shards: Sequence[Shard], writes: Mapping[int, Sequence[Write]]) -> dict[Partition, CommitPoint]:
    """What may be committed of these shards once the writes are written.

    Also where no offset moves: only a transaction that carries offsets is refused to a former owner, whose late row
    could remove a fence that the present owner needs.
    """
    points: dict[Partition, CommitPoint] = {}
    for shard in shards:
        finished: dict[Partition, set[int]] = {}
        for entry in _finished_by(writes[shard.number]):
            # A partition that was restarted has another ledger: its offset may come again, and is not finished then.
            if not entry.replay and entry.ledger is shard.ledgers.get(entry.record.at):
                finished.setdefault(entry.record.at, set()).add(entry.record.offset)
        points |= shard.committable(finished)
    return points


def _finished_by(writes: Sequence[Write]) -> list[Entry]:
    """The entries all of whose pending writes are among these."""
    named = [write.entry for write in writes if write.entry is not None]
    counts: dict[Entry, int] = {}
    for entry in named:
        counts[entry] = counts.get(entry, 0) + 1
    return [entry for entry, count in counts.items() if count == entry.pending_writes]


def _receipts_of(writes: Sequence[Write]) -> list[Receipt]:
    """Of the entries that these writes finish, and those that are true with these writes only."""
    own = [receipt for write in writes for receipt in write.receipts]
    return [entry.receipt for entry in _finished_by(writes) if entry.receipt is not None] + own
