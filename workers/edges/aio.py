"""Helpers for asyncio: blocking calls awaited from the loop, and the error that a task ended with."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def run_in_daemon_thread(what: Callable[[], T], within: float) -> T:
    """Call ``what`` in a daemon thread; raises what it raises, or `TimeoutError` after ``within`` seconds.

    A call that hangs on a dead server is left behind in its thread. A thread of an executor would hold up the
    process's exit.
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
    with suppress(RuntimeError):  # the loop is closed: no task waits for the result
        loop.call_soon_threadsafe(what)


def task_error(task: asyncio.Task[None]) -> Exception | None:
    """Return the error that ended a task; None: it returned, or was cancelled."""
    error = None if task.cancelled() else task.exception()
    return error if error is None or isinstance(error, Exception) else RuntimeError(type(error).__name__)
