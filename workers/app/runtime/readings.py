"""How other threads read the workers, which only their own loop may touch."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final, Generic, TypeVar

R = TypeVar("R")
T = TypeVar("T")

AT_ONCE_S: Final = 0.02  # a loop with hundreds of requests in flight may take longer for one turn than a probe has
READ_EVERY_S: Final = 2.0
_PAUSE_FACTOR: Final = 100  # a pause is at least so many times as long as the reading: 100,000 parked orders take long


@dataclass(frozen=True, slots=True)
class _Kept(Generic[R]):
    reading: R
    until: float  # monotonic: it is too old then


class Readings(Generic[R]):
    """Asks the workers' loop; where that is busy, shows what it read a moment ago."""

    def __init__(self, read: Callable[[], R], answer_within_s: float) -> None:
        """``read`` is called in the workers' loop only; ``answer_within_s``: a loop that takes longer is stuck."""
        self._read = read
        self._answer_within_s = answer_within_s
        self._owner: asyncio.AbstractEventLoop | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._kept: _Kept[R] | None = None

    def start(self) -> None:
        """To be called in the workers' loop."""
        self._owner = asyncio.get_running_loop()
        self._keeping = self._owner.create_task(self._keep())

    def stop(self) -> None:
        """To be called in the workers' loop."""
        if self._keeping is not None:
            self._keeping.cancel()

    async def latest(self) -> R:
        """Return the workers as they are now, or as they were a second or two ago; raises `TimeoutError`."""
        with suppress(TimeoutError):
            return await self._ask(self._read, AT_ONCE_S)
        kept = self.kept()
        return await self.ask(self._read) if kept is None else kept

    def kept(self) -> R | None:
        """Return the workers as they were a moment ago, for any thread; None: the loop is stuck, or has not begun."""
        kept = self._kept
        return kept.reading if kept is not None and monotonic() < kept.until else None

    async def ask(self, what: Callable[[], T]) -> T:
        """Call this in the workers' loop; raises `TimeoutError`."""
        return await self._ask(what, self._answer_within_s)

    async def _ask(self, what: Callable[[], T], within_s: float) -> T:
        answer: Future[T] = Future()

        def call() -> None:
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(what())
                except Exception as error:  # noqa: BLE001 - it belongs to the request
                    answer.set_exception(error)

        assert self._owner is not None, "the server has started"
        self._owner.call_soon_threadsafe(call)
        async with asyncio.timeout(within_s):
            return await asyncio.wrap_future(answer)

    async def _keep(self) -> None:
        while True:
            began = monotonic()
            reading, now = self._read(), monotonic()
            pause_s = max(READ_EVERY_S, _PAUSE_FACTOR * (now - began))
            self._kept = _Kept(reading, now + 2 * pause_s)
            await asyncio.sleep(pause_s)
