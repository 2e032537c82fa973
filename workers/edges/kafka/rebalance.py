"""What a rebalance gives and takes: the share of the present generation, and its release without losing the membership.

Rebalance listeners run on kafka-python's own IO thread. One that blocks stops the heartbeats; one that awaits keeps
them going. So the listener waits for the owner's drain by a row of awaited commits of what is committable, which is
also the last duty of a leaving owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError

from workers.core.consume.stall_watchdog import Watchdog
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client_patches.connections import keep_join_requested
from workers.edges.kafka.convert import to_kafka, to_partition
from workers.edges.kafka.errors import METADATA_TOO_LARGE
from workers.edges.kafka.owner import Assignment, OwnedThread, Owner, Release
from workers.edges.log import log

RELEASE_POLL_S = 0.005
LOOP_IS_DEAD_AFTER_S = 5.0  # the owner ends a release at its deadline; one that is so late will not end it at all


@dataclass(slots=True, eq=False)
class Share:
    """What one generation of the group has given us; dropped as a whole with it."""

    epoch: int = 0
    pending: set[Partition] = field(default_factory=set)  # assigned, but their start is not decided yet
    started: set[Partition] = field(default_factory=set)
    awaited: frozenset[Partition] = frozenset()  # the owner's merge waits for their position
    commits: dict[Partition, Any] | None = None  # the group's, as the previous owner left them
    watchdog: Watchdog = field(default_factory=Watchdog)
    blocked: dict[Partition, float] = field(default_factory=dict)  # by an open transaction: since when, monotonic


class Shares:
    """The present `Share`. The IO thread replaces it, while the consumer thread waits in ``poll`` or at its close.

    What the consumer thread does between two polls therefore belongs to one generation: a command of an older
    epoch is dropped, and commits nothing for partitions that have been given away.
    """

    def __init__(self, owner: Owner, thread: OwnedThread) -> None:
        self._owner = owner
        self._thread = thread
        self.current = Share()

    def assigned(self, partitions: frozenset[Partition], group: Any) -> None:
        self.current = Share(self.current.epoch + 1, pending=set(partitions))
        self._thread.call(self._owner.assigned, Assignment(self.current.epoch, partitions, group))

    def release(self, release: Release) -> None:
        release.epoch = self._end_current()
        self._thread.call(self._owner.release, release)

    def lost(self) -> None:
        self._thread.call(self._owner.lost, self._end_current())

    def _end_current(self) -> int:
        """End the present epoch: a commit still in the queue would move the offsets of the release back."""
        epoch = self.current.epoch
        self.current = Share(epoch + 1)
        return epoch


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    """Called on the IO thread when the group's assignment changes."""

    def __init__(self, consumer: KafkaConsumer, shares: Shares, release_within_s: float) -> None:
        self._consumer = consumer
        self._shares = shares
        self._release_within_s = release_within_s

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for partition in assigned:
            # No record may be fetched before the start is decided; offset 0 only keeps poll() from looking for one.
            self._consumer.pause(partition)
            self._consumer.seek(partition, 0)
        self._shares.assigned(_partitions(assigned), self._consumer.group_metadata())

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        keep_join_requested(self._consumer)
        partitions = _partitions(revoked)
        if not partitions:
            return
        release = Release(partitions, monotonic() + self._release_within_s)
        self._shares.release(release)
        fault = ""
        while not release.done and monotonic() < release.deadline + LOOP_IS_DEAD_AFTER_S:
            sleep(RELEASE_POLL_S)  # noqa: ASYNC251 - not asyncio's loop; far below a heartbeat's interval
            fault = await self._commit(release.offsets, fault)
        await self._commit(release.offsets, fault)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - all of them, always
        self._shares.lost()  # the group has given them away: a commit now would be for another owner's partitions

    async def _commit(self, offsets: Mapping[Partition, CommitPoint], fault: str) -> str:
        """Return what failed, or nothing; a fault that the try before had too is not logged again."""
        without_metadata = {at: CommitPoint(point.offset, "") for at, point in offsets.items()}
        for points in (offsets, without_metadata):
            try:
                await self._consumer.commit_async(to_kafka(points))
            except METADATA_TOO_LARGE:
                continue
            except KafkaError as error:
                if (detail := type(error).__name__) != fault:
                    log.info("release_commit_failed", detail=detail)
                return detail
            return ""
        return fault


def _partitions(partitions: Iterable[TopicPartition]) -> frozenset[Partition]:
    return frozenset(to_partition(one) for one in partitions)
