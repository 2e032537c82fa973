"""The end of a producer whose records no broker acknowledges."""

from __future__ import annotations

from typing import Any

from kafka.errors import KafkaError

# A close that must not wait. `KafkaProducer.close` flushes first, and where a record is not acknowledged in time the
# flush raises before anything is closed (kafka.py, `close`): the sender goes on and may still write the record, after
# its owner has written it again; and when the garbage collector finds the producer, its finalizer raises once more and
# prints a traceback among the log lines. No upstream issue is known.


def give_up(producer: Any) -> None:
    """End it at once: what is not acknowledged fails, and is not sent any more. Returns without waiting."""
    producer._unregister_cleanup()  # noqa: SLF001 - no public way
    producer._sender.force_close()  # noqa: SLF001
    producer._closed = True  # noqa: SLF001


def close_within(producer: Any, within_s: float) -> None:
    """Send what waits, as far as ``within_s`` allows; give up the rest."""
    try:
        producer.close(timeout=within_s)
    except KafkaError:
        give_up(producer)
