"""What the parts of a running sink share. One asyncio loop owns it all: no locks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from workers.app.config.specs import SinkSpec
from workers.app.sink.shard import Shard
from workers.app.sink.stats import Stats
from workers.core.consume.backpressure import FetchBudget
from workers.core.consume.lanes import Entry, Lane, Lanes
from workers.core.delivery.gate import Gate
from workers.core.record import Partition
from workers.edges.kafka.owner import Assignment


@dataclass(slots=True, eq=False)
class SinkState:
    """The one owner's memory."""

    spec: SinkSpec
    lanes: Lanes
    gate: Gate
    window: FetchBudget
    opening: frozenset[str]  # topics whose records create or replace an order
    monotonic: Callable[[], float]  # seconds
    wall_ms: Callable[[], int]  # milliseconds since 1970
    jitter: Callable[[], float]  # in [0, 1)
    stats: Stats = field(default_factory=Stats)
    shards: dict[int, Shard] = field(default_factory=dict)
    assignment: Assignment | None = None
    paused: frozenset[Partition] = frozenset()
    in_flight: int = 0  # vendor requests under way
    # By partition number: orders whose fence has ended, and Kafka has not been told yet.
    unfencing: set[tuple[int, str]] = field(default_factory=set)
    draining: bool = False  # the process is leaving
    holding: bool = False  # nothing new is sent: draining, or partitions are being given away

    def shard_of(self, entry: Entry) -> Shard | None:
        """The shard that fetched the entry; None when it has been given away since: nothing may be finished for it."""
        shard = self.shards.get(entry.record.partition)
        if shard is None:
            return None
        ours = shard.replays if entry.replay else shard.ledgers.get(entry.record.at)
        return shard if ours is entry.ledger else None

    def abandon_in_flight(self, lane: Lane) -> None:
        """The lane's flight was cut off: whether its head was applied is unknown, and it stays uncommitted."""
        self.stats.unknown += 1
        self.lanes.finish(lane)

    def finish(self, entry: Entry) -> None:
        """Nothing more to do for this record: its offset may be committed, its memory is free."""
        if not entry.ledger.finish(entry.record.offset):
            return
        shard = self.shard_of(entry)
        if shard is not None:
            shard.gave(entry.record.at, entry.size)

    @property
    def epoch(self) -> int:
        """The present assignment's; 0: there is none."""
        return self.assignment.epoch if self.assignment else 0

    def is_current(self, epoch: int) -> bool:
        """Whether news of this epoch still concerns us: a rebalance may have overtaken it."""
        return self.assignment is not None and self.assignment.epoch == epoch
