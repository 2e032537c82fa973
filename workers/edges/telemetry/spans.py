"""Sampled spans, made and ended with little work: one delivery has three of them.

The SDK's own `Span` takes some 60 us from its start to its end, and its exporter some 150 us to encode it, on a machine
on which the relay takes 500 us for a whole delivery. The sampler, the limits, the queue and the way to the collector
are the SDK's (`otlp.py`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from workers.core.record import TRACEPARENT, TRACESTATE
from workers.edges.telemetry import names
from workers.edges.telemetry.contexts import below

SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
NOT_SAMPLED: Final = TraceFlags(TraceFlags.DEFAULT)


class SpanEvent(NamedTuple):
    name: str
    at_ns: int
    attributes: Mapping[str, Any] = {}


@dataclass(slots=True, eq=False)
class LiveSpan:
    """A sampled span; what is beyond the SDK's limits is counted and left out, the oldest first."""

    maker: SpanMaker
    name: str
    kind: SpanKind
    context: SpanContext
    parent: SpanContext | None
    attributes: dict[str, Any]
    start_ns: int
    links: deque[SpanContext]
    events: deque[SpanEvent]
    end_ns: int = 0
    failed: bool = False
    dropped_events: int = 0
    dropped_links: int = 0
    dropped_attributes: int = 0

    def add_event(self, name: str, attributes: Mapping[str, Any] = {}, at_ns: int = 0) -> None:
        self.dropped_events += len(self.events) == self.events.maxlen
        self.events.append(SpanEvent(name, at_ns or time.time_ns(), attributes))

    def add_link(self, context: SpanContext) -> None:
        self.dropped_links += len(self.links) == self.links.maxlen
        self.links.append(context)

    def fail(self, error_type: str) -> None:
        self.attributes[names.ERROR_TYPE] = error_type
        self.failed = True

    def end(self, failure: str | None = None) -> None:
        """Hand it to the exporter; only the first call counts. ``failure``: what the span failed with, in one word."""
        if not self.end_ns:
            if failure is not None:
                self.fail(failure)
            self.end_ns = time.time_ns()
            self.maker.export(self)

    def headers(self) -> dict[str, str]:
        """Its context, for whoever goes on with the trace."""
        return headers_of(self.context)


@dataclass(frozen=True, slots=True, eq=False)
class SpanMaker:
    """Makes the spans of a process."""

    provider: TracerProvider  # of the sampler and of the resource; it makes no spans
    exporter: SpanProcessor  # the SDK's queue
    scope: InstrumentationScope
    limits: SpanLimits = field(default_factory=SpanLimits)
    ids: RandomIdGenerator = field(default_factory=RandomIdGenerator)

    @property
    def resource(self) -> Resource:
        return self.provider.resource

    def sampled(
        self, name: str, kind: SpanKind, attributes: Mapping[str, Any], parent: SpanContext | None, start_ns: int = 0
    ) -> LiveSpan | None:
        """A span with a parent elsewhere or none; None: the sampler does not want it, as for most records.

        ``attributes``: what the sampler is shown; only a span that it wants has a copy of its own.
        """
        trace_id = self.ids.generate_trace_id() if parent is None else parent.trace_id
        asked = self.provider.sampler.should_sample(below(parent), trace_id, name, kind, attributes)
        if asked.decision is not Decision.RECORD_AND_SAMPLE:
            return None
        context = self._context(trace_id, SAMPLED, asked.trace_state)
        return self._begun(name, kind, context, parent, dict(attributes), start_ns=start_ns)

    def not_sampled(self, parent: SpanContext | None) -> SpanContext:
        """What goes on in the place of a span that the sampler does not want."""
        if parent is None:
            return self._context(self.ids.generate_trace_id(), NOT_SAMPLED, None)
        return self._context(parent.trace_id, NOT_SAMPLED, parent.trace_state)

    def child(
        self, name: str, kind: SpanKind, attributes: dict[str, Any], parent: LiveSpan, links: Iterable[SpanContext] = ()
    ) -> LiveSpan:
        """A span below a sampled one is sampled."""
        above = parent.context
        span_id = self.ids.generate_span_id()
        context = SpanContext(above.trace_id, span_id, False, SAMPLED, above.trace_state)
        span = self._begun(name, kind, context, above, attributes)
        for link in links:
            span.add_link(link)
        return span

    def export(self, span: LiveSpan) -> None:
        """Within the limits that OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT and its like set."""
        most, longest = self.limits.max_span_attributes, self.limits.max_span_attribute_length
        if most is not None and len(span.attributes) > most:
            span.dropped_attributes = len(span.attributes) - most
            span.attributes = dict(islice(span.attributes.items(), most))
        if longest is not None:
            texts = {name: text[:longest] for name, text in span.attributes.items() if isinstance(text, str)}
            span.attributes |= texts
        readable: Any = span
        self.exporter.on_end(readable)

    def _context(self, trace_id: int, flags: TraceFlags, states: TraceState | None) -> SpanContext:
        span_id = self.ids.generate_span_id()
        return SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags, trace_state=states)

    def _begun(
        self,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        attributes: dict[str, Any],
        *,
        start_ns: int = 0,
    ) -> LiveSpan:
        links = deque[SpanContext](maxlen=self.limits.max_links)
        events = deque[SpanEvent](maxlen=self.limits.max_events)
        return LiveSpan(self, name, kind, context, parent, attributes, start_ns or time.time_ns(), links, events)


def headers_of(context: SpanContext) -> dict[str, str]:
    """The context as W3C has it."""
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    state = context.trace_state.to_header() if context.trace_state else ""
    return {TRACEPARENT: parent, TRACESTATE: state} if state else {TRACEPARENT: parent}


def readable(span: LiveSpan) -> ReadableSpan:
    """The span as the SDK's other exporters read it."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.maker.resource,
        attributes=span.attributes,
        events=[Event(one.name, one.attributes, one.at_ns) for one in span.events],
        links=[Link(context) for context in span.links],
        kind=span.kind,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=span.maker.scope,
    )
