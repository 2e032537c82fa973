"""A test's own hands on Kafka, and an owner that writes down what the Kafka thread tells it."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from workers.core.consume.start_position import NeedsOperator, StartAt, StartDecision
from workers.core.record import CommitPoint, Partition, Record
from workers.edges.kafka.client import SESSION_TIMEOUT_S, KafkaConnection, consumer_options, producer_options
from workers.edges.kafka.owner import Assignment, Fetched, Member, Release
from workers.edges.kafka.source import KafkaSource
from workers.edges.kafka.starting import Connector
from workers.edges.membership import Membership

WITHIN = 20.0  # seconds: what has not come by then will not come


@dataclass
class Side:
    """Producers, admin calls and readers of one broker."""

    connection: KafkaConnection

    def produce(self, topic: str, values: Iterable[bytes | None], number: int = 0, key: bytes | None = None) -> None:
        """Append to one partition and wait for the acknowledgements."""
        with closing(KafkaProducer(**producer_options(self.connection))) as producer:
            for value in values:
                producer.send(topic, partition=number, key=key, value=value)
            producer.flush(timeout=WITHIN)

    def transaction(self, name: str = "") -> KafkaProducer:
        """A producer whose transaction has begun."""
        producer = KafkaProducer(**producer_options(self.connection, transactional_id=name or uuid.uuid4().hex))
        producer.init_transactions()
        producer.begin_transaction()
        return producer

    def add_partitions(self, topic: str, count: int) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.connection.bootstrap)) as admin:
            admin.create_partitions({topic: count})
            admin.wait_for_topics([topic])

    def in_transaction(self, topic: str, values: Iterable[bytes], *, commit: bool = True) -> None:
        with closing(self.transaction()) as producer:
            for value in values:
                producer.send(topic, partition=0, value=value).get(timeout=WITHIN)
            producer.commit_transaction() if commit else producer.abort_transaction()

    def delete_before(self, at: Partition, offset: int) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.connection.bootstrap)) as admin:
            admin.delete_records({TopicPartition(*at): offset})

    def delete_topic(self, name: str) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.connection.bootstrap)) as admin:
            admin.delete_topics([name])

    def committed(self, group: str) -> dict[Partition, CommitPoint]:
        """The group's commits, without the time that each carries."""
        with closing(KafkaAdminClient(bootstrap_servers=self.connection.bootstrap)) as admin:
            found = admin.list_group_offsets(group)[group]
        return {
            Partition(at.topic, at.partition): CommitPoint(one.offset, one.metadata.partition("~")[0])
            for at, one in found.items()
        }

    def commit(self, group: str, offsets: dict[Partition, int]) -> None:
        """As an owner that is gone had committed."""
        with closing(KafkaConsumer(**consumer_options(self.connection, group=group))) as consumer:
            consumer.commit({TopicPartition(*at): _offset(offset) for at, offset in offsets.items()})

    def read(self, topic: str, number: int = 0) -> list[Any]:
        """Every committed record of a partition."""
        at = TopicPartition(topic, number)
        with closing(KafkaConsumer(**consumer_options(self.connection))) as consumer:
            consumer.assign([at])
            consumer.seek(at, consumer.beginning_offsets([at])[at])
            end, found = consumer.end_offsets([at])[at], []
            while consumer.position(at) < end:
                found += consumer.poll(timeout_ms=500).get(at, [])
        return found


def _offset(offset: int) -> Any:
    return OffsetAndMetadata(offset, "", -1)


class KeepsConsumer(Connector):
    """Opens the real consumers, and lets a test reach the member's."""

    member_consumer: Any = None

    def consumer(self, member: Member) -> Any:
        self.member_consumer = super().consumer(member)
        return self.member_consumer


@dataclass
class Witness:
    """An `Owner` that resumes what has begun, keeps what comes, and lets a test await it."""

    topics: tuple[str, ...]
    source: KafkaSource | None = None
    assignment: Assignment | None = None
    begun_at: dict[Partition, StartDecision] = field(default_factory=dict)
    stops: dict[Partition, NeedsOperator] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    batches: list[Fetched] = field(default_factory=list)
    positions: dict[Partition, int] = field(default_factory=dict)
    lost_epochs: list[int] = field(default_factory=list)
    waits_for: list[str] = field(default_factory=list)
    released: list[Release] = field(default_factory=list)
    failure: Exception | None = None
    on_release: Callable[[Release], None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def assigned(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self.begun_at.clear()
        self._news.set()

    def previous_owner_fenced(self, epoch: int) -> None:  # noqa: ARG002
        self._news.set()

    def begun(self, epoch: int, partition: Partition, start: StartDecision) -> None:
        self.begun_at[partition] = start
        if isinstance(start, StartAt):
            assert self.source is not None
            self.source.fetch_only(epoch, frozenset(), frozenset())
        self._news.set()

    def fetched(self, fetched: Fetched) -> None:
        self.batches.append(fetched)
        for batch in fetched.batches:
            self.records += batch.records
            self.positions[batch.partition] = batch.position
        self._news.set()

    def stopped(self, epoch: int, partition: Partition, stop: NeedsOperator) -> None:  # noqa: ARG002
        self.stops[partition] = stop
        self._news.set()

    def release(self, release: Release) -> None:
        self.released.append(release)
        if self.on_release is None:
            release.done = True
        else:
            self.on_release(release)
        self._news.set()

    def waits(self, why: str) -> None:
        self.waits_for.append(why)
        self._news.set()

    def lost(self, epoch: int) -> None:
        self.lost_epochs.append(epoch)
        self._news.set()

    def failed(self, error: Exception) -> None:
        self.failure = error
        self._news.set()

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.records]

    @property
    def epoch(self) -> int:
        assert self.assignment is not None
        return self.assignment.epoch

    async def until(self, what: Callable[[], Any]) -> None:
        """Wait until it holds; asked again after each piece of news."""
        async with asyncio.timeout(WITHIN):
            while not what():
                self._news.clear()
                await self._news.wait()

    async def until_begun(self, count: int) -> None:
        await self.until(lambda: len(self.begun_at) == count)


def start_source(
    side: Side,
    group: str,
    topics: Sequence[str],
    instance: str = "one",
    *,
    session_timeout_s: float = SESSION_TIMEOUT_S,
    connector: Connector | None = None,
    membership: Membership | None = None,
    leaves: bool = True,
) -> tuple[KafkaSource, Witness]:
    """A running member of the group, and its owner."""
    witness = Witness(tuple(topics))
    member = Member(side.connection, group, instance, session_timeout_s, membership or Membership(), leaves)
    witness.source = KafkaSource(member, tuple(topics), witness, asyncio.get_running_loop(), connector=connector)
    witness.source.start()
    return witness.source, witness
