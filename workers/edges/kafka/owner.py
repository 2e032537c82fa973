"""The border between the Kafka threads and the asyncio loop that owns the partitions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from workers.core.consume.start_position import NeedsOperator, StartDecision
from workers.core.record import CommitPoint, Partition, Record
from workers.edges.kafka.client import SESSION_TIMEOUT_S, KafkaConnection, consumer_options
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.membership import Membership

METADATA_AGE_MS = 2_000
"""A member sees so soon that a topic has more partitions, or is another topic: nothing more is sent then."""


@dataclass(frozen=True, slots=True)
class Member:
    """A static member of a consumer group: one that did not leave and returns within ``session_timeout_s`` moves no
    partition.
    """

    connection: KafkaConnection
    group: str
    instance: str
    session_timeout_s: float = SESSION_TIMEOUT_S  # after so long without a heartbeat the partitions are lost
    membership: Membership = field(default_factory=Membership)  # written by the consumer thread's events
    leaves: bool = True  # when it is stopped; else its partitions wait for its restart, until the session ends
    brokers: Brokers = field(default_factory=Brokers)  # the process's: what its consumers hear of them

    @property
    def release_within_s(self) -> float:
        """How long a revocation may drain. The remaining two thirds of the session are left to the next owner."""
        return self.session_timeout_s / 3

    def options(self) -> dict[str, Any]:
        """Keyword arguments of this member's `KafkaConsumer`."""
        options = consumer_options(
            self.connection, group=self.group, instance=self.instance, session_timeout_s=self.session_timeout_s
        )
        return options | {"metadata_max_age_ms": METADATA_AGE_MS}


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition in fetch order, and the next fetch offset."""

    partition: Partition
    records: list[Record]
    position: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """One hand-over. ``unreachable``: since when (monotonic seconds)."""

    epoch: int
    batches: list[Batch]
    ends: Mapping[Partition, int]  # end offsets, asked after the fetch
    unreachable: Mapping[Partition, float]
    asked_at_ms: int  # just before the question for the ends, milliseconds since 1970


@dataclass(frozen=True, slots=True)
class Assignment:
    """One generation's share. ``group`` is kafka-python's metadata of the generation, for transactions (KIP-447)."""

    epoch: int
    partitions: frozenset[Partition]
    group: Any


class Release:
    """A revocation under way, shared by two threads: the owner's loop writes, the rebalance listener reads.

    The loop replaces ``offsets`` and ``done`` only as a whole.
    """

    def __init__(self, partitions: frozenset[Partition], deadline: float) -> None:
        self.partitions = partitions
        self.deadline = deadline  # monotonic; then the owner abandons what is in flight, uncommitted
        self.epoch = 0
        self.offsets: Mapping[Partition, CommitPoint] = {}  # committable now
        self.done = False  # no record of these partitions is in flight any more


class Owner(Protocol):
    """The owner of a group's partitions. Every method is called in its loop, in the order of the events."""

    def assigned(self, assignment: Assignment) -> None:
        """A new generation has begun; these partitions are ours, and none of them has started yet."""

    def previous_owner_fenced(self, epoch: int) -> None:
        """No transaction of the previous owner is open: what it wrote can be read, and it can add nothing."""

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        """The partition is fetched from this offset; a `NeedsOperator`: the operator has to decide."""

    def fetched(self, fetched: Fetched) -> None:
        """Take a hand-over; the thread waits while two of them have not been taken."""

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:
        """A partition that had begun cannot go on: the operator has to decide."""

    def release(self, release: Release) -> None:
        """Partitions are revoked: finish what is in flight, publish what may be committed, then set ``done``."""

    def waits(self, why: str) -> None:
        """The member is in no group until the operator has mended this."""

    def lost(self, epoch: int) -> None:
        """The group has given the partitions to others: commit nothing for what is in flight."""

    def failed(self, error: Exception) -> None:
        """The thread has ended: no record will be fetched or committed any more."""


class OwnedThread:
    """A daemon thread whose events are called in the owner's loop, in their order. An error ends it and is reported."""

    def __init__(
        self, name: str, loop: asyncio.AbstractEventLoop, run: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """``run`` returns soon after `goes_on` is false; what it raises is passed to ``failed``, in the loop."""
        self._loop = loop
        self._run = run
        self._failed = failed
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run_and_report, name=name, daemon=True)
        self.moved_at = monotonic()  # when the thread last asked `goes_on`: liveness reads it

    def start(self) -> None:
        self.moved_at = monotonic()
        self._thread.start()

    async def stop(self, within_s: float) -> None:
        """Return when the thread has ended, or after ``within_s`` seconds."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join, within_s)

    def goes_on(self) -> bool:
        """Whether the thread is to go on; to be asked in each of its rounds."""
        self.moved_at = monotonic()
        return not self._stopping.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond a stop."""
        self._stopping.wait(seconds)

    def call(self, method: Callable[..., Any], *args: Any) -> None:
        """Call ``method`` in the owner's loop, after everything that was passed to this method before."""
        try:
            self._loop.call_soon_threadsafe(method, *args)
        except RuntimeError:  # the loop is closed: the process is leaving
            self._stopping.set()

    def _run_and_report(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - without this thread the process must end, whatever the error
            self.call(self._failed, error)
