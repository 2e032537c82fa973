"""Traces: one span for a record's processing and one for each HTTP attempt, by OpenTelemetry's conventions.

Written by hand: the ready-made instrumentation knows kafka-python below 3 only. Without an endpoint nothing
is recorded, and the publisher's ``traceparent`` goes through to the vendor as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import httpx

from workers.core.delivery.outcome import Delivered, Outcome, Skipped
from workers.core.record import Record
from workers.edges.http.session import Send

TRACEPARENT = "traceparent"
_VALID = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_ENABLED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Trace(Protocol):
    """What one flight tells of itself."""

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send one request of the flight (the ``resend``-th: 0, 1, ...), with its trace context in it."""

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """The flight has ended with these."""


class Tracing(Protocol):
    """Begins traces."""

    def process(self, records: Sequence[Record], worker: str) -> Trace:
        """Begin the processing of these records, which share one flight."""

    def close(self) -> None:
        """Send what is still to be sent."""


class PassOn:
    """No recording: a record that is processed alone hands its publisher's context on."""

    def process(self, records: Sequence[Record], worker: str) -> Trace:  # noqa: ARG002
        return _PassedOn(traceparent_of(records[0]) if len(records) == 1 else None)

    def close(self) -> None:
        return


class _PassedOn:
    def __init__(self, traceparent: str | None) -> None:
        self._traceparent = traceparent

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:  # noqa: ARG002
        if self._traceparent is not None:
            request.headers[TRACEPARENT] = self._traceparent
        return await send(request)

    def end(self, outcomes: Sequence[Outcome]) -> None:  # noqa: ARG002
        return


class Recording:
    """Spans by the SDK; ``tracer`` is OpenTelemetry's."""

    def __init__(self, tracer: Any, shut_down: Callable[[], None]) -> None:
        self._tracer = tracer
        self._shut_down = shut_down

    def process(self, records: Sequence[Record], worker: str) -> Trace:
        from opentelemetry.trace import Link, SpanKind  # noqa: PLC0415 - costs 0.1 s where nothing is recorded

        first = records[0]
        contexts = [context for record in records if (context := _context(record)) is not None]
        attributes: dict[str, Any] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": first.topic,
            "messaging.consumer.group.name": f"relay.{worker}",
        }
        if len(records) == 1:
            attributes["messaging.destination.partition.id"] = str(first.partition)
            attributes["messaging.kafka.offset"] = first.offset
        else:
            attributes["messaging.batch.message_count"] = len(records)
        span = self._tracer.start_span(
            f"process {first.topic}",
            context=_parent(contexts) if len(records) == 1 else None,
            kind=SpanKind.CONSUMER,
            links=[Link(context) for context in contexts],
            attributes=attributes,
        )
        return _Recorded(self._tracer, span)

    def close(self) -> None:
        self._shut_down()


class _Recorded:
    def __init__(self, tracer: Any, span: Any) -> None:
        self._tracer = tracer
        self._span = span

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context  # noqa: PLC0415 - as above

        url = request.url
        attributes: dict[str, Any] = {
            "http.request.method": request.method,
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "url.full": f"{url.scheme}://{url.netloc.decode()}{url.path}",  # no query: it may hold a token
        }
        if resend:
            attributes["http.request.resend_count"] = resend
        span = self._tracer.start_span(
            request.method, context=set_span_in_context(self._span), kind=SpanKind.CLIENT, attributes=attributes
        )
        context = span.get_span_context()
        request.headers[TRACEPARENT] = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        try:
            response = await send(request)
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        else:
            span.set_attribute("http.response.status_code", response.status_code)
            if response.is_error:
                span.set_attribute("error.type", str(response.status_code))
                span.set_status(StatusCode.ERROR)
            return response
        finally:
            span.end()

    def end(self, outcomes: Sequence[Outcome]) -> None:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - as above

        failed = [type(one).__name__ for one in outcomes if not isinstance(one, Delivered | Skipped)]
        if failed:
            self._span.set_attribute("error.type", failed[0])
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def open_tracing(environ: Mapping[str, str], version: str) -> Tracing:
    """Recording where the standard variables name an endpoint, else passing on."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    if disabled or not any(environ.get(name) for name in _ENABLED_BY):
        return PassOn()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    name = environ.get("OTEL_SERVICE_NAME", "order-relay")
    provider = TracerProvider(
        resource=Resource.create({"service.name": name, "service.version": version}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Recording(provider.get_tracer("order_relay", version), provider.shutdown)


def traceparent_of(record: Record) -> str | None:
    """The publisher's W3C trace context; None when there is none, or it is malformed."""
    value = record.header(TRACEPARENT)
    return value.decode() if value is not None and _VALID.fullmatch(value) else None


def _context(record: Record) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - as above

    text = traceparent_of(record)
    if text is None:
        return None
    _, trace_id, span_id, flags = text.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _parent(contexts: Sequence[Any]) -> Any:
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context  # noqa: PLC0415 - as above

    return set_span_in_context(NonRecordingSpan(contexts[0])) if contexts else None
