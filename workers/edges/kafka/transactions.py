"""Writes what a worker parks, with the fence of its order and the group's offsets: all of it or nothing.

One Kafka transaction carries the parked records, the parked state and the offsets, with the group's
generation (KIP-447). The broker refuses an old generation, so a former owner that wakes up late parks
nothing and commits nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from kafka import KafkaProducer
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)

from workers.core.record import CommitPoint, Headers, Partition
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, open_client, producer_options
from workers.edges.kafka.convert import describe, to_kafka

T = TypeVar("T")

_TRANSACTION_TIMEOUT_MS = 15_000  # what a killed owner left open holds its successor up no longer than this
_SEND_TIMEOUT = 10.0
_WITHIN = 30.0  # seconds for a whole transaction; then the producer is given up and begun anew

BY_KEY = -1
"""As a partition's number: the one of the key (murmur2, as Java's client does)."""


class Outgoing(NamedTuple):
    """One record to be written; ``value`` None is a tombstone."""

    at: Partition
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Offsets:
    """What a transaction commits for the group; ``group`` is the generation that owns the partitions."""

    offsets: Mapping[Partition, CommitPoint]
    group: Any


class Transactions:
    """A transactional producer, one transaction at a time. After a failure the next use begins it anew."""

    def __init__(self, connection: KafkaConnection, transactional_id: str) -> None:
        self._options = producer_options(connection, transactional_id=transactional_id) | {
            "transaction_timeout_ms": _TRANSACTION_TIMEOUT_MS,
            "delivery_timeout_ms": _TRANSACTION_TIMEOUT_MS - 1_000,
            "request_timeout_ms": 10_000,
            "linger_ms": 5,  # without, the first record of each partition goes alone
            "max_block_ms": 10_000,
        }
        self._producer: KafkaProducer | None = None
        self._one = asyncio.Lock()

    async def open(self) -> None:
        """Fence a former process of this name and end what it left open; raises `KafkaFailed`."""
        async with self._one:
            await self._guarded(self._ready)

    async def write(
        self, records: Sequence[Outgoing], rows: Callable[[list[int]], Sequence[Outgoing]], offsets: Offsets
    ) -> list[int]:
        """Write ``records``, then ``rows`` made from their offsets, and commit; returns the records' offsets.

        Raises `KafkaFailed`; then nothing of it is visible to readers of committed records.
        """
        async with self._one:
            return await self._guarded(lambda: self._write(records, rows, offsets))

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Write ``records`` and commit, as the one owner that `open` made of us; raises `KafkaFailed`.

        After a failure nobody may write again before a new `open` and a new look at what was written: to
        begin anew here would shut out another owner that knows more.
        """
        async with self._one:
            if self._producer is None:
                raise KafkaFailed("it is not open, or another process has taken over")
            await self._guarded(lambda: self._write(records, lambda _: (), Offsets({}, None)))

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await run_in_daemon_thread(lambda: producer.close(timeout=2.0), 5.0)

    async def _guarded(self, what: Callable[[], T]) -> T:
        try:
            return await run_in_daemon_thread(what, _WITHIN)
        except (KafkaError, TimeoutError, AssertionError, ValueError, TypeError) as error:
            self._give_up()  # what kafka-python refuses stops its partition's commits, not the worker
            raise KafkaFailed(advice(error)) from error

    def _give_up(self) -> None:
        """What state a failed producer is in is hard to tell: the next one aborts what this one left open."""
        producer, self._producer = self._producer, None
        if producer is not None:
            asyncio.ensure_future(_close_quietly(producer))  # noqa: RUF006 - it ends by itself

    def _ready(self) -> KafkaProducer:
        if self._producer is None:
            producer = open_client(KafkaProducer, self._options)
            producer.init_transactions()
            self._producer = producer
        return self._producer

    def _write(
        self, records: Sequence[Outgoing], rows: Callable[[list[int]], Sequence[Outgoing]], offsets: Offsets
    ) -> list[int]:
        producer = self._ready()
        producer.begin_transaction()
        try:
            placed = _send(producer, records)
            _send(producer, rows(placed))
            if offsets.offsets:
                producer.send_offsets_to_transaction(to_kafka(offsets.offsets), offsets.group)
            producer.commit_transaction()
        except KafkaError:
            _abort_quietly(producer)
            raise  # without an acknowledgement an abort would only wait for it once more: the next producer aborts
        return placed


