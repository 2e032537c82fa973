"""Traces: one span for a record's processing and one for each HTTP attempt, by OpenTelemetry's conventions.

OpenTelemetry's ready-made instrumentation knows kafka-python below 3 only. Without an endpoint nothing is recorded, and
the publisher's ``traceparent`` and ``tracestate`` go on to the vendor as they came: OpenTelemetry is not even imported.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import httpx

from workers.core.delivery.outcome import Delivered, Outcome, Skipped
from workers.core.record import TRACEPARENT, TRACESTATE, Record
from workers.edges.http.session import Send
from workers.edges.log import log

_LONGEST_HEADER: Final = 512  # bytes: W3C Trace Context wants that much of a tracestate to be passed on
_ENABLED_BY: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Trace(Protocol):
    """The trace of one flight: of records that share the requests to a vendor."""

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send one request of the flight (the ``resend``-th: 0, 1, ...), with its trace context in it."""

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of the flight and end its span."""


class Tracing(Protocol):
    """Begins traces."""

    def process(self, records: Sequence[Record], worker: str) -> Trace:
        """Begin the processing of these records, which share one flight."""

    def close(self) -> None:
        """Send what is still to be sent."""


class PassOn:
    """No recording: a record that is processed alone hands its publisher's context on."""

    def process(self, records: Sequence[Record], worker: str) -> Trace:  # noqa: ARG002
        return _PassedOn(_headers_as_they_came(records[0]) if len(records) == 1 else {})

    def close(self) -> None:
        return


class _PassedOn:
    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:  # noqa: ARG002
        request.headers.update(self._headers)
        return await send(request)

    def end(self, outcomes: Sequence[Outcome]) -> None:  # noqa: ARG002
        return


class Recording:
    """Spans by the SDK; ``tracer`` is OpenTelemetry's."""

    def __init__(self, tracer: Any, shut_down: Callable[[], None]) -> None:
        self._tracer = tracer
        self._shut_down = shut_down

    def process(self, records: Sequence[Record], worker: str) -> Trace:
        from opentelemetry.trace import Link, SpanKind, get_current_span  # noqa: PLC0415 - costs 0.1 s, unless recorded

        first = records[0]
        parents = [_extracted(record) for record in records]
        contexts = [get_current_span(parent).get_span_context() for parent in parents]
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
            context=parents[0] if len(records) == 1 else None,
            kind=SpanKind.CONSUMER,
            links=[Link(context) for context in contexts if context.is_valid],
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
        request.headers.update(_injected(set_span_in_context(span)))
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
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from workers.edges.otlp_session import otlp_session  # noqa: PLC0415

    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        detail = f"{protocol} is not spoken: spans are sent by http/protobuf; give the collector's port for it, 4318"
        log.warning("trace_protocol_unsupported", detail=detail)
    provider = TracerProvider(resource=resource_of(version), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=otlp_session(environ))))
    return Recording(provider.get_tracer("order_relay", version), provider.shutdown)


def resource_of(version: str) -> Any:
    """Make the ``Resource`` that spans are sent with; OpenTelemetry's variables win over our defaults."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - as above

    ours = Resource.create({"service.name": "order-relay", "service.version": version})
    return ours.merge(OTELResourceDetector().detect())


def traceparent_of(record: Record) -> str | None:
    """Return the publisher's W3C trace context; None when there is none, or it is malformed."""
    return None if record.header(TRACEPARENT) is None else _injected(_extracted(record)).get(TRACEPARENT)


def tracestate_of(record: Record) -> str | None:
    """Return the vendors' part of the same context: whoever forwards ``traceparent`` must forward it, too."""
    return None if record.header(TRACESTATE) is None else _injected(_extracted(record)).get(TRACESTATE)


def _headers_as_they_came(record: Record) -> dict[str, str]:
    """Return the publisher's trace headers, not parsed. A header may hold any bytes: only a short text goes on."""
    headers = {}
    states = [content for name, content in record.headers if name == TRACESTATE and content]  # one list in several
    for name, value in ((TRACEPARENT, record.header(TRACEPARENT)), (TRACESTATE, b",".join(states))):
        if value and len(value) <= _LONGEST_HEADER and value.isascii() and value.decode().isprintable():
            headers[name] = value.decode()
    return headers if TRACEPARENT in headers else {}


def _extracted(record: Record) -> Any:
    """Return OpenTelemetry's ``Context`` with the publisher's span in it; an empty one where there is none."""
    from opentelemetry.context import Context  # noqa: PLC0415 - as above
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract(_headers_as_they_came(record), Context())


def _injected(context: Any) -> dict[str, str]:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - as above

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers, context)
    return headers
