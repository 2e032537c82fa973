"""What this process owns for as long as the group lets it, and gives up all at once."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from workers.app.sink.shard import Shard
from workers.core.consume.commit_metadata import MetadataLimit
from workers.core.consume.lanes import Entry, Lanes
from workers.core.parked.headers import Parking
from workers.edges.aio import task_error
from workers.edges.kafka.table import Reader


class Replaying(Protocol):
    """The replays of an assignment, as the sink sees them (`workers.app.parked.replay.Replays`)."""

    def is_running(self, shard: Shard, order_id: str) -> bool:
        """Whether the order's parked records in this partition number are being replayed."""

    def start(self, shard: Shard, order_id: str) -> None:
        """The create that the parked order lacked has been delivered."""

    def delivered(self, shard: Shard, entry: Entry) -> None:
        """A replayed record needs nothing more."""

    def refused(self, shard: Shard, entry: Entry, parking: Parking) -> None:
        """A replayed record was refused: it stays parked, with all that follows."""


@dataclass(slots=True, eq=False)
class SinkAssignment:
    """One generation's partitions, with their ledgers, fences, queued writes, replays and commands in progress.

    It is dropped as a whole. A late result finds the ledger and the fences of its own assignment: what it changes
    there is never committed.
    """

    epoch: int
    group: Any  # the generation, for transactions (KIP-447)
    shards: Mapping[int, Shard]  # by partition number
    replays: Replaying
    parked_state: Reader  # fills the shards' fences, and takes operators' commands
    is_closing: bool = False  # it is being given away, or the process leaves: nothing new is sent
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def run(self, work: Coroutine[Any, Any, None], failed: Callable[[Exception], None]) -> None:
        """Do this until the assignment ends; ``failed`` takes the error that ended it earlier."""

        def report(task: asyncio.Task[None]) -> None:
            if (error := task_error(task)) is not None:
                failed(error)

        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(report)
        self._tasks.append(task)

    def end(self) -> None:
        for task in self._tasks:
            task.cancel()


class Ownership:
    """The present assignment, or none. To give it up is to drop one reference."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self.metadata_limit = MetadataLimit()  # of the commits of this and all later assignments
        self.assignment: SinkAssignment | None = None
        # Stays between two assignments: a rebalance is no new start, and must not make every member's `/readyz` fail.
        self.has_joined = False

    def begin(self, assignment: SinkAssignment) -> None:
        self.assignment, self.has_joined = assignment, True

    def end(self) -> None:
        """Drop the assignment. Lanes in flight stay closed until their flights have ended: the next owner of the
        order may be this very process, and must not send while they are under way.
        """
        assignment, self.assignment = self.assignment, None
        if assignment is not None:
            assignment.end()
            shards = assignment.shards.values()
            for shard in shards:
                shard.writes.given_away()
            ledgers = [ledger for shard in shards for ledger in (*shard.ledgers.values(), shard.replay_ledger)]
            self._lanes.drop(frozenset(ledgers))

    @property
    def shards(self) -> Collection[Shard]:
        return () if self.assignment is None else self.assignment.shards.values()

    @property
    def epoch(self) -> int:
        """The present assignment's; 0: there is none."""
        return 0 if self.assignment is None else self.assignment.epoch

    @property
    def replays(self) -> Replaying:
        """The present assignment's; only what has a shard of it may ask."""
        assert self.assignment is not None, "no assignment has replays"
        return self.assignment.replays

    @property
    def is_closing(self) -> bool:
        return self.assignment is not None and self.assignment.is_closing

    def current(self, epoch: int) -> SinkAssignment | None:
        """The assignment of this epoch; None: it is gone, and what the Kafka thread says of it concerns no one."""
        return self.assignment if self.assignment is not None and self.assignment.epoch == epoch else None

    def owns(self, shard: Shard) -> bool:
        return self.assignment is not None and self.assignment.shards.get(shard.number) is shard

    def shard_of(self, entry: Entry) -> Shard | None:
        """The shard that fetched the entry; None when it has been given away since: its next owner sends the record."""
        if self.assignment is None:
            return None
        shard = self.assignment.shards.get(entry.record.partition)
        if shard is None:
            return None
        ledger = shard.replay_ledger if entry.replay else shard.ledgers.get(entry.record.at)
        return shard if ledger is entry.ledger else None
