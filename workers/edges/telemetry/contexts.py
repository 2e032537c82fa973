"""OpenTelemetry's contexts from headers."""

from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from workers.core.record import TRACEPARENT, TRACESTATE
from workers.edges.telemetry.headers import Parent, parsed_parent

_NO_STATES: Final = TraceState()
_ROOT: Final = Context()  # contexts do not change


def span_in(headers: Mapping[str, str]) -> SpanContext | None:
    """The span that these headers name."""
    parent = parsed_parent(headers.get(TRACEPARENT, ""))
    return None if parent is None else remote(parent, headers.get(TRACESTATE))


def below(parent: SpanContext | None) -> Context:
    """A context for a child of that span; None: for a root."""
    return _ROOT if parent is None else set_span_in_context(NonRecordingSpan(parent), _ROOT)


def remote(parent: Parent, state: str | None) -> SpanContext:
    """A span of another process; ``state``: its ``tracestate``."""
    states = TraceState.from_header([state]) if state else _NO_STATES
    flags = TraceFlags(int(parent.flags, 16))
    return SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, flags, states)
