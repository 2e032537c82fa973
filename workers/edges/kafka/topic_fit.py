"""Whether the topics of a worker are there and fit each other, as its consumer sees them."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from workers.edges.kafka.errors import FATAL


def unfit(consumer: KafkaConsumer, topics: Sequence[str], beside: Sequence[str]) -> str | None:
    """Why a worker of these topics must not begin, with what to do; None: it may.

    ``topics`` are taken side by side: with unequal numbers of partitions, a record whose partition the other topic
    has not would wait for ever. ``beside``: what is written by the source's partition number; one that is missing
    is told by those who write it.
    """
    counts = {topic: _partitions(consumer, topic) for topic in (*topics, *beside)}
    missing = [topic for topic in topics if not counts[topic]]
    if missing:
        return f"no {', '.join(missing)}; run 'relay topics apply', or wait for Kafka"
    most = max(counts[topic] for topic in topics)
    few = [f"{topic} has {count}" for topic, count in counts.items() if 0 < count < most]
    if few:
        return f"{most} partitions are wanted, and {', '.join(few)}; see 'relay topics plan'"
    return None


def _partitions(consumer: KafkaConsumer, topic: str) -> int:
    try:
        return len(consumer.partitions_for_topic(topic) or ())
    except FATAL:
        raise
    except KafkaError:
        return 0
