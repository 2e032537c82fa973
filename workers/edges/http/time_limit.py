"""The time limit of a vendor's requests: one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class TimeLimit:
    """Ends what takes too long. The limit is the same for all, so what began first is due first.

    `asyncio.timeout` starts and stops a timer for each request, a twentieth of what a record costs.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}  # by the loop's clock; the oldest first
        self._timer: asyncio.TimerHandle | None = None

    async def hold(self, work: Awaitable[T]) -> T:
        """Await the work, in a task that awaits nothing else; raises `TimeoutError`, once the work is cancelled.

        The work must let its `asyncio.CancelledError` pass.
        """
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        assert task not in self._due, "one request of a task at a time"
        cancelling = task.cancelling()
        self._begin(task)
        try:
            return await work
        except asyncio.CancelledError as error:
            # Another cancellation than ours goes on: the task is to end.
            if task in self._due or task.uncancel() > cancelling:
                raise
            raise TimeoutError from error
        finally:
            self._due.pop(task, None)

    def _begin(self, task: asyncio.Task[Any]) -> None:
        loop = task.get_loop()
        due = loop.time() + self.seconds
        self._due[task] = due
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        while self._due:
            task, due = next(iter(self._due.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._expire, loop)
                return
            del self._due[task]
            task.cancel()