def _send(producer: KafkaProducer, records: Sequence[Outgoing]) -> list[int]:
    """Send all, then wait for every acknowledgement: what is not acknowledged by all in-sync replicas is not parked."""
    sent = [
        producer.send(
            one.at.topic,
            partition=None if one.at.number == BY_KEY else one.at.number,
            key=one.key,
            value=one.value,
            headers=kafka_headers(one.headers),
        )
        for one in records
    ]
    # Without a flush: that of 3.0.12 fails when a batch with one record too large is split, and hides which it was.
    try:
        return [future.get(timeout=_SEND_TIMEOUT).offset for future in sent]
    except KafkaTimeoutError as error:
        raise NotAcknowledgedError from error


class NotAcknowledgedError(TimeoutError):
    """Sent again and again, and no acknowledgement: kafka-python keeps the broker's reason to itself."""

    def __str__(self) -> str:
        return f"not acknowledged by all in-sync replicas within {_SEND_TIMEOUT:g} s"


class _Headers(list[Any]):
    """Headers, some without a value. kafka-python 3.0.12 writes those correctly, but its check of arguments refuses
    them, and its sum of their sizes, made only for headers that are true, fails: such a record could not be parked.
    """

    def __bool__(self) -> bool:
        return False


class _NullHeader(tuple[str, None]):
    """A header without a value: empty by index, as the check looks, and None when unpacked, as it is written."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        return b"" if index == 1 else super().__getitem__(index)


def kafka_headers(headers: Headers) -> list[Any]:
    """Headers as kafka-python's producer takes them, null values kept."""
    if all(value is not None for _, value in headers):
        return list(headers)
    return _Headers(item if item[1] is not None else _NullHeader((item[0], None)) for item in headers)


def _abort_quietly(producer: KafkaProducer) -> None:
    try:
        producer.abort_transaction()
    except (KafkaError, AssertionError):
        return  # the producer is given up all the same: its successor aborts for it


async def _close_quietly(producer: KafkaProducer) -> None:
    try:
        await run_in_daemon_thread(lambda: producer.close(timeout=0), 5.0)
    except (KafkaError, TimeoutError):
        return  # it was given up: nobody waits for it


def advice(error: Exception) -> str:
    """One line: what went wrong, and what to do where it is known."""
    for kinds, words, todo in _TODO:
        if isinstance(error, kinds) and words in str(error):
            return f"{describe(error)}: {todo}"
    return describe(error)


_TODO: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], str, str]]] = (
    (UnknownTopicOrPartitionError, "", "a topic is missing; run 'relay topics apply'"),
    (KafkaTimeoutError, "bootstrap", "check that Kafka runs, KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"),
    (KafkaTimeoutError, "metadata", "Kafka is out of reach, or a topic is missing; run 'relay topics apply'"),
    (ValueError, "partition", "give it as many partitions as the sink's topics have, see 'relay topics plan'"),
    (
        (MessageSizeTooLargeError, RecordListTooLargeError),
        "",
        "a record is too large for its topic: raise that topic's max.message.bytes, then 'relay topics apply'",
    ),
    (ProducerFencedError, "", "another process has taken over, or a command has written in its place"),
    (NotAcknowledgedError, "", "is the topic there, and are as many replicas alive as its min.insync.replicas wants?"),
    (TimeoutError, "", "Kafka answers too slowly, or not at all"),
)
"""(kinds of error, what its text holds, what to do)."""
