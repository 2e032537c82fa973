"""Gives partitions away without losing the membership.

Rebalance listeners run on the client's own IO thread. One that blocks stops the heartbeats; one that awaits
keeps them going. So the wait for the loop's drain is a row of awaited commits of what is committable, which
is also the last thing that a leaving owner has to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import monotonic, sleep
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError

from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.convert import to_kafka
from workers.edges.log import log

_NAP = 0.005
_LOOP_IS_DEAD = 5.0  # the loop ends a release at its deadline; one that does not will not any more


class Release:
    """A revocation under way, shared by two threads: the loop publishes, the listener reads.

    ``offsets`` and ``done`` are only ever replaced as a whole.
    """

    def __init__(self, partitions: frozenset[Partition], deadline: float) -> None:
        self.partitions = partitions
        self.deadline = deadline  # monotonic; then what is in flight is given up, uncommitted
        self.epoch = 0
        self.offsets: Mapping[Partition, CommitPoint] = {}  # committable now
        self.done = False  # nothing of these partitions is in flight any more


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    """What happens on the IO thread when the group's assignment changes."""

    def __init__(
        self,
        *,
        consumer: KafkaConsumer,
        on_assigned: Callable[[frozenset[Partition], Any], None],
        on_release: Callable[[Release], None],
        on_lost: Callable[[], None],
        within: float,
    ) -> None:
        self._consumer = consumer
        self._on_assigned = on_assigned
        self._on_release = on_release
        self._on_lost = on_lost
        self._within = within

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        for at in assigned:
            # Nothing may be fetched before its start is decided; offset 0 only keeps poll() from looking for one.
            self._consumer.pause(at)
            self._consumer.seek(at, 0)
        self._on_assigned(_ours(assigned), self._consumer.group_metadata())

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        # kafka-python 3.0.12 revokes because metadata differ, and forgets to join when they agree again before the
        # group has answered: a member without partitions for good. Asked for, the join goes on to its end.
        self._consumer._coordinator.request_rejoin()  # noqa: SLF001 - no public way
        partitions = _ours(revoked)
        if not partitions:
            return
        release = Release(partitions, monotonic() + self._within)
        self._on_release(release)
        while not release.done and monotonic() < release.deadline + _LOOP_IS_DEAD:
            sleep(_NAP)  # noqa: ASYNC251 - not asyncio's loop; far below a heartbeat's interval, and the commit yields
            await self._commit(release.offsets)
        await self._commit(release.offsets)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - all of them, always
        self._on_lost()  # the broker has given them away: a commit now would be another owner's

    async def _commit(self, offsets: Mapping[Partition, CommitPoint]) -> None:
        try:
            await self._consumer.commit_async(to_kafka(offsets))
        except KafkaError as error:
            log.info("release_commit_failed", detail=type(error).__name__)


def _ours(partitions: Iterable[TopicPartition]) -> frozenset[Partition]:
    return frozenset(Partition(at.topic, at.partition) for at in partitions)
