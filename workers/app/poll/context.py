"""What the shards of a poller share."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

from workers.app.config.credentials import VendorCredentials
from workers.app.config.specs import PollerSpec
from workers.app.events.gate_log import GateLog
from workers.app.poll.order_ids import OrderIds
from workers.app.poll.stats import PollStats
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.poll.schedule import Now
from workers.core.poll.step import Step
from workers.core.poll.vendor_set import VendorSet
from workers.edges.avro.codec import Codec
from workers.edges.http.client import VendorClient
from workers.edges.kafka.client import KafkaConnection
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.log import log
from workers.edges.telemetry.tracing import PassOn, WorkerTracing
from workers.vendors.contract import OrderPoller, Poller, SetPoller

WriteStep: TypeAlias = Callable[[Step], Awaitable[None]]
"""Writes a step in one transaction, and lets the shard's state accept it; raises `KafkaFailed`."""


@dataclass(frozen=True, slots=True)
class OrderPolling:
    """How to poll a vendor that shows single orders only."""

    poller: OrderPoller
    follows: str  # the topic that names the orders
    slots: asyncio.Semaphore  # looks in flight, over all shards


@dataclass(frozen=True, slots=True)
class SetPolling:
    """How to poll a vendor that lists what there is."""

    poller: SetPoller[Any]
    sets: tuple[VendorSet, ...]  # those that topics.yaml names
    order_ids: OrderIds | None = None  # of the vendor's references; None: it keeps order ids as they are


@dataclass(slots=True, eq=False)
class PollerContext:
    """The vendor's poller, the edges around it, the vendor's gate, and the clocks."""

    spec: PollerSpec
    # A vendor that can list changes, one that shows single orders only, or one that lists what there is.
    polling: Poller | OrderPolling | SetPolling
    client: VendorClient
    credentials: VendorCredentials
    codec: Codec
    connection: KafkaConnection
    gate: Gate
    failed: Callable[[Exception], None]  # receives an error that the worker cannot recover from; the process then ends
    monotonic: Callable[[], float]  # seconds
    wall_ms: Callable[[], int]  # milliseconds since 1970
    jitter: Callable[[], float]  # in [0, 1)
    brokers: Brokers = field(default_factory=Brokers)
    tracing: WorkerTracing = field(default_factory=PassOn)
    stats: PollStats = field(default_factory=PollStats)
    in_flight: int = 0
    set_name: str = ""  # of the context of one set
    _gate_log: GateLog | None = None

    @property
    def label(self) -> str:
        """The worker's name in logs, with that of the set."""
        return f"{self.spec.name}/{self.set_name}" if self.set_name else self.spec.name

    def of_set(self, name: str) -> Self:
        """A context for one set, which fails by itself: its gate, its counters and its last errors are its own."""
        return replace(self, set_name=name, gate=Gate(GatePolicy()), stats=PollStats(), in_flight=0, _gate_log=None)

    def log_gate(self) -> None:
        """Log what has happened to the gate; to be called now and then, too: each minute that it is shut is logged."""
        now, self._gate_log = self.monotonic(), self._gate_log or GateLog(self.gate, self.label)
        if self._gate_log.has_changed(now):
            self._gate_log.write(now)

    def note(self, notes: Counter[str]) -> None:
        """Count anomalies; log each kind once."""
        for name in notes.keys() - self.stats.notes.keys():
            log.warning("vendor_response_anomaly", worker=self.label, what=name)
        self.stats.notes.update(notes)

    def now(self) -> Now:
        return Now(self.wall_ms(), round(self.monotonic() * 1000))
