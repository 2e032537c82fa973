"""Publishes events and counts those that all in-sync replicas have acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaProducer

from workers.core.record import Headers
from workers.edges.kafka.client import KafkaConnection, open_client, producer_options
from workers.edges.kafka.errors import kafka_errors

MAX_IN_FLIGHT = 5_000  # events sent and not yet acknowledged: bounds memory whatever the file's length
ACK_TIMEOUT_S = 130.0  # a little more than the producer's own delivery time-out


@dataclass(slots=True)
class Publisher:
    """Sends events in order. A refused event ends it; ``acknowledged`` then says how many came before.

    Blocking; raises kafka-python's errors: see `kafka_errors`.
    """

    producer: Any
    acknowledged: int = 0
    _waiting: deque[Any] = field(default_factory=deque)

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers, *, partition: int | None = None) -> None:
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

    def _wait(self) -> None:
        self._waiting.popleft().get(timeout=ACK_TIMEOUT_S)
        self.acknowledged += 1


@contextmanager
def open_publisher(connection: KafkaConnection) -> Iterator[Publisher]:
    """Connect for the length of a ``with`` block; raises `KafkaFailed` for whatever goes wrong in it."""
    with kafka_errors(connection):
        producer = open_client(KafkaProducer, producer_options(connection))
        try:
            yield Publisher(producer)
        finally:
            producer.close(timeout=5.0)
