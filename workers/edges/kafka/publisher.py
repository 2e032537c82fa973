"""Publishes events and counts those that all in-sync replicas have acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka import KafkaProducer

from workers.core.record import Headers, Partition
from workers.edges.kafka.client import KafkaConnection, open_client, producer_options
from workers.edges.kafka.errors import kafka_errors

MAX_IN_FLIGHT = 5_000  # events sent and not yet acknowledged: bounds memory whatever the file's length
ACK_TIMEOUT_S = 130.0  # a little more than the producer's own delivery time-out


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
        self, topic: str, key: bytes, value: bytes | None, headers: Headers, *, partition: int | None = None
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
        producer = open_client(KafkaProducer, producer_options(connection), connection.waiting)
        try:
            yield Publisher(producer, keep_places)
        finally:
            producer.close(timeout=5.0)
