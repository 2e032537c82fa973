"""What begins spans, and what stands for it where nothing is recorded: the publisher's context goes on as it came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

from workers.core.consume.lanes import Entry
from workers.core.record import Headers, Record
from workers.core.trace import NOT_RECORDED, RecordSpan, Wait
from workers.edges.http.session import Send
from workers.edges.telemetry.headers import headers_as_they_came

NO_CONTEXT: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Worker:
    """Whose spans they are."""

    name: str
    vendor: str
    group: str


class HttpTrace(Protocol):
    """The trace of a conversation with a vendor; the client's `Observer`."""

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        """Send the request once, with the trace's context in it."""

    def waits(self, wait: Wait) -> None:
        """No request leaves for now."""

    def goes(self) -> None:
        """The wait is over."""


class FlightTrace(HttpTrace, Protocol):
    """The trace of one flight: of records that share the requests to a vendor."""

    def end(self, failure: str | None) -> None:
        """The flight has landed; ``failure``: the first outcome that is one."""


class PollTrace(HttpTrace, Protocol):
    """The trace of one poll."""

    @property
    def context(self) -> Mapping[str, str]:
        """The poll's own, for the events that it publishes."""

    def about(self, order_id: str | None, context: Mapping[str, str]) -> None:
        """The poll looks at one order; ``context``: the trace of the event that saved it."""

    def end(self, failure: str | None = None) -> None: ...


class SendSpan(Protocol):
    """The span of one record that is being written."""

    def forwarded(self, headers: Headers) -> Headers:
        """The record's headers with the span's context in them; as they are, where nothing is recorded."""

    def end(self, failure: str | None = None) -> None:
        """The record is acknowledged, or not: ``failure`` says why."""


class WorkerTracing(Protocol):
    """Begins the spans of one worker."""

    @property
    def lost(self) -> int:
        """As `Tracing.lost`."""

    def now_ns(self) -> int:
        """When a record was fetched, for `process`."""

    def process(self, record: Record, fetched_ns: int = 0, *, replay: bool = False) -> RecordSpan:
        """Begin the span of a record; 0: it was fetched just now."""

    def deliver(self, entries: Sequence[Entry]) -> FlightTrace:
        """Begin a flight with these records."""

    def poll(self) -> PollTrace:
        """Begin a poll."""

    def send(
        self,
        topic: str,
        order_id: str | None,
        context: Mapping[str, str],
        *,
        poll: Mapping[str, str] = NO_CONTEXT,
        outcome: str | None = None,
    ) -> SendSpan:
        """Begin the writing of a record. ``context``: the order's, or empty; ``poll``: that of the poll behind it."""


class Tracing(Protocol):
    """The tracing of a process."""

    @property
    def lost(self) -> int:
        """Spans that were not exported: the queue was full, or the collector did not take them."""

    def of_worker(self, worker: Worker) -> WorkerTracing: ...

    def publish(self, topic: str, order_id: str) -> SendSpan:
        """Begin the trace of an event that a command publishes."""

    def close(self) -> None:
        """Send what is still to be sent."""


class PassedOn:
    """Implements `FlightTrace`, `PollTrace` and `SendSpan`."""

    def __init__(self, context: Mapping[str, str]) -> None:
        self._context = context

    @property
    def context(self) -> Mapping[str, str]:
        return self._context

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        if self._context:
            request.headers.update(self._context)
        return await send(request)

    def waits(self, wait: Wait) -> None: ...

    def goes(self) -> None: ...

    def about(self, order_id: str | None, context: Mapping[str, str]) -> None: ...

    def forwarded(self, headers: Headers) -> Headers:
        return headers

    def end(self, failure: str | None = None) -> None: ...


UNTRACED: Final = PassedOn({})


class PassOn:
    """No recording: a record that is processed alone hands its publisher's context on. Implements `Tracing` too."""

    @property
    def lost(self) -> int:
        return 0

    def of_worker(self, worker: Worker) -> WorkerTracing:  # noqa: ARG002
        return self

    def now_ns(self) -> int:
        return 0

    def process(self, record: Record, fetched_ns: int = 0, *, replay: bool = False) -> RecordSpan:  # noqa: ARG002
        return NOT_RECORDED

    def deliver(self, entries: Sequence[Entry]) -> FlightTrace:
        if len(entries) > 1:
            return UNTRACED
        headers = headers_as_they_came(entries[0].record)
        return PassedOn(headers) if headers else UNTRACED

    def poll(self) -> PollTrace:
        return UNTRACED

    def send(
        self,
        topic: str,  # noqa: ARG002
        order_id: str | None,  # noqa: ARG002
        context: Mapping[str, str],  # noqa: ARG002
        *,
        poll: Mapping[str, str] = NO_CONTEXT,  # noqa: ARG002
        outcome: str | None = None,  # noqa: ARG002
    ) -> SendSpan:
        return UNTRACED

    def publish(self, topic: str, order_id: str) -> SendSpan:  # noqa: ARG002
        return UNTRACED

    def close(self) -> None:
        return
