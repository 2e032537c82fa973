"""The composition root: the only place that puts a worker together."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from workers.app.config.configuration import Configuration
from workers.app.config.credentials import VendorCredentials
from workers.app.config.settings import Settings
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.app.config.values import MIB
from workers.app.poll.context import OrderPolling, PollerContext
from workers.app.runtime.poll_worker import PollWorker
from workers.app.runtime.sink_worker import SinkWorker
from workers.app.sink.context import SinkContext
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.event_kinds import kind_of
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import Schemas
from workers.edges.http.client import VendorClient, open_client
from workers.edges.http.transport import MAX_ANSWER_BYTES, TransportPolicy
from workers.edges.kafka.owner import Member
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.membership import Membership
from workers.edges.telemetry import Tracing
from workers.vendors.contract import Poller, Vendor, load

LONG_ANSWER_BYTES = 64 * MIB  # a hundred orders with all their parcels, or one with its signatures


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers of a process use together."""

    codec: Codec
    tracing: Tracing
    brokers: Brokers
    failed: Callable[[Exception], None]  # takes the error that a worker cannot go on after


def build_sink_worker(spec: SinkSpec, configuration: Configuration, shared: Shared) -> SinkWorker:
    """One sink, ready to start; to be called in the running loop."""
    vendor = load(spec.vendor)
    assert vendor.sink is not None, f"{spec.vendor} takes no orders: topics.yaml was checked for that"
    credentials = configuration.credentials[spec.name]
    ours = member(spec, configuration.settings, shared.brokers)
    context = SinkContext(
        spec=spec,
        instance=ours.instance,
        create_topics=create_topics(spec, shared.codec.schemas),
        sink=vendor.sink(spec.options, credentials),
        client=build_client(spec, vendor, credentials, ours.membership),
        credentials=credentials,
        codec=shared.codec,
        tracing=shared.tracing,
        brokers=shared.brokers,
        monotonic=time.monotonic,
        wall_ms=lambda: time.time_ns() // 1_000_000,
        jitter=random.random,
        failed=shared.failed,
    )
    return SinkWorker(context, ours)


def build_worker(name: str, configuration: Configuration, shared: Shared) -> SinkWorker | PollWorker:
    """The worker of that name in topics.yaml, ready to start; to be called in the running loop."""
    spec = configuration.config.workers[name]
    if isinstance(spec, PollerSpec):
        return build_poll_worker(spec, configuration, shared)
    return build_sink_worker(spec, configuration, shared)


def build_poll_worker(spec: PollerSpec, configuration: Configuration, shared: Shared) -> PollWorker:
    """One poller, ready to start; to be called in the running loop."""
    ours = member(spec, configuration.settings, shared.brokers)
    tools = build_poll_tools(spec, configuration, shared.codec, shared.failed, ours.membership)
    tools.brokers = shared.brokers
    return PollWorker(tools, ours)


def build_poll_tools(
    spec: PollerSpec,
    configuration: Configuration,
    codec: Codec,
    failed: Callable[[Exception], None],
    membership: Membership | None = None,
) -> PollerContext:
    """What a poller works with; to be called in the running loop. ``membership`` None: it is in no group."""
    vendor = load(spec.vendor)
    credentials = configuration.credentials[spec.name]
    return PollerContext(
        spec=spec,
        polling=_polling(spec, vendor, credentials),
        client=build_client(spec, vendor, credentials, membership),
        credentials=credentials,
        codec=codec,
        connection=configuration.settings.kafka,
        gate=Gate(GatePolicy()),
        failed=failed,
        monotonic=time.monotonic,
        wall_ms=lambda: time.time_ns() // 1_000_000,
        jitter=random.random,
    )


def _polling(spec: PollerSpec, vendor: Vendor, credentials: VendorCredentials) -> Poller | OrderPolling:
    """The vendor's poller, by its kind."""
    if vendor.order_poller is not None and spec.follows is not None:
        slots = asyncio.Semaphore(spec.max_in_flight)
        return OrderPolling(vendor.order_poller(spec.options, credentials), spec.follows, slots)
    assert vendor.poller is not None, f"{spec.vendor} has no poller: topics.yaml was checked for that"
    return vendor.poller(spec.options, credentials)


def member(spec: SinkSpec | PollerSpec, settings: Settings, brokers: Brokers) -> Member:
    """Who this process is in the worker's group."""
    membership = Membership(spec.session, spec.name)
    return Member(settings.kafka, spec.group, settings.instance_id, spec.session, membership, spec.leave, brokers)


def build_client(
    spec: SinkSpec | PollerSpec,
    vendor: Vendor,
    credentials: VendorCredentials,
    membership: Membership | None = None,
) -> VendorClient:
    """Connections to the worker's vendor, with its session where it has one."""
    is_long = vendor.long_answers or isinstance(spec, PollerSpec)
    policy = TransportPolicy(
        max_in_flight=spec.max_in_flight,
        request_timeout_s=spec.request_timeout,
        max_answer_bytes=LONG_ANSWER_BYTES if is_long else MAX_ANSWER_BYTES,
    )
    session = None if vendor.session is None else vendor.session(spec.options, credentials)
    return open_client(httpx.URL(credentials["BASE_URL"]), policy, session, membership=membership)


def create_topics(spec: SinkSpec, schemas: Schemas) -> frozenset[str]:
    """The sink's topics whose records create or replace an order."""
    return frozenset(topic for topic in spec.consumes if kind_of(schemas[topic].today.name).creates_order)
