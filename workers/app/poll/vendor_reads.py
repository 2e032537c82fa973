"""Runs a poller's flows against the vendor: a fault delays a poll, and never moves its cursor."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar, assert_never

from workers.app.poll.clock import PollClock
from workers.app.poll.context import PollerContext
from workers.core.delivery.outcome import Delivered, Denied, Throttled, Unavailable
from workers.core.delivery.retry import RetryPolicy
from workers.core.poll.vendor_event import Look
from workers.edges.log import log
from workers.vendors.contract import Flow, LoginFailed, PollFault, Reading

R = TypeVar("R", Reading, Look)

GATE_CHECK_S: Final = 0.5  # another shard's probe, or a new key, may open the gate at any time


class PollFailed(Exception):  # noqa: N818 - the vendor's answer, in one line
    """The vendor gave no usable answer; the message holds the reason."""


class VendorReads:
    """Runs a shard's flows, through the gate that all shards of the vendor share."""

    def __init__(self, context: PollerContext) -> None:
        self._context = context
        retry = context.spec.retry
        self._retry = RetryPolicy(retry.first, retry.max)
        self._credentials_version = context.credentials.version

    async def read(self, flow: Callable[[], Flow[Reading | PollFault]], clock: PollClock) -> Reading:
        """Retry until the vendor answers."""
        failures = 0
        while True:
            await self.admitted()
            found = await self.read_once(flow(), clock, failures)
            if isinstance(found, Reading):
                return found
            failures += 1
            await asyncio.sleep(self.delay(failures))

    async def read_once(
        self, flow: Flow[R | PollFault], clock: PollClock, failures: int = 0, *, order_number: str = ""
    ) -> R | PollFault:
        """Run the flow once, right after `admitted`; ``failures``: how often the same read has failed before.

        ``order_number``: for the error message, when the fault may be that order's alone.
        """
        found = await self._run(flow, clock)
        if isinstance(found, Throttled | Unavailable | Denied):
            alone = order_number and isinstance(found, Unavailable)
            self._failed(found, failures + 1, f"order {order_number}: " if alone else "")
            return found
        self._report(Delivered())
        self._note(found.notes)
        return found

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        return self._retry.delay(failures, 0.5 + self._context.jitter() / 2)

    async def admitted(self) -> None:
        """Wait until the gate admits a request."""
        context = self._context
        while context.gate.admits(context.monotonic(), context.in_flight) == 0:
            self._try_new_credentials()
            await asyncio.sleep(min(GATE_CHECK_S, max(0.01, context.gate.until - context.monotonic())))

    def _note(self, notes: Counter[str]) -> None:
        """Count anomalies; log each kind once."""
        counted = self._context.stats.notes
        for name in notes.keys() - counted.keys():
            log.warning("vendor_response_anomaly", worker=self._context.spec.name, what=name)
        counted.update(notes)

    async def _run(self, flow: Flow[R | PollFault], clock: PollClock) -> R | PollFault:
        self._context.in_flight += 1
        try:
            return await self._context.client.run(flow, clock)
        except LoginFailed as failed:
            return failed.outcome
        finally:
            self._context.in_flight -= 1

    def _try_new_credentials(self) -> None:
        version = self._context.credentials.version
        if version != self._credentials_version:
            self._credentials_version = version
            log.info("credentials_changed", worker=self._context.spec.name)
            self._context.gate.try_now(self._context.monotonic())

    def _failed(self, fault: PollFault, failures: int, subject: str) -> None:
        context, was_open, reason = self._context, self._context.gate.is_open, subject + describe_fault(fault)
        self._report(fault)
        context.stats.failures += 1
        context.stats.last_error = reason
        if failures == 1 or (was_open and not context.gate.is_open):
            log.warning("poll_failed", worker=context.spec.name, reason=reason, gate=context.gate.state.value)

    def _report(self, outcome: Delivered | PollFault) -> None:
        context = self._context
        context.gate.report(outcome, context.monotonic(), context.jitter(), other_in_flight=context.in_flight)


def describe_fault(fault: PollFault) -> str:
    """The fault in one line."""
    match fault:
        case Throttled(after):
            return "throttled" if after is None else f"throttled for {after:g} s"
        case Unavailable(reason) | Denied(reason):
            return reason
        case _:
            assert_never(fault)
