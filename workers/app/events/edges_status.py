"""What the edges around a worker add to ``GET /status`` and ``/metrics``; the same for sinks and pollers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from workers.app.events.client_status import client_status
from workers.app.events.kafka_status import kafka_status
from workers.core.metrics import counted, status_of
from workers.edges.http.client import VendorClient
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.telemetry.tracing import WorkerTracing


@dataclass(frozen=True, slots=True)
class TraceCounts:
    """Counted since the start."""

    spans_lost: Annotated[
        int, counted("Spans that were not exported: the queue was full, or the collector did not take them")
    ]


class Edges(Protocol):
    """The part of a worker's context that its status needs."""

    @property
    def client(self) -> VendorClient: ...
    @property
    def tracing(self) -> WorkerTracing: ...
    @property
    def monotonic(self) -> Callable[[], float]: ...
    @property
    def wall_ms(self) -> Callable[[], int]: ...


def edges_status(edges: Edges, brokers: Brokers, fetched_at: float | None) -> dict[str, Any]:
    """Of Kafka, the vendor's client and the traces; ``fetched_at``: as for `kafka_status`."""
    kafka = kafka_status(brokers, fetched_at, edges.monotonic(), edges.wall_ms())
    return kafka | client_status(edges.client) | status_of(TraceCounts(edges.tracing.lost))
