"""`relay topics`: plan the changes, apply them, and read them back, on one set of connections."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from workers.app.config.configuration import Configuration
from workers.app.config.specs import Config, SinkSpec
from workers.app.events.schemas import opened_registry, read_schemas
from workers.app.topics.plan import TOPIC, Change, Facts, Place, Verdict, plan, wanted
from workers.core.record import Partition
from workers.edges.avro.compatibility import Break, check
from workers.edges.avro.registry import Registry, RegistryRefused, RegistryUnavailable
from workers.edges.avro.schema_files import Schemas
from workers.edges.kafka.admin import KafkaAdmin, open_admin
from workers.edges.kafka.client import KafkaConnection, KafkaFailed
from workers.edges.kafka.errors import kafka_errors

READ_BACK_TRIES, READ_BACK_INTERVAL_S = 50, 0.2  # 10 s in all: a change reaches each broker's metadata with a delay


@dataclass(frozen=True, slots=True)
class Failure:
    """A change that the cluster or the registry refused."""

    change: Change
    why: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did, as read back from the cluster."""

    made: list[Change]
    left: list[Change]  # impossible, not allowed, or refused
    failures: list[Failure]


async def plan_topics(configuration: Configuration, *, allow_repartition: bool = False) -> list[Change]:
    """List the differences and change nothing; raises `KafkaFailed`, `RegistryUnavailable`, `RegistryRefused`."""
    async with _connected(configuration) as connected:
        return await connected.plan(allow_repartition=allow_repartition)


async def apply_topics(configuration: Configuration, *, allow_repartition: bool = False) -> Applied:
    """Make every change that can be made, then plan again: a change counts as made when the second plan lacks it."""
    async with _connected(configuration) as connected:
        planned = await connected.plan(allow_repartition=allow_repartition)
        doable = [change for change in planned if change.verdict is Verdict.APPLY]
        failures = [failure for change in doable if (failure := await connected.make(change)) is not None]
        refused = {failure.change.place for failure in failures}
        connected.admin.wait_for_leaders([c.topic for c in doable if c.key == TOPIC and c.place not in refused])
        expected = {change.place for change in doable} - refused
        left = await _settled(connected, expected, allow_repartition=allow_repartition)
        still_there = {change.place for change in left}
        return Applied([change for change in doable if change.place not in still_there], left, failures)


async def refused_schemas(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Ask the registry, if one is configured, which of today's schemas it would refuse; by topic, with its reasons."""
    schemas = read_schemas(configuration.config)
    async with opened_registry(configuration.settings.registry) as registry:
        if registry is None:
            return {}
        found = {name: await registry.incompatibilities(t.subject, t.today.text) for name, t in schemas.items()}
    return {name: texts for name, texts in found.items() if texts}


@dataclass(frozen=True, slots=True)
class _Connections:
    connection: KafkaConnection
    admin: KafkaAdmin
    registry: Registry | None
    config: Config
    schemas: Schemas

    async def plan(self, *, allow_repartition: bool) -> list[Change]:
        """Ask cluster and registry; raises `KafkaFailed`, `RegistryUnavailable`, `RegistryRefused`."""
        topics = self.admin.topics(self.config.topics)
        grows = any(self.config.topics[name].partitions != found.partitions for name, found in topics.items())
        lags = {sink.group: self._lag(sink, topics) for sink in self.config.sinks.values()} if grows else {}
        broken = {found.topic: str(found) for found in check(self.schemas) if isinstance(found, Break)}
        brokers = self.admin.broker_count()
        facts = Facts(topics=topics, brokers=brokers, lags=lags, unregistered=await self._unregistered(), broken=broken)
        return plan(self.config, facts, allow_repartition=allow_repartition)

    async def make(self, change: Change) -> Failure | None:
        """Make one change and give its failure: a refusal for one topic must not stop the changes of the others."""
        try:
            with kafka_errors(self.connection):
                await self._make(change)
        except (KafkaFailed, RegistryUnavailable, RegistryRefused) as error:
            return Failure(change, str(error))
        return None

    async def _make(self, change: Change) -> None:
        """Nothing is ever deleted."""
        match change.key:
            case "topic":
                self.admin.create(wanted(self.config.topics[change.topic]))
            case "partitions":
                self.admin.add_partitions(change.topic, int(change.after))
            case "schema":
                assert self.registry is not None, "without a registry no plan asks for a registration"
                schema = self.schemas[change.topic]
                await self.registry.register(schema.subject, schema.today.text)
            case key:
                self.admin.alter_config(change.topic, {key: change.after})

    async def _unregistered(self) -> tuple[str, ...]:
        if self.registry is None:
            return ()
        found = {one.name: await self.registry.find(one.subject, one.today.text) for one in self.schemas.values()}
        return tuple(name for name, schema_id in found.items() if schema_id is None)

    def _lag(self, sink: SinkSpec, topics: Iterable[str]) -> int:
        """Count the lag of a sink's consumer group over those of its topics that exist, in records."""
        there = self.admin.topics([name for name in sink.consumes if name in topics])
        partitions = [Partition(topic.name, number) for topic in there.values() for number in range(topic.partitions)]
        committed, starts = self.admin.committed(sink.group), self.admin.offsets(partitions, "earliest")
        ends = self.admin.offsets(partitions, "latest")
        return sum(ends[at] - (committed[at].offset if at in committed else starts[at]) for at in partitions)


@asynccontextmanager
async def _connected(configuration: Configuration) -> AsyncIterator[_Connections]:
    kafka, config = configuration.settings.kafka, configuration.config
    schemas = read_schemas(config)
    async with opened_registry(configuration.settings.registry) as registry:
        with open_admin(kafka) as admin:
            yield _Connections(kafka, admin, registry, config, schemas)


async def _settled(connected: _Connections, expected: set[Place], *, allow_repartition: bool) -> list[Change]:
    left: list[Change] = []
    for _ in range(READ_BACK_TRIES):
        left = await connected.plan(allow_repartition=allow_repartition)
        if not expected & {change.place for change in left}:
            break
        await asyncio.sleep(READ_BACK_INTERVAL_S)
    return left
