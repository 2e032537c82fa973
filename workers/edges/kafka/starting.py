"""How a source begins: it connects, waits for its topics, and finds the first offset of each assigned partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from workers.core.consume.start_position import NeedsOperator, decide_start
from workers.core.record import Partition
from workers.edges.kafka.admin import open_admin
from workers.edges.kafka.client import KafkaFailed, open_client
from workers.edges.kafka.client_patches.membership import leave_at_close
from workers.edges.kafka.errors import FATAL, describe
from workers.edges.kafka.log_ends import Ends, open_ends
from workers.edges.kafka.owner import Member, OwnedThread, Owner
from workers.edges.kafka.rebalance import Share
from workers.edges.log import log

CONNECT_AGAIN_AFTER_S = 1.0
LOOK_AGAIN_AFTER_S = 0.5
COMMITS_TIMEOUT_MS = 5_000


class Clients(NamedTuple):
    """The two consumers of a source: the group's member, and one in no group that asks for log ends."""

    consumer: KafkaConsumer
    ends: Ends

    def close(self, *, leaves: bool) -> None:
        """Give the partitions up: the others have them at once if the member ``leaves``, else when its session ends."""
        if leaves:
            leave_at_close(self.consumer)
        self.consumer.close(autocommit=False, timeout_ms=5_000)
        self.ends.close()


class Connector:
    """Opens the consumers of a source; each method raises kafka-python's errors."""

    def consumer(self, member: Member) -> KafkaConsumer:
        return open_client(KafkaConsumer, member.options())

    def ends(self, member: Member) -> Ends:
        return open_ends(member.connection)

    def clients(self, member: Member) -> Clients:
        ends = self.ends(member)
        try:
            return Clients(self.consumer(member), ends)
        except BaseException:
            ends.close()
            raise


def connect(connector: Connector, member: Member, thread: OwnedThread) -> Clients | None:
    """Wait for the cluster: a broker that is down is no reason to crash. None: the thread was stopped first.

    The process's `Brokers` log that none answers.

    Raises what no later try can mend (`FATAL`).
    """
    while thread.goes_on():
        try:
            return connector.clients(member)
        except FATAL:
            raise
        except KafkaError as error:
            log.debug("kafka_not_connected", detail=describe(error))
            member.brokers.failed(error)
            thread.pause(CONNECT_AGAIN_AFTER_S)
    return None


def leave_group(member: Member, thread: OwnedThread) -> None:
    """Have the group forget the member: a static member that comes back gets its former assignment unchanged."""
    while thread.goes_on():
        try:
            with open_admin(member.connection) as admin:
                admin.remove_member(member.group, member.instance)
        except KafkaFailed as error:
            log.debug("kafka_not_connected", detail=str(error))
            thread.pause(CONNECT_AGAIN_AFTER_S)
        else:
            return


def await_topics(
    consumer: KafkaConsumer,
    topics: Sequence[str],
    written: Sequence[str],
    thread: OwnedThread,
    owner: Owner,
    *,
    needed: Sequence[str] = (),
) -> None:
    """Wait until all topics fit each other: a leader that knows of none gives every member nothing for a minute."""
    logged = None
    while thread.goes_on():
        fault = topics_fault(consumer, topics, written, needed)
        if fault is None:
            return
        if fault != logged:
            logged = fault
            log.error("topics_missing", detail=fault)
            thread.call(owner.waits, fault)
        thread.pause(LOOK_AGAIN_AFTER_S)


def topics_fault(
    consumer: KafkaConsumer, topics: Sequence[str], written: Sequence[str], needed: Sequence[str] = ()
) -> str | None:
    """Why a worker of these topics must not begin, with what to do; None: it may. Raises `FATAL` errors.

    ``topics`` are merged by partition number: with unequal numbers of partitions, a record whose partition the other
    topic lacks would wait for ever. ``written``: topics that the owner writes to by the same partition numbers; the
    writer itself reports one that is missing, except those of ``needed``, without which nothing can be committed.
    """
    counts = partition_counts(consumer, (*topics, *written))
    missing = [topic for topic in (*topics, *needed) if not counts[topic]]
    if missing:
        return f"no {', '.join(missing)}; run 'relay topics apply', or wait for Kafka"
    most = max(counts[topic] for topic in topics)
    few = [f"{topic} has {count}" for topic, count in counts.items() if 0 < count < most]
    if few:
        return f"{most} partitions are wanted, and {', '.join(few)}; see 'relay topics plan'"
    return None


def partition_counts(consumer: KafkaConsumer, topics: Sequence[str]) -> dict[str, int]:
    """How many partitions each has by the client's metadata; 0: it is not known. Raises `FATAL` errors."""
    return {topic: _partition_count(consumer, topic) for topic in topics}


def _partition_count(consumer: KafkaConsumer, topic: str) -> int:
    try:
        return len(consumer.partitions_for_topic(topic) or ())
    except FATAL:
        raise
    except KafkaError:
        return 0


class Beginning:
    """Decides the first offset of each assigned partition, and has it fetched from there."""

    def __init__(self, owner: Owner, thread: OwnedThread) -> None:
        self._owner = owner
        self._thread = thread
        self.committed: set[Partition] = set()  # partitions with a commit, ours or a previous owner's

    def begin_pending(self, clients: Clients, share: Share) -> None:
        """Begin what is pending; a partition whose leader does not answer is asked again in the next round.

        Raises kafka-python's errors.
        """
        if not share.pending:
            return
        pending = sorted(share.pending)
        if share.commits is None:
            share.commits = self._read_commits(clients.consumer, pending)
            self._thread.call(self._owner.previous_owner_fenced, share.epoch)
        for partition, (earliest, end) in clients.ends.bounds(pending).items():
            self._begin(clients.consumer, share, partition, earliest, end)

    @staticmethod
    def _read_commits(consumer: KafkaConsumer, partitions: Sequence[Partition]) -> dict[Partition, Any]:
        """The broker answers only when no transaction of a previous owner is open (KIP-447, require_stable)."""
        return {
            partition: consumer.committed(TopicPartition(*partition), metadata=True, timeout_ms=COMMITS_TIMEOUT_MS)
            for partition in partitions
        }

    def _begin(self, consumer: KafkaConsumer, share: Share, partition: Partition, earliest: int, end: int) -> None:
        assert share.commits is not None
        committed = share.commits[partition]
        if committed is not None:
            self.committed.add(partition)
        start = decide_start(
            partition,
            committed=None if committed is None else committed.offset,
            metadata=None if committed is None else committed.metadata,
            earliest=earliest,
            end=end,
            known=partition in self.committed,
        )
        if not isinstance(start, NeedsOperator):
            consumer.seek(TopicPartition(*partition), start.offset)
            share.started.add(partition)
        share.pending.discard(partition)
        self._thread.call(self._owner.begun, share.epoch, partition, start)
