"""Blocking calls of libraries, awaited from the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def run_in_daemon_thread(what: Callable[[], T], within: float) -> T:
    """Call ``what`` in a thread of its own; raises what it raises, or `TimeoutError` after ``within`` seconds.

    The thread is a daemon: a call that hangs on a dead server is left behind, and never holds up the
    process's end as an executor's threads would.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(set_it: Callable[[], None]) -> None:
        if not done.done():
            set_it()

    def call() -> None:
        try:
            value = what()
        except BaseException as error:  # noqa: BLE001 - the awaiting side decides
            failure = error
            _post(loop, lambda: tell(lambda: done.set_exception(failure)))
        else:
            _post(loop, lambda: tell(lambda: done.set_result(value)))

    threading.Thread(target=call, daemon=True, name=getattr(what, "__name__", "kafka")).start()
    async with asyncio.timeout(within):
        return await done


def _post(loop: asyncio.AbstractEventLoop, what: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended: nobody awaits it any more
        loop.call_soon_threadsafe(what)
