"""Runs a poller's flows against the vendor: a fault delays a poll, and never moves its cursor."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx

from workers.app.poll.context import PollerContext
from workers.core.delivery.gate import GatePolicy
from workers.core.delivery.outcome import Delivered, Denied, Throttled, Unavailable, outcome_word, reworded
from workers.core.delivery.retry import RetryPolicy
from workers.core.last_errors import Part
from workers.core.plain_words import plain_words
from workers.core.poll.cursor import PollStart
from workers.core.poll.vendor_event import Look
from workers.core.poll.vendor_set import Details, SetReading
from workers.core.redaction import redact
from workers.core.trace import Wait
from workers.edges.http.session import Send
from workers.edges.log import log
from workers.vendors._shared.answers import http_date
from workers.vendors.contract import Flow, LoginFailed, PollFault, Reading

NOTABLE_SKEW_MS: Final = 2_000  # a larger skew is logged once
MAX_PLAUSIBLE_SKEW_MS: Final = (
    366 * 86_400_000
)  # larger skews are ignored: following them would publish years of orders
MAX_SKEW_MS: Final = 60_000  # a larger skew is an anomaly

# Notes, counted in /status.
UNLIKELY_DATE: Final = "unlikely_date"
CLOCK_OFF: Final = "vendor_clock_off"


class PollClock:
    """Sends a poll's requests below the poll's span, and learns the vendor's clock from the ``Date`` of its answers.

    ``with PollClock(context) as clock:`` ends the span with the poll, however it ends.
    """

    def __init__(self, context: PollerContext) -> None:
        self._context = context
        self.trace = context.tracing.poll()
        self.began_ms = context.wall_ms()
        self._began = context.monotonic()
        self._vendor_ms: int | None = None
        self.requests = 0  # that it has sent
        self.fault: str | None = None  # that the poll's span ends with, in one word: at first that of the last read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.trace.end(self.fault if kind is None else kind.__name__)

    @property
    def start(self) -> PollStart:
        """When the poll began, on both clocks."""
        return PollStart(self.began_ms, self.began_ms if self._vendor_ms is None else self._vendor_ms)

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        self.requests += 1
        sent = self._context.monotonic()
        response = await self.trace.attempt(request, send)
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            self._dated(int(date.timestamp() * 1000), sent)
        return response

    def waits(self, wait: Wait) -> None:
        self.trace.waits(wait)

    def goes(self) -> None:
        self.trace.goes()

    def _dated(self, date_ms: int, sent: float) -> None:
        now, wall_ms = self._context.monotonic(), self._context.wall_ms()
        if abs(date_ms - wall_ms) > MAX_PLAUSIBLE_SKEW_MS:
            self._note(UNLIKELY_DATE)
            return
        if self._vendor_ms is None:
            # The earliest time that the vendor's clock can have shown when the poll began.
            self._vendor_ms = date_ms - round((now - self._began) * 1000)
        half_way_ms = wall_ms - round((now - sent) * 500)
        skew_ms = date_ms + 500 - half_way_ms  # a Date is whole seconds, rounded down
        stats = self._context.stats
        if abs(skew_ms) > NOTABLE_SKEW_MS and (stats.skew_ms is None or abs(stats.skew_ms) <= NOTABLE_SKEW_MS):
            log.warning("vendor_clock_differs", worker=self._context.label, seconds=round(skew_ms / 1000, 1))
        stats.skew_ms = skew_ms
        if abs(skew_ms) > MAX_SKEW_MS:
            self._note(CLOCK_OFF)

    def _note(self, name: str) -> None:
        notes = self._context.stats.notes
        if not notes[name]:
            log.warning("vendor_response_anomaly", worker=self._context.label, what=name)
        notes[name] += 1


R = TypeVar("R", Reading, Look, SetReading, Details)

PROBE_AFTER_S: Final = GatePolicy().longest_pause  # a vendor that works again is found so soon
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
        failures = 0
        while True:
            await self.admitted()
            found = await self.read_once(flow(), clock, failures)
            if isinstance(found, Reading):
                return found
            failures += 1
            await asyncio.sleep(min(self.delay(failures), PROBE_AFTER_S))

    async def read_once(
        self, flow: Flow[R | PollFault], clock: PollClock, failures: int = 0, *, order_number: str = ""
    ) -> R | PollFault:
        """Run the flow once, right after `admitted`; ``failures``: how often the same read has failed before.

        ``order_number``: for the error message, when the fault may be that order's alone.
        """
        found = await self._run(flow, clock)
        if isinstance(found, Throttled | Unavailable | Denied):
            clock.fault = outcome_word(found)
            found = reworded(found, self.for_all_to_read)
            alone = order_number and isinstance(found, Unavailable)
            self._failed(found, failures + 1, _subject(order_number) if alone else "")
            return found
        clock.fault = None
        self._report(Delivered())
        self._works_again(order_number)
        self._context.note(found.notes)
        return found

    def for_all_to_read(self, reason: str) -> str:
        """A vendor may repeat our key, or name a customer, in an error, which the log and `/status` show."""
        credentials = self._context.credentials
        return plain_words(redact(reason, credentials.secrets), ours=credentials.names.all_full)

    def _works_again(self, order_number: str) -> None:
        errors = self._context.stats.errors
        errors.clear(Part.VENDOR)
        if (errors.of(Part.ORDER) or "").startswith(_subject(order_number)):
            errors.clear(Part.ORDER)

    def delay(self, failures: int) -> float:
        """How long a failed read waits; while the gate is shut no longer than its probes, one of which it may be."""
        delay_s = self._retry.delay(failures, 0.5 + self._context.jitter() / 2)
        return delay_s if self._context.gate.is_open else min(delay_s, PROBE_AFTER_S)

    async def admitted(self) -> None:
        """Wait until the gate admits a request."""
        context = self._context
        while context.gate.admits(context.monotonic(), context.in_flight) == 0:
            self._try_new_credentials()
            await asyncio.sleep(min(GATE_CHECK_S, max(0.01, context.gate.until - context.monotonic())))

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
            log.info("credentials_changed", worker=self._context.label)
            self._context.gate.try_now(self._context.monotonic())

    def _failed(self, fault: PollFault, failures: int, subject: str) -> None:
        context, was_open, reason = self._context, self._context.gate.is_open, subject + fault.reason
        self._report(fault)
        context.stats.failures += 1
        if not isinstance(fault, Throttled):
            context.stats.errors.put(Part.ORDER if subject else Part.VENDOR, reason, context.wall_ms())
        if failures == 1 or (was_open and not context.gate.is_open):
            say = log.info if isinstance(fault, Throttled) else log.warning
            say("poll_failed", worker=context.label, reason=reason, gate=context.gate.state.value)

    def _report(self, outcome: Delivered | PollFault) -> None:
        context = self._context
        context.gate.report(outcome, context.monotonic(), context.jitter(), other_in_flight=context.in_flight)
        context.log_gate()


def _subject(order_number: str) -> str:
    return f"order {order_number}: "
