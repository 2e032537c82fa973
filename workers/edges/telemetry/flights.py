"""Recorded spans: a record's, a flight's, a poll's, an HTTP attempt's, and that of a record that is written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import httpx
from opentelemetry.trace import SpanContext, SpanKind

from workers.core.record import Headers
from workers.core.redaction import without_secrets
from workers.core.trace import SpanIds, Wait
from workers.edges.http.session import Send
from workers.edges.telemetry import names
from workers.edges.telemetry.contexts import span_in
from workers.edges.telemetry.headers import with_context
from workers.edges.telemetry.spans import LiveSpan, headers_of
from workers.vendors._shared.requests import OPERATION, is_look_up, says_absent

PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class RecordedSpan:
    """Implements `workers.core.trace.RecordSpan`. A wait becomes one event when it is over."""

    def __init__(self, span: LiveSpan) -> None:
        self._span = span
        self._wait: Wait | None = Wait.LANE
        self._since_ns = span.start_ns
        self._send: LiveSpan | None = None
        self._finished = False
        self.sent: Counter[int] = Counter()  # the requests about it, for their resend counts

    @property
    def context(self) -> SpanContext:
        return self._span.context

    @property
    def ids(self) -> SpanIds | None:
        return SpanIds(f"{self.context.trace_id:032x}", f"{self.context.span_id:016x}")

    @property
    def span(self) -> LiveSpan:
        return self._span

    def belongs_to(self, order_id: str) -> None:
        if order_id:  # else its bytes name none
            self._span.attributes[names.ORDER_ID] = order_id

    def waits(self, wait: Wait) -> None:
        if wait is not self._wait:
            self._end_wait()
            self._wait = wait

    def goes(self) -> None:
        self._end_wait()
        self._wait = None

    def flies(self, flight: SpanContext) -> None:
        """A flight takes the record."""
        self.goes()
        self._span.add_link(flight)

    def met(self, outcome: str, status: int | None = None) -> None:
        if self._finished:  # the exporter's thread reads the span
            return
        self._span.add_event(outcome, {} if status is None else {names.STATUS_CODE: status})

    def parks(self, topic: str) -> None:
        attributes = sent_to(topic) | {names.OUTCOME: "parked"}
        self._send = self._span.maker.child(f"send {topic}", SpanKind.PRODUCER, attributes, self._span)

    def forwarded(self, headers: Headers) -> Headers:
        return headers if self._send is None else with_context(headers, self._send.headers())

    def ends(self, outcome: str, reason: str | None = None) -> None:
        if self._finished:
            return
        self.goes()
        self._span.attributes[names.OUTCOME] = outcome
        if reason is not None:
            self._span.attributes[names.REASON] = reason
        if outcome == "parked":
            self._span.add_event(outcome, {} if reason is None else {names.REASON: reason})
            self._span.fail(reason or outcome)

    def finish(self) -> None:
        if self._finished:
            return
        self.goes()
        self._finished = True
        if self._send is not None:
            self._send.end()
        self._span.end()

    def _end_wait(self) -> None:
        now_ns = time.time_ns()
        if self._wait is not None and not self._finished:
            took_s = max(0.0, (now_ns - self._since_ns) / 1e9)  # clocks are set
            self._span.add_event(self._wait.value, {names.WAIT_SECONDS: took_s}, self._since_ns)
        self._since_ns = now_ns


class HttpAttempts:
    """The CLIENT spans below a span."""

    def __init__(self, parent: LiveSpan, sent: Sequence[Counter[int]], headers: dict[str, str]) -> None:
        """``sent``: which requests were sent before, and how often; ``headers`` go along with the context."""
        self._parent = parent
        self._sent = sent
        self._headers = headers

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        attributes, parent = self._attributes(request), self._parent
        span = parent.maker.child(request.method, SpanKind.CLIENT, attributes, parent)
        for name, value in (span.headers() | self._headers).items():
            request.headers[name] = value
        try:
            response = await send(request)
        except BaseException as error:
            span.fail(type(error).__name__)
            raise
        else:
            attributes[names.STATUS_CODE] = response.status_code
            if response.is_error and not says_absent(request, response):
                span.fail(str(response.status_code))
            return response
        finally:
            span.end()

    def _attributes(self, request: httpx.Request) -> dict[str, Any]:
        url = request.url
        attributes: dict[str, Any] = {
            names.METHOD: request.method,
            names.SERVER_ADDRESS: url.host,
            names.SERVER_PORT: url.port or PORTS[url.scheme],
            names.URL: _shown(url.scheme, url.netloc, url.path),
        }
        if (operation := request.extensions.get(OPERATION)) is not None:
            attributes[names.OPERATION] = operation
        if is_look_up(request):
            attributes[names.LOOK_UP] = True
        if resends := self._resends(request):
            attributes[names.RESEND_COUNT] = resends
        return attributes

    def _resends(self, request: httpx.Request) -> int:
        same = hash((request.method, request.url.raw_path, request.content))
        before = max((sent[same] for sent in self._sent), default=0)
        for sent in self._sent:
            sent[same] = before + 1
        return before


class Flight:
    """Implements `FlightTrace` for a flight with recorded records."""

    def __init__(self, span: LiveSpan, records: Sequence[RecordedSpan], attempts: HttpAttempts) -> None:
        self._span = span
        self._records = records
        self._attempts = attempts

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        return await self._attempts.attempt(request, send)

    def waits(self, wait: Wait) -> None:
        for one in self._records:
            one.waits(wait)

    def goes(self) -> None:
        for one in self._records:
            one.goes()

    def end(self, failure: str | None) -> None:
        self._span.end(failure)


class Poll:
    """Implements `PollTrace`."""

    def __init__(self, span: LiveSpan, attempts: HttpAttempts) -> None:
        self._span = span
        self._attempts = attempts

    @property
    def context(self) -> Mapping[str, str]:
        return self._span.headers()

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        return await self._attempts.attempt(request, send)

    def waits(self, wait: Wait) -> None:
        self._span.add_event(wait.value)

    def goes(self) -> None: ...

    def about(self, order_id: str | None, context: Mapping[str, str]) -> None:
        if order_id is not None:
            self._span.attributes[names.ORDER_ID] = order_id
        if (order := span_in(context)) is not None:
            self._span.add_link(order)

    def end(self, failure: str | None = None) -> None:
        self._span.end(failure)


class Sending:
    """Implements `SendSpan`, also where the span is not sampled: whoever reads the record must know that."""

    def __init__(self, span: LiveSpan | None, context: SpanContext) -> None:
        self._span = span
        self._context = context

    def forwarded(self, headers: Headers) -> Headers:
        return with_context(headers, headers_of(self._context))

    def end(self, failure: str | None = None) -> None:
        if self._span is not None:
            self._span.end(failure)


@lru_cache(maxsize=256)
def _shown(scheme: str, netloc: bytes, path: str) -> str:
    """The address without its query, which may hold a token. Most requests go to one or two addresses."""
    return without_secrets(f"{scheme}://{netloc.decode()}{path}")


def sent_to(topic: str) -> dict[str, Any]:
    """The attributes of a `send` span."""
    return {
        names.SYSTEM: "kafka",
        names.OPERATION_NAME: "send",
        names.OPERATION_TYPE: "send",
        names.DESTINATION: topic,
    }
