"""What the shards of a poller share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from workers.app.config.credentials import VendorCredentials
from workers.app.config.specs import PollerSpec
from workers.app.poll.stats import PollStats
from workers.core.delivery.gate import Gate
from workers.core.poll.shard_state import Step
from workers.edges.avro.codec import Codec
from workers.edges.http.client import VendorClient
from workers.edges.kafka.client import KafkaConnection
from workers.vendors.contract import OrderPoller, Poller

WriteStep: TypeAlias = Callable[[Step], Awaitable[None]]
"""Writes a step in one transaction, and takes it into the shard's state; raises `KafkaFailed`."""


@dataclass(slots=True, eq=False)
class PollerContext:
    """The vendor's poller, the edges around it, and the vendor's one gate."""

    spec: PollerSpec
    poller: Poller | OrderPoller
    client: VendorClient
    credentials: VendorCredentials
    codec: Codec
    connection: KafkaConnection
    gate: Gate
    failed: Callable[[Exception], None]  # told of what the worker cannot go on after; the process then ends
    monotonic: Callable[[], float]  # seconds
    wall_ms: Callable[[], int]  # milliseconds since 1970
    jitter: Callable[[], float]  # in [0, 1)
    slots: asyncio.Semaphore  # of looks at single orders: each shard waits its turn
    stats: PollStats = field(default_factory=PollStats)
    in_flight: int = 0

    @property
    def windows(self) -> Poller:
        """The poller of a worker that reads stretches of time."""
        assert self.spec.follows is None, "this one looks at orders one by one"
        return cast("Poller", self.poller)

    @property
    def orders(self) -> OrderPoller:
        """The poller of a worker that looks at orders one by one."""
        assert self.spec.follows is not None, "this one reads stretches of time"
        return cast("OrderPoller", self.poller)
