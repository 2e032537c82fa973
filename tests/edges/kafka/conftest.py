"""Hands on the real broker for the tests of the edges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import uvloop

from workers.edges.kafka.client import KafkaConnection, consumer_options

if TYPE_CHECKING:
    from tests.support.kafka_rig import Side
    from workers.devkit.broker.broker import Broker

Join: TypeAlias = Callable[..., Any]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The vendor client is tested on each loop that a worker may run on: they differ in how connections end."""
    if item.path.stem.startswith("test_vendor_"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def connection(broker: Broker) -> KafkaConnection:
    return KafkaConnection(bootstrap=(broker.bootstrap,))


@pytest.fixture
def side(connection: KafkaConnection) -> Side:
    from tests.support.kafka_rig import Side  # noqa: PLC0415 - imports kafka: after pytest_configure

    return Side(connection)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """``session(2_000)``: members that join from now on are thrown out after so many silent milliseconds."""

    def shorten(ms: int) -> None:
        def shorter(*args: Any, **given: Any) -> dict[str, Any]:
            return consumer_options(*args, **given) | {"session_timeout_ms": ms, "heartbeat_interval_ms": ms // 5}

        monkeypatch.setattr("workers.edges.kafka.owner.consumer_options", shorter)

    return shorten


@pytest.fixture
async def join(side: Side) -> AsyncIterator[Join]:
    """``join(group, topics, instance)`` starts a member; it leaves with the test."""
    from tests.support.kafka_rig import start_source  # noqa: PLC0415 - as above

    async with AsyncExitStack() as ends:

        def start(*given: Any) -> Any:
            source, witness = start_source(side, *given)
            ends.push_async_callback(source.stop, 10.0)
            return source, witness

        yield start
