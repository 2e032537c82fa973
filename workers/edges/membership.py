"""Proof that this process is still a member of its worker's consumer group; without it nothing leaves for a vendor.

A process that was stopped (SIGSTOP, a suspended laptop, a paused virtual machine, a long garbage collection of the
host) does not know that another process owns its partitions by now. What it then sent would come after what its
successor has sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Final, NamedTuple

from workers.edges.log import log

MARGIN: Final = 0.25
"""The share of the session that is left to a request for its way to the vendor. Three heartbeats take 0.6 of it."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux's CLOCK_MONOTONIC omits a suspension


class Instant(NamedTuple):
    """One moment by both clocks. A virtual machine that was paused may notice it by its wall clock alone."""

    running_s: float
    wall_s: float

    def since(self, earlier: Instant) -> float:
        """Seconds, by the clock that has moved further: a wall clock that is set forward costs one heartbeat."""
        return max(self.running_s - earlier.running_s, self.wall_s - earlier.wall_s)


_RUNNING_S: Final = partial(time.clock_gettime, _CLOCK)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Both clocks, in seconds. Each request asks them several times."""

    running_s: Callable[[], float] = _RUNNING_S
    wall_s: Callable[[], float] = time.time

    def now(self) -> Instant:
        return Instant(self.running_s(), self.wall_s())


class Membership:
    """When the group's coordinator last confirmed us. All methods are for the loop that owns the partitions.

    A confirmation reaches the loop in the sequence of the consumer thread's other events: after the loss of the
    partitions, so none of their flights can take the proof of a later generation for its own.
    """

    def __init__(self, session_s: float = inf, worker: str = "", clocks: Clocks | None = None) -> None:
        """``session_s``: after so long the group gives our partitions away; `inf`: there is no group to lose."""
        self._limit_s = session_s * (1 - MARGIN)
        self._worker = worker
        self.clocks = clocks or Clocks()
        self._until = self._unproved = Instant(inf, inf) if session_s == inf else Instant(-inf, -inf)
        self._held_since: Instant | None = None
        self._proved = asyncio.Event()
        self.held = 0

    @property
    def is_proved(self) -> bool:
        clocks, until = self.clocks, self._until
        return clocks.running_s() <= until.running_s and clocks.wall_s() <= until.wall_s

    def answered(self, asked: Instant | None) -> None:
        """The coordinator has confirmed the member that asked then; None: it has another one in our place, or none."""
        self._until = self._unproved
        if asked is not None:
            self._until = Instant(asked.running_s + self._limit_s, asked.wall_s + self._limit_s)
        if not self.is_proved:
            return
        if self._held_since is not None:
            held_s = round(self.clocks.now().since(self._held_since), 1)
            log.info("requests_go_on", worker=self._worker, held_s=held_s)
            self._held_since = None
        self._proved.set()

    async def proved(self) -> None:
        """Return at once while the membership is proved, else with the next proof."""
        if self.is_proved:
            return
        self.held += 1
        if self._held_since is None:
            self._held_since = self.clocks.now()
            detail = f"no heartbeat of the last {self._limit_s:g} s was answered: another process may own the orders"
            log.warning("requests_held", worker=self._worker, detail=detail)
        while not self.is_proved:
            self._proved.clear()
            await self._proved.wait()
