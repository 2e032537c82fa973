"""What a sink worker works with, from its start to its end."""

from collections.abc import Callable
from dataclasses import dataclass

from workers.app.config.credentials import VendorCredentials
from workers.app.config.specs import SinkSpec
from workers.edges.avro.codec import Codec
from workers.edges.http.client import VendorClient
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.telemetry.tracing import WorkerTracing
from workers.vendors.contract import Sink


@dataclass(frozen=True, slots=True)
class SinkContext:
    """The sink's settings, the vendor's sink and the edges around it, time and chance. Nothing in it changes."""

    spec: SinkSpec
    instance: str  # the process's name in its groups
    create_topics: frozenset[str]  # topics whose records create or replace an order
    sink: Sink
    client: VendorClient
    credentials: VendorCredentials
    codec: Codec
    tracing: WorkerTracing
    monotonic: Callable[[], float]  # seconds
    wall_ms: Callable[[], int]  # milliseconds since 1970
    jitter: Callable[[], float]  # in [0, 1)
    brokers: Brokers
    failed: Callable[[Exception], None]  # takes the error that the worker cannot go on after; the process then ends
