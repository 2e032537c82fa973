"""The publisher's context is read without OpenTelemetry, and as strictly."""

import pytest
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.support.traces import PARENT, SPAN, TRACE, publisher
from workers.core.record import Record
from workers.edges.telemetry.headers import (
    headers_as_they_came,
    parsed_parent,
    traceparent_of,
    tracestate_of,
    with_context,
)

MALFORMED = [
    "", "00", "garbage", PARENT.upper(), f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01", PARENT + "\r\nx-admin: 1", PARENT + "-more", "0" * 513, "é",
]  # fmt: skip


def record(*headers: tuple[str, bytes]) -> Record:
    return Record("order-created", 3, 7, 0, b"A-1", b"", headers)


@pytest.mark.parametrize("value", MALFORMED)
def test_malformed_context_counts_as_none_and_is_not_passed_on(value: str) -> None:
    given = record(("traceparent", value.encode()), ("tracestate", b"a=1"), ("baggage", b"b=2"))
    assert traceparent_of(given) is None
    assert tracestate_of(given) is None
    assert headers_as_they_came(given) == {}


@pytest.mark.parametrize("value", [*MALFORMED, PARENT, f"cc-{TRACE}-{SPAN}-01-later", f"00-{TRACE}-{SPAN}-ff"])
def test_a_context_is_judged_as_opentelemetry_judges_it(value: str) -> None:
    theirs = get_current_span(TraceContextTextMapPropagator().extract({"traceparent": value}, Context()))
    ours = parsed_parent(value)
    assert (ours is not None) == theirs.get_span_context().is_valid
    assert ours is None or int(ours.trace_id, 16) == theirs.get_span_context().trace_id


def test_the_whole_context_goes_on_as_it_came() -> None:
    given = record(*publisher(tracestate="vendor=x1", baggage="tenant=7"))
    assert headers_as_they_came(given) == {"traceparent": PARENT, "tracestate": "vendor=x1", "baggage": "tenant=7"}
    assert headers_as_they_came(record(("tracestate", b"vendor=x1"))) == {}


def test_the_vendors_part_of_a_context_may_come_in_several_headers() -> None:
    several = record(*publisher(), ("tracestate", b"a=1"), ("tracestate", b"b=2"))
    assert tracestate_of(several) == "a=1,b=2"
    assert tracestate_of(record(*publisher(tracestate="not a list"))) is None


def test_a_header_that_no_request_can_hold_stays_behind() -> None:
    given = record(*publisher(tracestate="a=1\r\nx-admin: 1", baggage="b=" + "x" * 8192))
    assert headers_as_they_came(given) == {"traceparent": PARENT}


def test_another_context_replaces_the_records_own_and_nothing_else() -> None:
    headers = (*publisher(tracestate="a=1", baggage="b=2"), ("x-binary", b"\x00"))
    assert with_context(headers, {"traceparent": "00-x"}) == (
        ("baggage", b"b=2"),
        ("x-binary", b"\x00"),
        ("traceparent", b"00-x"),
    )
