"""The real broker, and members of its groups, for the tests of the Kafka edge."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest

from tests.support.kafka_rig import Side, start_source
from workers.devkit.broker.broker import Broker
from workers.edges.kafka.client import KafkaConnection

Join: TypeAlias = Callable[..., Any]


@pytest.fixture
def connection(broker: Broker) -> KafkaConnection:
    return KafkaConnection(bootstrap=(broker.bootstrap,))


@pytest.fixture
def side(connection: KafkaConnection) -> Side:
    return Side(connection)


@pytest.fixture
async def join(side: Side) -> AsyncIterator[Join]:
    """``join(group, topics, instance)`` starts a member as `start_source` does; it leaves when the test ends."""
    async with AsyncExitStack() as ends:

        def start(*given: Any, **options: Any) -> Any:
            source, witness = start_source(side, *given, **options)
            ends.push_async_callback(source.stop, 10.0)
            return source, witness

        yield start
