"""An event loop whose clock moves only when nothing is left to do: waits of hours take no time, and always as long."""

import asyncio
import selectors
from typing import Any


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
    """For code without threads: what another thread brings would not be waited for."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now
