"""One partition number of a sink's topics, from assignment to revocation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from workers.core.consume.backpressure import Held
from workers.core.consume.ledger import Ledger
from workers.core.consume.merge import Merge
from workers.core.consume.start_position import NeedsOperator, StartAt
from workers.core.delivery.tracked_order import Tracked
from workers.core.parked.fence import Fence
from workers.core.record import CommitPoint, Partition, Record

Offsets: TypeAlias = dict[Partition, CommitPoint]
_NOT_BEGUN = -1  # before any offset: a record that waits for this side waits until it has begun


@dataclass(slots=True, eq=False)
class Shard:
    """Everything that must be given up together when the partition number is given away."""

    number: int
    merge: Merge
    ledgers: dict[Partition, Ledger] = field(default_factory=dict)  # of those that have begun
    stopped: dict[Partition, NeedsOperator] = field(default_factory=dict)  # until a person decides
    committed: dict[Partition, CommitPoint] = field(default_factory=dict)  # what the broker has been told
    repeatable: dict[Partition, int] = field(default_factory=dict)  # below it a former owner may have sent
    ends: dict[Partition, int] = field(default_factory=dict)
    fences: dict[str, Fence] = field(default_factory=dict)
    fences_loaded: bool = False
    tracked: dict[str, Tracked] = field(default_factory=dict)  # by order id, for sinks that track
    tracked_loaded: bool = True  # False until read, for sinks that track
    next: Record | None = None  # taken from the merge, waits for its schema
    replays: Ledger = field(default_factory=lambda: Ledger(0))  # of entries that come from the parked topic
    records: dict[Partition, int] = field(default_factory=dict)  # unfinished, by partition
    bytes: dict[Partition, int] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """What the former owner left behind is known: records may go."""
        return self.fences_loaded and self.tracked_loaded

    def begin(self, at: Partition, start: StartAt) -> None:
        """The partition is fetched from there."""
        self.ledgers[at] = Ledger(start.offset, start.finished)
        self.records[at] = self.bytes[at] = 0
        self.stopped.pop(at, None)
        self.merge.restart(at.topic, start.offset)

    def took(self, at: Partition, size: int) -> None:
        """A record of so many bytes is unfinished from now on."""
        self.records[at] += 1
        self.bytes[at] += size

    def gave(self, at: Partition, size: int) -> None:
        """It is finished."""
        self.records[at] -= 1
        self.bytes[at] -= size

    def held(self) -> Mapping[Partition, Held]:
        """What each partition keeps in memory."""
        return {at: Held(count, self.bytes[at]) for at, count in self.records.items()}

    def awaited(self) -> list[Partition]:
        """What must be fetched before the next record can go."""
        return [Partition(topic, self.number) for topic in self.merge.awaited()]

    def to_commit(self) -> Offsets:
        """What the broker has not been told yet."""
        return {at: offset for at, offset in self.committable().items() if self.committed.get(at) != offset}

    def committable(self, parked: Mapping[Partition, Iterable[int]] = MappingProxyType({})) -> Offsets:
        """What may be committed, as if ``parked`` had finished too; nothing where the commit cannot be trusted."""
        found: Offsets = {}
        for at, ledger in self.ledgers.items():
            stop = self.stopped.get(at)
            if stop is None or stop.damaged:
                point = ledger.metadata(frozenset(parked.get(at, ())))
                found[at] = point if stop is None else point._replace(metadata=stop.told(point.metadata))
        return found


def open_shard(number: int, topics: tuple[str, ...], merge_wait: float, now: float, *, tracks: bool) -> Shard:
    """A shard whose sides have not begun: none can be fetched yet, since now."""
    merge = Merge(dict.fromkeys(topics, _NOT_BEGUN), merge_wait)
    for topic in topics:
        merge.unreachable(topic, now)
    return Shard(number, merge, tracked_loaded=not tracks)
