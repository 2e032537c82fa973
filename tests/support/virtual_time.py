"""An event loop whose clock moves only when nothing is left to do: waits of hours take no time, and always as long."""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Selector(selectors.DefaultSelector):
    """Does not wait: it moves the clock on by as much as the loop would have waited."""

    now = 1_000.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that no timer will bring")
        if not ready:
            self.now += max(timeout or 0.0, 0.0)
        return list(ready)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """What goes to a thread is done at once, in the loop's own: the loop would not wait for another one."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        del executor
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the future's, as from a thread
            done.set_exception(error)
        return done
