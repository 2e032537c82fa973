"""Writes records, state rows and the group's offsets in one Kafka transaction: all of it or nothing.

The transaction carries the group's generation (KIP-447): the broker refuses an old one, so a previous owner that
wakes up late parks nothing and commits nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from workers.core.record import CommitPoint, Headers, Partition
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, open_client, producer_options
from workers.edges.kafka.client_patches.batches import producer_headers
from workers.edges.kafka.client_patches.producers import close_within, give_up
from workers.edges.kafka.convert import to_kafka
from workers.edges.kafka.errors import NotAcknowledgedError, write_error

T = TypeVar("T")

TRANSACTION_TIMEOUT_MS = 15_000  # a transaction that a killed owner left open holds its successor up for so long
SEND_TIMEOUT_S = 10.0
TRANSACTION_WITHIN_S = 30.0  # then the producer is abandoned, and the next use makes another
MAX_BLOCK_MS = 10_000
CLOSE_WITHIN_S = 2.0  # what is not acknowledged by then is given up

BY_KEY = -1
"""As a partition's number: the one of the key (murmur2, as Java's client does)."""


class Outgoing(NamedTuple):
    """One record to be written; ``value`` None is a tombstone."""

    partition: Partition
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class GroupCommit:
    """What a transaction commits for the group; ``group`` is the generation that owns the partitions."""

    offsets: Mapping[Partition, CommitPoint]
    group: Any


class Transactions:
    """A transactional producer, one transaction at a time. After a failure the next use makes another producer."""

    def __init__(self, connection: KafkaConnection, transactional_id: str, *, max_block_ms: int = MAX_BLOCK_MS) -> None:
        """``max_block_ms``: how long a record may wait for the metadata of its topic."""
        self._options = producer_options(connection, transactional_id=transactional_id) | {
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
            "delivery_timeout_ms": TRANSACTION_TIMEOUT_MS - 1_000,
            "request_timeout_ms": 10_000,
            "linger_ms": 5,  # with 0 the first record of each partition goes alone
            "max_block_ms": max_block_ms,
        }
        self._waiting = connection.waiting
        self._producer: KafkaProducer | None = None
        self._one = asyncio.Lock()

    async def open(self) -> None:
        """Fence a previous process of this name and abort what it left open; raises `KafkaFailed`."""
        async with self._one:
            await self._guarded(self._ready)

    async def write(
        self, records: Sequence[Outgoing], rows: Callable[[list[int]], Sequence[Outgoing]], commit: GroupCommit
    ) -> list[int]:
        """Write ``records``, then ``rows`` made from their offsets, and commit; returns the records' offsets.

        Raises `KafkaFailed`; then readers of committed records see nothing of it.
        """
        async with self._one:
            return await self._guarded(lambda: self._write(records, rows, commit))

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Write ``records`` and commit, as the one owner that `open` made of us; raises `KafkaFailed`.

        After a failure the caller must `open` again and read what was written: another producer made here would
        fence an owner that knows more.
        """
        async with self._one:
            if self._producer is None:
                raise KafkaFailed("the producer is not open, or another process has taken over")
            await self._guarded(lambda: self._write(records, lambda _: (), GroupCommit({}, None)))

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await run_in_daemon_thread(lambda: close_within(producer, CLOSE_WITHIN_S), 2 * CLOSE_WITHIN_S)

    async def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return await run_in_daemon_thread(call, TRANSACTION_WITHIN_S)
        except (KafkaError, TimeoutError, AssertionError, ValueError, TypeError) as error:
            self._abandon()  # what kafka-python refuses stops the commits of its partition, not the worker
            raise write_error(error) from error

    def _abandon(self) -> None:
        """The state of a failed producer is hard to tell: the next one aborts what this one left open."""
        producer, self._producer = self._producer, None
        if producer is not None:
            give_up(producer)

    # In a thread.

    def _ready(self) -> KafkaProducer:
        if self._producer is None:
            producer = open_client(KafkaProducer, self._options, self._waiting)
            try:
                producer.init_transactions()
            except KafkaError:
                give_up(producer)
                raise
            self._producer = producer
        return self._producer

    def _write(
        self, records: Sequence[Outgoing], rows: Callable[[list[int]], Sequence[Outgoing]], commit: GroupCommit
    ) -> list[int]:
        producer = self._ready()
        producer.begin_transaction()
        try:
            placed = send_all(producer, records)
            send_all(producer, rows(placed))
            if commit.offsets:
                producer.send_offsets_to_transaction(to_kafka(commit.offsets), commit.group)
            producer.commit_transaction()
        except KafkaError:
            _abort_quietly(producer)
            raise  # without an acknowledgement an abort would only wait for it once more: the next producer aborts
        return placed


def send_all(producer: KafkaProducer, records: Sequence[Outgoing]) -> list[int]:
    """Send all, wait until all in-sync replicas have acknowledged each, and return their offsets.

    Raises kafka-python's errors and `NotAcknowledgedError`.
    """
    sent = [send_one(producer, one) for one in records]
    # Without a flush: that of 3.0.12 fails when a batch with one record too large is split, and hides which it was.
    try:
        return [future.get(timeout=SEND_TIMEOUT_S).offset for future in sent]
    except KafkaTimeoutError as error:
        raise NotAcknowledgedError(SEND_TIMEOUT_S) from error


def send_one(producer: KafkaProducer, one: Outgoing) -> Any:
    """Hand it to the producer; returns kafka-python's future of its acknowledgement."""
    return producer.send(
        one.partition.topic,
        partition=None if one.partition.number == BY_KEY else one.partition.number,
        key=one.key,
        value=one.value,
        headers=producer_headers(one.headers),
    )


def _abort_quietly(producer: KafkaProducer) -> None:
    try:
        producer.abort_transaction()
    except (KafkaError, AssertionError):
        return  # the producer is abandoned all the same: its successor aborts for it
