"""A tracing whose spans stay in memory."""

import asyncio
from typing import Any

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from workers.edges.telemetry import names
from workers.edges.telemetry.exporting import Losses
from workers.edges.telemetry.otlp import ReadableExport
from workers.edges.telemetry.recording import Recording
from workers.edges.telemetry.spans import SpanMaker
from workers.edges.telemetry.tracing import Worker

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER_TRACE = "b" * 32


def publisher(trace_id: str = TRACE, flags: str = "01", **more: str) -> tuple[tuple[str, bytes], ...]:
    """The trace headers of a publisher's record."""
    texts = {"traceparent": f"00-{trace_id}-{SPAN}-{flags}", **more}
    return tuple((name, text.encode()) for name, text in texts.items())


class Recorded:
    """What was recorded; every attribute and event must be in the catalogue."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler, shutdown_on_exit=False)
        exporting = SimpleSpanProcessor(ReadableExport(self._exporter))
        self.maker = SpanMaker(provider, exporting, InstrumentationScope(names.SCOPE, "1.0", names.SCHEMA_URL))
        self.tracing = Recording(self.maker, Losses())
        self.worker = self.tracing.of_worker(Worker("ecdp-sink", "ecdp", "relay.ecdp-sink"))

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the sequence of their ends."""
        found = list(self._exporter.get_finished_spans())
        for span in found:
            kind = span.name.partition(" ")[0]
            assert kind in names.SPANS or span.kind.name == "CLIENT", span.name
            events = {event.name for event in span.events}
            assert events <= {wait.value for wait in names.WAITS} | names.OUTCOMES.keys(), span.name
            keys = {*(span.attributes or {}), *(key for event in span.events for key in event.attributes or {})}
            assert keys <= names.ATTRIBUTES.keys(), span.name
        return found

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def context_of(span: ReadableSpan) -> str:
    """As ``traceparent``."""
    return f"00-{trace_of(span)}-{span.context.span_id:016x}-{span.context.trace_flags:02x}"


def is_below(child: ReadableSpan, parent: ReadableSpan) -> bool:
    return child.parent is not None and child.parent.span_id == parent.context.span_id


def links_of(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def events_of(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def answering(status: int, seen: list[httpx.Request] | None = None) -> Any:
    """A vendor that answers at once."""

    async def send(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        await asyncio.sleep(0)
        return httpx.Response(status, request=request)

    return send
