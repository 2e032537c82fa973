"""One partition number of a sink's topics, from assignment to revocation."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from workers.app.sink.fences import Fences
from workers.app.sink.wakeups import Wakeups
from workers.app.sink.write_queue import WriteLimits, WriteQueue
from workers.core.consume.backpressure import MemoryUse
from workers.core.consume.commit_metadata import MetadataLimit
from workers.core.consume.fetch_times import FetchTimes
from workers.core.consume.lanes import Entry
from workers.core.consume.ledger import Ledger
from workers.core.consume.merge import Merge
from workers.core.consume.receipt_log import ReceiptLog
from workers.core.consume.start_position import NeedsOperator, StartAt
from workers.core.delivery.tracked_order import Tracked
from workers.core.record import CommitPoint, Partition, Record

_NOT_BEGUN = -1  # before any offset: a record that waits for this side waits until it has begun


@dataclass(slots=True, eq=False)
class Shard:
    """All that is given up when the partition number is given away."""

    number: int
    merge: Merge
    writes: WriteQueue
    fences: Fences
    metadata_limit: MetadataLimit = field(default_factory=MetadataLimit)  # the worker's, shared by its shards
    ledgers: dict[Partition, Ledger] = field(default_factory=dict)  # of the partitions that are fetched
    stopped: dict[Partition, NeedsOperator] = field(default_factory=dict)  # until an operator decides
    committed: dict[Partition, CommitPoint] = field(default_factory=dict)  # by us
    repeatable: dict[Partition, int] = field(default_factory=dict)  # below it a former owner may have sent
    ends: dict[Partition, int] = field(default_factory=dict)
    ends_at: dict[Partition, float] = field(default_factory=dict)  # when each end was asked, monotonic
    moved_at: dict[Partition, float] = field(default_factory=dict)  # its last commit, or when it last had no lag
    read_until_ms: dict[Partition, int] = field(default_factory=dict)  # all that was appended before has been fetched
    fetch_times: dict[Partition, FetchTimes] = field(default_factory=dict)
    fences_loaded: bool = False
    tracked: dict[str, Tracked] = field(default_factory=dict)  # by order id, for sinks that track
    half_made: set[str] = field(default_factory=set)  # order ids of those whose delivery is not finished
    tracked_loaded: bool = True  # False until they are read, for sinks that track
    next: Record | None = None  # taken from the merge; its schema is being asked for, or is suspect
    suspect: NeedsOperator | None = None  # why nothing may pass `next`: no record of its schema could be decoded
    replay_ledger: Ledger = field(default_factory=lambda: Ledger(0))  # what entries from the parked topic carry
    receipts: ReceiptLog = field(default_factory=ReceiptLog)  # of what has finished, until they are written
    records: dict[Partition, int] = field(default_factory=dict)  # unfinished, by partition
    bytes: dict[Partition, int] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """The former owner's fences and tracked orders are known: records may be sent."""
        return self.fences_loaded and self.tracked_loaded

    def begin(self, at: Partition, start: StartAt) -> None:
        """The partition is fetched from here."""
        self.fetch_times[at] = FetchTimes()
        self.ledgers[at] = Ledger(start.offset, start.finished, self.metadata_limit)
        self.records[at] = self.bytes[at] = 0
        self.stopped.pop(at, None)
        self.read_until_ms.pop(at, None)
        if self.next is not None and self.next.at == at:
            self.next = self.suspect = None
        self.merge.restart(at.topic, start.offset)

    def committed_offset(self, at: Partition) -> int:
        """Of a partition that is fetched: what the group would begin with."""
        return self.committed[at].offset if at in self.committed else self.ledgers[at].start

    def note_end(self, at: Partition, end: int, now: float) -> None:
        """Where the partition ends, asked a moment ago."""
        self.ends[at], self.ends_at[at] = end, now
        if at not in self.moved_at or (at in self.ledgers and self.committed_offset(at) >= end):
            self.moved_at[at] = now

    def note_committed(self, at: Partition, point: CommitPoint, now: float) -> None:
        """The broker has stored it."""
        if at not in self.committed or self.committed[at].offset != point.offset:
            self.moved_at[at] = now
        self.committed[at] = point

    def fetched(self, at: Partition, records: int, size: int) -> None:
        """So many more records are unfinished from now on, of so many bytes together."""
        self.records[at] += records
        self.bytes[at] += size

    def finish(self, entry: Entry) -> None:
        """The entry's record needs nothing more: its offset may be committed, its memory is free."""
        if entry.ledger.finish(entry.record.offset):
            at = entry.record.at
            self.records[at] -= 1
            self.bytes[at] -= entry.size
        entry.span.finish()
        if entry.receipt is not None:  # else a transaction has written it
            self.receipts.append(entry.receipt)
            entry.receipt = None

    def memory_use(self) -> Mapping[Partition, MemoryUse]:
        """What each partition keeps in memory."""
        return {at: MemoryUse(count, self.bytes[at]) for at, count in self.records.items()}

    def has_read(self, topic: str, until_ms: int) -> bool:
        """Whether every record of the topic that was appended before then has been fetched, and has left the merge."""
        until = self.read_until_ms.get(Partition(topic, self.number), 0)
        return until >= until_ms and not self.merge.queued_of(topic)

    def track(self, tracked: Tracked) -> None:
        """Keep an order's mark in memory, in the place of the one before."""
        self.tracked[tracked.order_id] = tracked
        (self.half_made.add if tracked.stage else self.half_made.discard)(tracked.order_id)

    def forget(self, order_id: str) -> None:
        """The order's mark is gone."""
        del self.tracked[order_id]
        self.half_made.discard(order_id)

    def awaited(self) -> list[Partition]:
        """What must be fetched before the next record can go."""
        return [Partition(topic, self.number) for topic in self.merge.awaited()]

    def committable(
        self, also_finished: Mapping[Partition, Collection[int]] = MappingProxyType({})
    ) -> dict[Partition, CommitPoint]:
        """What may be committed, as if these offsets had finished too; nothing where an operator must decide."""
        found = {}
        for at, ledger in self.ledgers.items():
            stop = self.stopped.get(at)
            if stop is None or stop.damaged:
                point = ledger.commit_point(at, frozenset(also_finished.get(at, ())))
                if stop is not None:
                    # Nothing has finished beyond a suspect record: no metadata is lost for the reason.
                    waits = self.next is not None and (self.next.at, self.next.offset) == (at, point.offset)
                    if waits or point.offset == ledger.position:  # all before it has ended: it may be passed over
                        text = stop.metadata_or_reason("" if waits else point.metadata, self.metadata_limit.characters)
                        point = CommitPoint(point.offset, text)
                found[at] = point
        return found


def open_shard(
    number: int,
    topics: tuple[str, ...],
    merge_wait: float,
    now: float,
    wakeups: Wakeups,
    *,
    tracks: bool,
    limits: WriteLimits | None = None,
    metadata_limit: MetadataLimit | None = None,
) -> Shard:
    """A shard none of whose partitions is fetched yet, since now."""
    merge = Merge(dict.fromkeys(topics, _NOT_BEGUN), merge_wait)
    for topic in topics:
        merge.unreachable(topic, now)
    writes = WriteQueue(wakeups, limits)
    limit = metadata_limit or MetadataLimit()
    return Shard(number, merge, writes, Fences(writes), limit, tracked_loaded=not tracks)
