"""The schemas of topics.yaml's topics, the registry that has them, and waiting for its answers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from workers.app.config.settings import RegistrySettings
from workers.app.config.specs import Config
from workers.core.last_errors import LastErrors, Part
from workers.edges.avro import registry as registries
from workers.edges.avro.codec import Codec
from workers.edges.avro.framing import SchemaId, schema_name
from workers.edges.avro.registry import Registry, RegistryRefused, RegistryUnavailable
from workers.edges.avro.schema_files import Schemas, load_topic
from workers.edges.log import log

ASK_AGAIN_S = 2.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Named(Protocol):
    @property
    def name(self) -> str: ...


class WritesAvro(Protocol):
    """The context of a sink or a poller, as far as its schemas need it."""

    @property
    def codec(self) -> Codec: ...
    @property
    def spec(self) -> Named: ...
    @property
    def wall_ms(self) -> Callable[[], int]: ...


def read_schemas(config: Config) -> Schemas:
    """Load the schema of each topic that has one; raises `SchemaError` that names the file."""
    topics = config.topics.values()
    return {one.name: load_topic(one.name, one.schema_file) for one in topics if one.schema_file is not None}


def open_registry(settings: RegistrySettings | None) -> Registry | None:
    """Make a client of the configured registry, if there is one; nothing is sent yet."""
    if settings is None:
        return None
    return registries.connect(settings.url, settings.username or "", settings.password or "")


@asynccontextmanager
async def opened_registry(settings: RegistrySettings | None) -> AsyncIterator[Registry | None]:
    """The same for as long as the context lasts."""
    registry = open_registry(settings)
    try:
        yield registry
    finally:
        if registry is not None:
            await registry.close()


async def learn_to_write(worker: WritesAvro, topics: Collection[str], errors: LastErrors) -> None:
    """Prepare to encode for these topics, and wait for the registry until it answers."""
    while True:
        try:
            await worker.codec.prepare(topics)
        except (RegistryUnavailable, RegistryRefused) as error:
            log.warning("registry_unavailable", worker=worker.spec.name, detail=str(error))
            errors.put(Part.REGISTRY, str(error), worker.wall_ms())
            await asyncio.sleep(ASK_AGAIN_S)
        else:
            errors.clear(Part.REGISTRY)
            return


class SchemaWaits:
    """Asks for each unknown schema id until the registry answers; meanwhile no record is parked for it."""

    def __init__(self, codec: Codec, go_on: Callable[[], None]) -> None:
        self._codec = codec
        self._go_on = go_on
        self._asking: dict[SchemaId, asyncio.Task[None]] = {}

    def ask(self, schema_id: SchemaId) -> None:
        """Ask for a schema; a schema that is being asked for already is not asked for twice."""
        if schema_id not in self._asking:
            self._asking[schema_id] = asyncio.get_running_loop().create_task(self._learn(schema_id))

    async def _learn(self, schema_id: SchemaId) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._codec.learn(schema_id)
            except RegistryUnavailable as error:
                log.warning("registry_unavailable", schema=schema_name(schema_id), detail=str(error))
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE_S, pause * 2)
            else:
                break
        self._asking.pop(schema_id, None)
        self._go_on()
