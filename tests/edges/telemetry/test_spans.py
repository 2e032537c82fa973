"""A sampled span keeps to the SDK's limits, and is exported once."""

import pytest
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from tests.support.traces import Recorded
from workers.edges.telemetry.spans import LiveSpan


def begun(recorded: Recorded) -> LiveSpan:
    attributes = {"relay.worker": "ecdp-sink", "relay.reason": "x"}
    span = recorded.maker.sampled("process a", SpanKind.CONSUMER, attributes, None)
    assert span is not None
    return span


def test_the_standard_limits_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"EVENT_COUNT": "2", "LINK_COUNT": "1", "ATTRIBUTE_COUNT": "1", "ATTRIBUTE_VALUE_LENGTH": "4"}
    for name, value in limits.items():
        monkeypatch.setenv(f"OTEL_SPAN_{name}_LIMIT", value)
    recorded = Recorded()
    span = begun(recorded)
    for name in ("lane", "retry", "delivered"):
        span.add_event(name)
    for span_id in (1, 2):
        span.add_link(SpanContext(1, span_id, is_remote=True, trace_flags=TraceFlags(1)))
    span.end()
    found = recorded.one("process a")
    assert [event.name for event in found.events] == ["retry", "delivered"]
    assert [link.context.span_id for link in found.links] == [2]
    assert found.attributes == {"relay.worker": "ecdp"}
    assert (span.dropped_events, span.dropped_links, span.dropped_attributes) == (1, 1, 1)


def test_only_the_first_end_counts() -> None:
    recorded = Recorded()
    span = begun(recorded)
    span.end()
    span.end()
    assert len(recorded.spans) == 1
