"""What passes between the Kafka thread and the loop that owns its partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.record import Partition, Record
from workers.edges.kafka.client import SESSION, KafkaConnection, consumer_options
from workers.edges.kafka.rebalance import Release


@dataclass(frozen=True, slots=True)
class Member:
    """Who we are in which group. Membership is always static: a restart within the session moves no partition."""

    connection: KafkaConnection
    group: str
    instance: str
    session: float = SESSION  # seconds: silent for so long, we have lost our partitions

    @property
    def release_within(self) -> float:
        """Seconds: a revocation drains so long, then gives up what is in flight. The rest is the next owner's wait."""
        return self.session / 3

    def options(self) -> dict[str, Any]:
        return consumer_options(self.connection, group=self.group, instance=self.instance, session=self.session)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition in fetch order, and the next fetch offset."""

    at: Partition
    records: list[Record]
    position: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """One hand-over. ``ends``: end offsets asked after the fetch; ``unreachable``: since when (monotonic seconds)."""

    epoch: int
    batches: list[Batch]
    ends: Mapping[Partition, int]
    unreachable: Mapping[Partition, float]


@dataclass(frozen=True, slots=True)
class Assignment:
    """One generation's share. ``group`` is the generation itself, for transactions (KIP-447)."""

    epoch: int
    partitions: frozenset[Partition]
    group: Any


class Owner(Protocol):
    """The loop's side; every method is called in the loop, in the order things happened."""

    def assigned(self, assignment: Assignment) -> None:
        """These partitions are ours; none of them has begun."""

    def previous_owner_fenced(self, epoch: int) -> None:
        """No transaction of a former owner is open any more: what it wrote can be read, and nothing is added to it."""

    def begun(self, epoch: int, at: Partition, start: StartDecision) -> None:
        """The partition is fetched from there; a `NeedsOperator`: a person decides."""

    def fetched(self, fetched: Fetched) -> None:
        """Take a hand-over; the thread waits while two of them have not been taken."""

    def stopped(self, epoch: int, at: Partition, stop: NeedsOperator) -> None:
        """A partition that had begun cannot go on by itself: a person decides."""

    def release(self, release: Release) -> None:
        """Partitions are asked back: finish what is in flight, tell what may be committed, then set ``done``."""

    def lost(self, epoch: int) -> None:
        """They are somebody else's already: what is in flight commits nothing."""

    def failed(self, error: Exception) -> None:
        """The thread has ended: nothing will be fetched or committed any more."""
