"""Kafka as ``GET /status`` shows it, and as ``/metrics`` counts it; the same for every worker of a process."""

from dataclasses import dataclass
from typing import Annotated, Any

from workers.core.metrics import measured, status_of
from workers.edges.avro.json_text import time_text
from workers.edges.kafka.reach.brokers import Brokers, BrokersState


@dataclass(frozen=True, slots=True)
class KafkaGauges:
    """What every worker measures of its Kafka at the moment it is asked."""

    kafka_up: Annotated[int, measured("1 while a broker answers this process, else 0. Alert on it")]
    kafka_down_seconds: Annotated[
        float, measured("Time since a broker last answered this process, or since its start; 0 while one does")
    ]
    seconds_since_fetch: Annotated[
        float | None,
        measured("Seconds since a broker last answered a fetch; it grows, too, while the worker fetches nothing"),
    ]


def kafka_status(brokers: Brokers, fetched_at: float | None, now: float, wall_ms: int) -> dict[str, Any]:
    """``fetched_at`` and ``now`` in monotonic seconds; None: nothing has been fetched yet."""
    is_up = brokers.state is BrokersState.UP
    since_fetch = None if fetched_at is None else round(max(0.0, now - fetched_at), 1)
    return {
        "kafka": {"state": brokers.state.value, "since": time_text(brokers.since_ms), "detail": brokers.detail},
        **status_of(KafkaGauges(int(is_up), 0.0 if is_up else (wall_ms - brokers.since_ms) / 1000, since_fetch)),
    }
