"""The composition root: the only place that puts a worker together."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from workers.app.config.configuration import Configuration, unread_sets
from workers.app.config.credentials import VendorCredentials
from workers.app.config.settings import Settings
from workers.app.config.specs import PollerSpec, SinkSpec
from workers.app.config.values import MIB
from workers.app.events.budget_account import BudgetAccount, open_account
from workers.app.poll.context import OrderPolling, PollerContext, SetPolling
from workers.app.poll.order_ids import open_order_ids
from workers.app.runtime.poll_worker import PollWorker
from workers.app.runtime.sink_worker import SinkWorker
from workers.app.sink.context import SinkContext
from workers.core.budget import Use
from workers.core.delivery.gate import Gate, GatePolicy
from workers.core.event_kinds import kind_of
from workers.edges.avro.codec import Codec
from workers.edges.avro.schema_files import Schemas
from workers.edges.http.client import Restraint, VendorClient, open_client
from workers.edges.http.transport import MAX_ANSWER_BYTES, TransportPolicy
from workers.edges.http.turns import turns_of
from workers.edges.kafka.owner import Member
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.log import log
from workers.edges.membership import Membership
from workers.edges.telemetry.tracing import Tracing, Worker
from workers.vendors.contract import Poller, Vendor, load

LONG_ANSWER_BYTES = 64 * MIB  # a hundred orders with all their parcels, or one with its signatures


def wall_ms() -> int:
    """Milliseconds since 1970, by this host's clock."""
    return time.time_ns() // 1_000_000


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
    budget = open_account(configuration, spec, shared.codec, wall_ms, Use.WRITE)
    context = SinkContext(
        spec=spec,
        instance=ours.instance,
        create_topics=create_topics(spec, shared.codec.schemas),
        sink=vendor.sink(spec.options, credentials),
        client=build_client(spec, vendor, credentials, ours.membership, budget),
        credentials=credentials,
        codec=shared.codec,
        tracing=shared.tracing.of_worker(Worker(spec.name, spec.vendor, spec.group)),
        brokers=shared.brokers,
        monotonic=time.monotonic,
        wall_ms=wall_ms,
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
    for unread in unread_sets(spec, configuration.credentials[spec.name]):
        log.warning("set_not_read", worker=spec.name, set=unread.name, detail=str(unread))
    ours = member(spec, configuration.settings, shared.brokers)
    tools = build_poll_tools(spec, configuration, shared.codec, shared.failed, ours.membership)
    tools.brokers = shared.brokers
    tools.tracing = shared.tracing.of_worker(Worker(spec.name, spec.vendor, spec.group))
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
    budget = open_account(configuration, spec, codec, wall_ms, Use.READ)
    return PollerContext(
        spec=spec,
        polling=_polling(spec, vendor, credentials, configuration),
        client=build_client(spec, vendor, credentials, membership, budget),
        credentials=credentials,
        codec=codec,
        connection=configuration.settings.kafka,
        gate=Gate(GatePolicy()),
        failed=failed,
        monotonic=time.monotonic,
        wall_ms=wall_ms,
        jitter=random.random,
    )


def _polling(
    spec: PollerSpec, vendor: Vendor, credentials: VendorCredentials, configuration: Configuration
) -> Poller | OrderPolling | SetPolling:
    """The vendor's poller, by its kind."""
    if vendor.order_poller is not None and spec.follows is not None:
        slots = asyncio.Semaphore(spec.max_in_flight)
        return OrderPolling(vendor.order_poller(spec.options, credentials), spec.follows, slots)
    if vendor.set_poller is not None:
        read = spec.sets.keys() - {one.name for one in unread_sets(spec, credentials)}
        sets = tuple(one for one in vendor.sets if one.name in read)
        order_ids = open_order_ids(configuration, spec, vendor)
        return SetPolling(vendor.set_poller(spec.options, credentials), sets, order_ids)
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
    budget: BudgetAccount | None = None,
) -> VendorClient:
    """Connections to the worker's vendor, with its session, its budget and its queue where it has them."""
    is_long = vendor.long_answers or isinstance(spec, PollerSpec)
    policy = TransportPolicy(
        max_in_flight=spec.max_in_flight,
        request_timeout_s=spec.request_timeout,
        max_answer_bytes=LONG_ANSWER_BYTES if is_long else MAX_ANSWER_BYTES,
    )
    session = None if vendor.session is None else vendor.session(spec.options, credentials)
    turns = turns_of(f"{vendor.name} {spec.credentials}") if vendor.one_at_a_time else None
    return open_client(
        httpx.URL(credentials["BASE_URL"]),
        policy,
        session,
        membership=membership,
        vendor=spec.vendor,
        restraint=Restraint(turns, budget),
        names=credentials.names,
    )


def create_topics(spec: SinkSpec, schemas: Schemas) -> frozenset[str]:
    """The sink's topics whose records create or replace an order."""
    return frozenset(topic for topic in spec.consumes if kind_of(schemas[topic].today.name).creates_order)
