"""What the shards of a poller share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from workers.app.credentials import VendorCredentials
from workers.app.poll_stats import PollStats
from workers.app.topology import PollerSpec
from workers.core.gate import Gate
from workers.edges.avro import Codec
from workers.edges.kafka_client import KafkaConnection
from workers.edges.vendor_client import VendorClient
from workers.vendors import Poller


@dataclass(slots=True, eq=False)
class PollTools:
    """The vendor's poller, the edges around it, and the vendor's one gate."""

    spec: PollerSpec
    poller: Poller
    client: VendorClient
    credentials: VendorCredentials
    codec: Codec
    connection: KafkaConnection
    gate: Gate
    failed: Callable[[Exception], None]  # told of what the worker cannot go on after; the process then ends
    monotonic: Callable[[], float]  # seconds
    wall_ms: Callable[[], int]  # milliseconds since 1970
    chance: Callable[[], float]  # in [0, 1)
    stats: PollStats = field(default_factory=PollStats)
    in_flight: int = 0
