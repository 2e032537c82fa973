"""The only user of a group's `KafkaConsumer`: one thread that polls, pauses, resumes and commits, and decides nothing.

The owner's loop puts commands into one queue; the thread executes them between two polls and calls the owner's
methods in its loop. A member joins a group only inside ``poll``: see `Shares`.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, assert_never

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.core.consume.start_position import NeedsOperator
from workers.core.record import CommitPoint, Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.client_patches.fetches import DamagedError
from workers.edges.kafka.client_patches.membership import watch_membership
from workers.edges.kafka.convert import to_kafka, to_partition, topic_partitions
from workers.edges.kafka.errors import FATAL, RECORDS_GONE, commit_error, describe, membership_error, partitions_of
from workers.edges.kafka.owner import Member, OwnedThread, Owner
from workers.edges.kafka.polling import GONE, Polling
from workers.edges.kafka.rebalance import RebalanceListener, Shares
from workers.edges.kafka.starting import (
    Beginning,
    Clients,
    Connector,
    await_topics,
    connect,
    leave_group,
    partition_counts,
)
from workers.edges.log import log

COMMIT_TIMEOUT_MS = 10_000
RETRY_AFTER_S = 0.5


@dataclass(frozen=True, slots=True)
class _FetchOnly:
    epoch: int
    paused: frozenset[Partition]
    awaited: frozenset[Partition]


@dataclass(frozen=True, slots=True)
class _RestartAt:
    epoch: int
    partition: Partition
    offset: int


@dataclass(frozen=True, slots=True)
class _StopAt:
    epoch: int
    partition: Partition
    stop: NeedsOperator


@dataclass(frozen=True, slots=True)
class _Commit:
    epoch: int
    offsets: Mapping[Partition, CommitPoint]
    done: asyncio.Future[None]


_Command: TypeAlias = _FetchOnly | _RestartAt | _StopAt | _Commit


class KafkaSource:
    """A static member of one consumer group, in its own thread. All methods are for the owner's loop."""

    def __init__(
        self,
        member: Member,
        topics: tuple[str, ...],
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
        *,
        written_topics: tuple[str, ...] = (),
        needed_topics: tuple[str, ...] = (),
        connector: Connector | None = None,
    ) -> None:
        """``written_topics``: those that the owner writes to, by the partition numbers of ``topics``.

        ``needed_topics``: those of them without which the owner cannot begin.
        """
        self._member = member
        self._topics = topics
        self._written_topics = written_topics
        self._needed_topics = needed_topics
        self._owner = owner
        self._loop = loop
        self._connector = connector or Connector()
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._thread = OwnedThread(f"kafka-{member.group}", loop, self._run, self._failed)
        self._shares = Shares(owner, self._thread)
        self._beginning = Beginning(owner, self._thread)
        self._polling = Polling(owner, self._shares, self._thread)
        self.fetched_at: float | None = None  # when a broker last answered a fetch, monotonic

    @property
    def polled_at(self) -> float:
        """When the thread last began a round, or a wait for Kafka (monotonic seconds): liveness does not test Kafka."""
        return self._thread.moved_at

    @property
    def stuck(self) -> str | None:
        """A partition that delivers nothing and that only a restart of the process can help."""
        return self._polling.stuck

    def _note_fetch(self, at: float) -> None:
        self.fetched_at = at

    def start(self) -> None:
        self._thread.start()

    async def stop(self, within_s: float) -> None:
        """Leave: revocation commits what is committable, then the thread ends; ``within_s`` seconds at most."""
        await self._thread.stop(within_s)

    def fetch_only(self, epoch: int, paused: frozenset[Partition], awaited: frozenset[Partition]) -> None:
        """Pause these partitions and fetch all others that have started; of ``awaited`` hand over each position."""
        self._commands.put(_FetchOnly(epoch, paused, awaited))

    def restart_at(self, epoch: int, partition: Partition, offset: int) -> None:
        """Begin a stopped partition where the operator decided."""
        self._commands.put(_RestartAt(epoch, partition, offset))

    def stop_at(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        """Fetch nothing more of a partition, and tell the owner that it has stopped."""
        self._commands.put(_StopAt(epoch, partition, stop))

    def commit(self, epoch: int, offsets: Mapping[Partition, CommitPoint]) -> asyncio.Future[None]:
        """Commit these points; the future fails with `KafkaFailed`."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._commands.put(_Commit(epoch, offsets, done))
        if epoch != self._shares.current.epoch:  # the thread may be blocked in a rebalance, and executes no command
            _resolve(done, KafkaFailed("commit: the partitions are being given away"))
        return done

    def _failed(self, error: Exception) -> None:
        """In the owner's loop."""
        self._owner.failed(membership_error(error, self._member))

    # In the thread.

    def _run(self) -> None:
        while (clients := connect(self._connector, self._member, self._thread)) is not None:
            try:
                self._serve(clients)
            finally:
                clients.close(leaves=self._member.leaves)
            if self._thread.goes_on():
                leave_group(self._member, self._thread)

    def _serve(self, clients: Clients) -> None:
        """Be a member for as long as the topics keep their partitions; closing the consumer then drains and commits.

        With unequal numbers of partitions one order's records may lie in two processes, and no merge sees both: every
        record waits until the operator has made the numbers equal. When they are, each member joins again: it cannot
        rely on a leader that notices new partitions, because the broker tells a static leader that has restarted
        nothing of its office (KIP-814).
        """
        consumer, topics, membership = clients.consumer, self._topics, self._member.membership
        watch_membership(consumer, membership.clocks.now, partial(self._thread.call, membership.answered))
        self._member.brokers.watch(consumer, self._note_fetch)
        listener = RebalanceListener(consumer, self._shares, self._member.release_within_s)
        consumer.subscribe(list(topics), listener=listener)
        needed = self._needed_topics
        await_topics(consumer, topics, self._written_topics, self._thread, self._owner, needed=needed)
        joined = partition_counts(consumer, topics)
        while self._thread.goes_on() and partition_counts(consumer, topics) == joined:
            self._round(clients)

    def _round(self, clients: Clients) -> None:
        self._execute_commands(clients.consumer)
        try:
            # What was fetched goes first: poll() has moved past it, so an error before it would lose it for good.
            self._polling.poll(clients)
            self._beginning.begin_pending(clients, self._shares.current)
        except FATAL:
            raise
        except RECORDS_GONE as error:
            for found in partitions_of(error):
                self._polling.stop_partition(clients.consumer, to_partition(found), GONE)
        except DamagedError as error:
            if self._polling.damaged(clients.consumer, error):
                self._thread.pause(RETRY_AFTER_S)
        except KafkaError as error:
            say = log.debug if self._member.brokers.may_fail else log.warning
            say("kafka_poll_failed", detail=describe(error))
            self._thread.pause(RETRY_AFTER_S)

    def _execute_commands(self, consumer: KafkaConsumer) -> None:
        while not self._commands.empty():
            command = self._commands.get()
            current = command.epoch == self._shares.current.epoch
            match command:
                case _FetchOnly() if current:
                    self._fetch_only(consumer, command)
                case _RestartAt() if current:
                    consumer.seek(TopicPartition(*command.partition), command.offset)
                    self._shares.current.started.add(command.partition)
                case _StopAt() if current:
                    self._polling.stop_partition(consumer, command.partition, command.stop)
                case _Commit() if current:
                    self._commit(consumer, command)
                case _Commit():
                    failure = KafkaFailed("commit: the partitions have been given away since")
                    self._thread.call(_resolve, command.done, failure)
                case _FetchOnly() | _RestartAt() | _StopAt():
                    pass  # of partitions that have been given away
                case _:
                    assert_never(command)

    def _fetch_only(self, consumer: KafkaConsumer, command: _FetchOnly) -> None:
        share = self._shares.current
        share.awaited = command.awaited
        consumer.pause(*topic_partitions(share.started & command.paused))
        consumer.resume(*topic_partitions(share.started - command.paused))

    def _commit(self, consumer: KafkaConsumer, command: _Commit) -> None:
        try:
            consumer.commit(to_kafka(command.offsets), timeout_ms=COMMIT_TIMEOUT_MS)
        except KafkaError as error:
            self._thread.call(_resolve, command.done, commit_error(error))
            if isinstance(error, FATAL):  # kafka-python tells a fenced member so here, and nowhere else
                raise
        else:
            self._beginning.committed.update(command.offsets)
            self._thread.call(_resolve, command.done, None)


def _resolve(done: asyncio.Future[None], failure: Exception | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(failure)
