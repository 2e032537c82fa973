"""The tests of a sink's parts run on virtual time: their waits take none, and are always as long."""

import asyncio
from collections.abc import Callable

from tests.support.virtual_time import VirtualTimeLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"virtual-time": VirtualTimeLoop}
