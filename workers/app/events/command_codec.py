"""The codec of a command: it asks the registry and waits for the answer where a worker would go on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from workers.app.config.configuration import Configuration
from workers.app.config.errors import ConfigError, Fault, did_you_mean
from workers.app.events.schemas import open_registry, opened_registry, read_schemas
from workers.core.record import Headers
from workers.edges.avro.codec import Codec, UnknownSchema


@dataclass(frozen=True, slots=True)
class OpenCodec:
    """A codec and the event loop on which it asks the registry."""

    codec: Codec
    runner: asyncio.Runner

    def prepare(self, topic: str) -> None:
        """Ask the registry for the schema id to encode with; raises `RegistryUnavailable`, `RegistryRefused`."""
        self.runner.run(self.codec.prepare([topic]))

    def decode(self, topic: str, value: bytes, headers: Headers) -> dict[str, Any]:
        """Decode a record's value of a topic that has a schema; raises `Undecodable`, `RegistryUnavailable`."""
        try:
            return self.codec.decode_any(topic, value, headers)
        except UnknownSchema as unknown:
            self.runner.run(self.codec.learn(unknown.schema_id))
            return self.codec.decode_any(topic, value, headers)

    def order_id(self, topic: str, value: bytes, headers: Headers) -> str:
        """Read the order id of a consumed event; raises `Undecodable`, `RegistryUnavailable`."""
        try:
            return self.codec.head(topic, value, headers).order_id
        except UnknownSchema as unknown:
            self.runner.run(self.codec.learn(unknown.schema_id))
            return self.codec.head(topic, value, headers).order_id


@contextmanager
def open_codec(configuration: Configuration) -> Iterator[OpenCodec]:
    """Open a codec of the schemas that topics.yaml names and of the registry, if one is configured."""
    schemas, registry = read_schemas(configuration.config), open_registry(configuration.settings.registry)
    with asyncio.Runner() as runner:
        try:
            yield OpenCodec(Codec(schemas, monotonic, registry), runner)
        finally:
            if registry is not None:
                runner.run(registry.close())


@asynccontextmanager
async def codec_in_loop(configuration: Configuration) -> AsyncIterator[Codec]:
    """Open the codec of a command that runs an event loop itself."""
    async with opened_registry(configuration.settings.registry) as registry:
        yield Codec(read_schemas(configuration.config), monotonic, registry)


def assert_publishable(configuration: Configuration, topic: str) -> None:
    """Raise `ConfigError` unless topics.yaml has the topic, with a schema, and no worker keeps its own rows in it."""
    config = configuration.config
    owners = {name: one.name for one in config.sinks.values() for name in one.written_topics}
    owners |= {name: one.name for one in config.pollers.values() for name in one.topics if name not in owners}
    with_schema = [name for name, spec in config.topics.items() if spec.schema_file is not None]
    if topic in with_schema and topic not in owners:
        return
    if topic in owners:
        problem = f"topic '{topic}' is for {owners[topic]} alone: what it holds is no event"
    else:
        missing = "has no schema in" if topic in config.topics else "is not in"
        problem = f"topic '{topic}' {missing} this file"
    known = [name for name in with_schema if name not in owners]
    raise ConfigError([Fault(str(config.file), f"{problem}{did_you_mean(topic, known)}")])
