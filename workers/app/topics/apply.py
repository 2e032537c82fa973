"""`relay topics`: plan the changes, apply them, and read them back, on one set of connections."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from workers.app.config.configuration import Configuration
from workers.app.config.specs import Config, SinkSpec
from workers.app.events.schemas import open_registry, read_schemas
from workers.app.topics.plan import TOPIC, Change, Facts, Verdict, plan, wanted
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
        refused = [failure.change for failure in failures]
        connected.admin.wait_for_leaders([c.topic for c in doable if c.key == TOPIC and c not in refused])
        expected = {(change.topic, change.key) for change in doable} - {
            (f.change.topic, f.change.key) for f in failures
        }
        left = await _settled(connected, expected, allow_repartition=allow_repartition)
        open_keys = {(change.topic, change.key) for change in left}
        made = [change for change in doable if (change.topic, change.key) not in open_keys]
        return Applied(made, left, failures)


async def refused_schemas(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Ask the registry, if one is configured, which of today's schemas it would refuse; by topic, with its reasons."""
    schemas, registry = read_schemas(configuration.config), open_registry(configuration.settings.registry)
    if registry is None:
        return {}
    try:
        found = {name: await registry.incompatibilities(t.subject, t.today.text) for name, t in schemas.items()}
    finally:
        await registry.close()
    return {name: texts for name, texts in found.items() if texts}


@dataclass(frozen=True, slots=True)
class _Connections:
    connection: KafkaConnection
    admin: KafkaAdmin
    registry: Registry | None
    config: Config
    schemas: Schemas

    async def plan(self, *, allow_repartition: bool) -> list[Change]:
        facts = await find_facts(self.admin, self.registry, self.config, self.schemas)
        return plan(self.config, facts, allow_repartition=allow_repartition)

    async def make(self, change: Change) -> Failure | None:
        """Make one change and give its failure: a refusal for one topic must not stop the changes of the others."""
        try:
            with kafka_errors(self.connection):
                await make(change, self.admin, self.registry, self.config, self.schemas)
        except (KafkaFailed, RegistryUnavailable, RegistryRefused) as error:
            return Failure(change, str(error))
        return None


@asynccontextmanager
async def _connected(configuration: Configuration) -> AsyncIterator[_Connections]:
    settings, config = configuration.settings, configuration.config
    schemas, registry = read_schemas(config), open_registry(settings.registry)
    try:
        with open_admin(settings.kafka) as admin:
            yield _Connections(settings.kafka, admin, registry, config, schemas)
    finally:
        if registry is not None:
            await registry.close()


async def _settled(connected: _Connections, expected: set[tuple[str, str]], *, allow_repartition: bool) -> list[Change]:
    left: list[Change] = []
    for _ in range(READ_BACK_TRIES):
        left = await connected.plan(allow_repartition=allow_repartition)
        if not expected & {(change.topic, change.key) for change in left}:
            break
        await asyncio.sleep(READ_BACK_INTERVAL_S)
    return left


async def find_facts(admin: KafkaAdmin, registry: Registry | None, config: Config, schemas: Schemas) -> Facts:
    """Ask cluster and registry; raises `KafkaFailed`, `RegistryUnavailable`, `RegistryRefused`."""
    topics = admin.topics(config.topics)
    grows = any(config.topics[name].partitions != found.partitions for name, found in topics.items())
    lags = {sink.group: lag(admin, sink, topics) for sink in config.sinks.values()} if grows else {}
    broken = {found.topic: str(found) for found in check(schemas) if isinstance(found, Break)}
    unregistered = await _unregistered(registry, schemas)
    return Facts(topics=topics, lags=lags, unregistered=unregistered, broken=broken)


async def _unregistered(registry: Registry | None, schemas: Schemas) -> tuple[str, ...]:
    if registry is None:
        return ()
    found = {topic.name: await registry.find(topic.subject, topic.today.text) for topic in schemas.values()}
    return tuple(name for name, schema_id in found.items() if schema_id is None)


def lag(admin: KafkaAdmin, sink: SinkSpec, topics: Iterable[str]) -> int:
    """Count the lag of a sink's consumer group over those of its topics that exist, in records."""
    there = admin.topics([name for name in sink.consumes if name in topics])
    partitions = [Partition(topic.name, number) for topic in there.values() for number in range(topic.partitions)]
    committed, starts = admin.committed(sink.group), admin.offsets(partitions, "earliest")
    ends = admin.offsets(partitions, "latest")
    return sum(ends[at] - (committed[at].offset if at in committed else starts[at]) for at in partitions)


async def make(change: Change, admin: KafkaAdmin, registry: Registry | None, config: Config, schemas: Schemas) -> None:
    """Make one change; nothing is ever deleted."""
    match change.key:
        case "topic":
            admin.create(wanted(config.topics[change.topic]))
        case "partitions":
            admin.add_partitions(change.topic, int(change.after))
        case "schema":
            await _register(registry, schemas, change.topic)
        case key:
            admin.alter_config(change.topic, {key: change.after})


async def _register(registry: Registry | None, schemas: Schemas, topic: str) -> None:
    assert registry is not None, "without a registry no plan asks for a registration"
    await registry.register(schemas[topic].subject, schemas[topic].today.text)
