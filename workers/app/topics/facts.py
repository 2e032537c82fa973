"""Reads from the cluster and the registry what a plan needs, and makes the plan's changes."""

from collections.abc import Iterable

from workers.app.config.specs import Config, SinkSpec
from workers.app.topics.plan import Change, Facts, wanted
from workers.core.record import Partition
from workers.edges.avro.compatibility import Break, check
from workers.edges.avro.registry import Registry
from workers.edges.avro.schema_files import Schemas
from workers.edges.kafka.admin import KafkaAdmin


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
