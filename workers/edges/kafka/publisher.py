"""Producers without transactions: a command's, which counts what is acknowledged, and a worker's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from workers.core.record import Headers, Partition
from workers.edges.aio import run_in_daemon_thread
from workers.edges.kafka.client import KafkaConnection, KafkaFailed, open_client, producer_options
from workers.edges.kafka.client_patches.producers import close_within, give_up
from workers.edges.kafka.errors import NotAcknowledgedError, kafka_errors, write_error
from workers.edges.kafka.transactions import (
    BY_KEY,
    CLOSE_WITHIN_S,
    MAX_BLOCK_MS,
    SEND_TIMEOUT_S,
    Outgoing,
    send_one,
)

MAX_IN_FLIGHT = 5_000  # events sent and not yet acknowledged: bounds memory whatever the file's length
COMMAND_BLOCK_MS = 10_000  # for a topic's metadata; kafka-python reports a missing topic as a time-out
ACK_TIMEOUT_S = 130.0  # a little more than the producer's own delivery time-out
APPEND_WITHIN_S = 30.0  # then a worker's producer is abandoned, and the next use makes another


class Placed(NamedTuple):
    """Where an acknowledged event is."""

    partition: Partition
    offset: int


@dataclass(slots=True)
class Publisher:
    """Sends events in order. A refused event ends it; ``acknowledged`` then says how many came before.

    Blocking; raises kafka-python's errors: see `kafka_errors`.
    """

    producer: Any
    keeps_places: bool = False  # for `take_placed`
    acknowledged: int = 0
    _waiting: deque[Any] = field(default_factory=deque)
    _placed: list[Placed] = field(default_factory=list)

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, *, partition: int | None = None
    ) -> None:
        """Send one event to ``partition``, or to that of its key (murmur2, as Java's client does)."""
        while len(self._waiting) >= MAX_IN_FLIGHT:
            self._wait()
        self._waiting.append(
            self.producer.send(topic, partition=partition, key=key, value=value, headers=list(headers))
        )

    def finish(self) -> int:
        """Wait for every acknowledgement and return their number."""
        self.producer.flush(timeout=ACK_TIMEOUT_S)
        while self._waiting:
            self._wait()
        return self.acknowledged

    def settle(self, within_s: float) -> None:
        """Wait at most so long for acknowledgements: a broker that is gone must not hold a Ctrl-C up."""
        with suppress(KafkaTimeoutError):
            self.producer.flush(timeout=within_s)

    @property
    def unacknowledged(self) -> int:
        """Events that were sent and may be in the topic or not."""
        return len(self._waiting)

    def take_placed(self) -> list[Placed]:
        """The places of the events that were acknowledged since the last call, in the order in which they were sent."""
        while self._waiting and self._waiting[0].succeeded():
            self._wait()
        placed, self._placed = self._placed, []
        return placed

    def _wait(self) -> None:
        found = self._waiting.popleft().get(timeout=ACK_TIMEOUT_S)
        if self.keeps_places:
            self._placed.append(Placed(Partition(found.topic, found.partition), found.offset))
        self.acknowledged += 1


@contextmanager
def open_publisher(connection: KafkaConnection, *, keep_places: bool = False) -> Iterator[Publisher]:
    """Connect for the length of a ``with`` block; raises `KafkaFailed` for whatever goes wrong in it."""
    with kafka_errors(connection):
        options = producer_options(connection) | {"max_block_ms": COMMAND_BLOCK_MS}
        producer = open_client(KafkaProducer, options, connection.waiting)
        close_within_s = 5.0
        try:
            yield Publisher(producer, keep_places)
        except KeyboardInterrupt:
            close_within_s = 0.0  # what is not acknowledged yet is given up: the broker may answer no more
            raise
        finally:
            _close(producer, close_within_s)


def _close(producer: Any, within_s: float) -> None:
    """Send what waits, as far as ``within_s`` allows; that nothing was sent in no time is no error."""
    try:
        producer.close(timeout=within_s)
    except KafkaError:
        give_up(producer)
        if within_s:
            raise


class Records(Protocol):
    """What is to be appended, made in the producer's thread: to encode it costs time that the loop has not."""

    def records(self) -> Sequence[Outgoing]: ...


@dataclass(frozen=True, slots=True)
class Appended:
    """The partitions all of whose records are acknowledged, and why others are missing."""

    partitions: frozenset[Partition]
    fault: KafkaFailed | None = None


class Appender:
    """An idempotent producer. After a failure the next use makes another one."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._options = producer_options(connection) | {
            "delivery_timeout_ms": round(1000 * SEND_TIMEOUT_S) + 1_000,
            "request_timeout_ms": 10_000,
            "linger_ms": 5,  # with 0 the first record of each partition goes alone
            "max_block_ms": MAX_BLOCK_MS,
        }
        self._producer: KafkaProducer | None = None
        self._one = asyncio.Lock()

    async def append(self, records: Records) -> Appended:
        """Append them; a failure is a part of the answer, since other partitions' records may be acknowledged."""
        async with self._one:
            try:
                appended = await run_in_daemon_thread(lambda: self._append(records), APPEND_WITHIN_S)
            except (KafkaError, TimeoutError, AssertionError, ValueError, TypeError) as error:
                appended = Appended(frozenset(), write_error(error))
            except asyncio.CancelledError:
                self._abandon()  # its thread goes on
                raise
            if appended.fault is not None:
                self._abandon()
            return appended

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await run_in_daemon_thread(lambda: close_within(producer, CLOSE_WITHIN_S), 2 * CLOSE_WITHIN_S)

    def _abandon(self) -> None:
        """A failed producer may keep its batches for later: what is appended again would come twice and late."""
        producer, self._producer = self._producer, None
        if producer is not None:
            give_up(producer)

    # In a thread.

    def _ready(self, outgoing: Sequence[Outgoing]) -> KafkaProducer:
        """A producer keeps a topic's number of partitions for minutes. One that was made before a topic was given more
        would refuse the new ones, and their receipts would miss the commit before a hand-over.
        """
        if self._producer is not None and not _knows(self._producer, outgoing):
            self._abandon()
        if self._producer is None:
            self._producer = open_client(KafkaProducer, self._options)
        return self._producer

    def _append(self, records: Records) -> Appended:
        outgoing = records.records()
        producer = self._ready(outgoing)
        sent = [(one.partition, send_one(producer, one)) for one in outgoing]
        until, failed, fault = monotonic() + SEND_TIMEOUT_S, set[Partition](), None
        for partition, future in sent:
            try:
                future.get(timeout=max(0.0, until - monotonic()))
            except KafkaError as error:
                failed.add(partition)
                late = isinstance(error, KafkaTimeoutError)
                fault = write_error(NotAcknowledgedError(SEND_TIMEOUT_S) if late else error)
        return Appended(frozenset(partition for partition, _ in sent) - failed, fault)


def _knows(producer: KafkaProducer, outgoing: Sequence[Outgoing]) -> bool:
    return all(
        one.partition.number == BY_KEY or one.partition.number in producer.partitions_for(one.partition.topic)
        for one in outgoing
    )
