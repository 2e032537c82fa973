"""Asks the vendor until it answers: a fault delays a poll, and never moves its cursor."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TypeVar, assert_never

from workers.app.poll.clock import PollClock
from workers.app.poll.context import PollerContext
from workers.core.delivery.outcome import Delivered, Denied, Throttled, Unavailable
from workers.core.delivery.retry import RetryPolicy
from workers.core.poll.vendor_event import Look
from workers.edges.log import log
from workers.vendors.contract import Flow, LoginFailed, PollFault, Reading

R = TypeVar("R", Reading, Look)

_LOOK_AT_GATE = 0.5  # seconds: another shard's probe, or a new key, may open it


class PollFailed(Exception):  # noqa: N818 - the vendor's answer, in one line
    """The vendor gave nothing to read; the message says what it said."""


class PollReads:
    """Runs a shard's flows, through the one gate that all shards of the vendor share."""

    def __init__(self, tools: PollerContext) -> None:
        self._tools = tools
        retry = tools.spec.retry
        self._retry = RetryPolicy(retry.first, retry.max)
        self._version = tools.credentials.version

    async def read(self, flow: Callable[[], Flow[Reading | PollFault]], clock: PollClock) -> Reading:
        """Ask until a reading comes; only that makes anything move."""
        failures = 0
        while True:
            await self.admitted()
            found = await self.once(flow(), clock, failures)
            if isinstance(found, Reading):
                return found
            failures += 1
            await asyncio.sleep(self.delay(failures))

    async def once(
        self, flow: Flow[R | PollFault], clock: PollClock, failures: int = 0, *, order: str = ""
    ) -> R | PollFault:
        """Ask once, right after `admitted`; ``failures``: how often this has been asked in vain before.

        ``order``: the one that is asked for, to be named where it alone may be what is wrong.
        """
        found = await self._run(flow, clock)
        if isinstance(found, Throttled | Unavailable | Denied):
            alone = order and isinstance(found, Unavailable)
            self._failed(found, failures + 1, f"order {order}: " if alone else "")
            return found
        self._report(Delivered())
        self._note(found.notes)
        return found

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        return self._retry.delay(failures, 0.5 + self._tools.jitter() / 2)

    def _note(self, notes: Counter[str]) -> None:
        """Count what was peculiar; say each kind once."""
        counted = self._tools.stats.notes
        for name in notes.keys() - counted.keys():
            log.warning("vendor_response_anomaly", worker=self._tools.spec.name, what=name)
        counted.update(notes)

    async def _run(self, flow: Flow[R | PollFault], clock: PollClock) -> R | PollFault:
        self._tools.in_flight += 1
        try:
            return await self._tools.client.run(flow, clock)
        except LoginFailed as failed:
            return failed.outcome
        finally:
            self._tools.in_flight -= 1

    async def admitted(self) -> None:
        """Wait until the vendor may be asked."""
        tools = self._tools
        while tools.gate.admits(tools.monotonic(), tools.in_flight) == 0:
            self._look_at_key()
            await asyncio.sleep(min(_LOOK_AT_GATE, max(0.01, tools.gate.until - tools.monotonic())))

    def _look_at_key(self) -> None:
        version = self._tools.credentials.version
        if version != self._version:
            self._version = version
            log.info("credentials_changed", worker=self._tools.spec.name)
            self._tools.gate.try_now(self._tools.monotonic())

    def _failed(self, fault: PollFault, failures: int, what: str) -> None:
        tools, was_open, reason = self._tools, self._tools.gate.is_open, what + words(fault)
        self._report(fault)
        tools.stats.failures += 1
        tools.stats.last_error = reason
        if failures == 1 or (was_open and not tools.gate.is_open):
            log.warning("poll_failed", worker=tools.spec.name, reason=reason, gate=tools.gate.state.value)

    def _report(self, outcome: Delivered | PollFault) -> None:
        tools = self._tools
        tools.gate.report(outcome, tools.monotonic(), tools.jitter(), beside=tools.in_flight)


def words(fault: PollFault) -> str:
    """One line for people."""
    match fault:
        case Throttled(after):
            return "throttled" if after is None else f"throttled for {after:g} s"
        case Unavailable(reason) | Denied(reason):
            return reason
        case _:
            assert_never(fault)
