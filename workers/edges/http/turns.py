"""One request at a time to a vendor that works off a key's requests one after the other, whoever sends them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from weakref import WeakKeyDictionary

from workers.vendors.contract import TooSlow


class Turns:
    """Of one key, in one process. Another process has its own: the vendor then has two requests in its queue."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._free_at_s = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the requests before, in their sequence; and after a time-out so long again.

        A request that was given up is still in the vendor's queue: the next one would wait behind it, and be given up
        too.
        """
        async with self._one:
            await asyncio.sleep(max(0.0, self._free_at_s - monotonic()))
            began_s = monotonic()
            try:
                yield
            except TooSlow:
                now_s = monotonic()
                self._free_at_s = now_s + (now_s - began_s)
                raise


_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Turns]] = WeakKeyDictionary()


def turns_of(key: str) -> Turns:
    """The same for the same key, for all workers and commands in the running loop."""
    return _OF_LOOP.setdefault(asyncio.get_running_loop(), {}).setdefault(key, Turns())
