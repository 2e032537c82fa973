"""Helpers for asyncio: blocking calls awaited from the loop, and the error that a task ended with."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

CANCELLED_WITHIN_S = 0.3


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


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine, in a loop of its own thread; raises what it raises.

    Ctrl-C ends the wait at once: asyncio's own runner waits until no call blocks the loop any more. The coroutine is
    cancelled, and has `CANCELLED_WITHIN_S` to leave; what still blocks then is left behind in its daemon thread.
    """
    result: Future[T] = Future()
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = Future()

    async def main() -> T:
        task = asyncio.ensure_future(work)
        started.set_result((asyncio.get_running_loop(), task))
        return await task

    def run() -> None:
        try:
            result.set_result(asyncio.run(main()))
        except BaseException as error:  # noqa: BLE001 - the caller decides
            result.set_exception(error)

    threading.Thread(target=run, daemon=True, name="command").start()
    try:
        return result.result()
    except KeyboardInterrupt:
        loop, task = started.result()
        _post(loop, task.cancel)
        with suppress(BaseException):
            result.result(CANCELLED_WITHIN_S)
        raise


def _post(loop: asyncio.AbstractEventLoop, what: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop is closed: no task waits for the result
        loop.call_soon_threadsafe(what)


def task_error(task: asyncio.Task[None]) -> Exception | None:
    """Return the error that ended a task; None: it returned, or was cancelled."""
    error = None if task.cancelled() else task.exception()
    return error if error is None or isinstance(error, Exception) else RuntimeError(type(error).__name__)
