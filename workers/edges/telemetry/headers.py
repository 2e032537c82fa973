"""W3C Trace Context and Baggage in a record's headers: read, judged and written without OpenTelemetry.

https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from workers.core.record import BAGGAGE, TRACEPARENT, TRACESTATE, Headers, Record
from workers.core.trace import SpanIds

_LONGEST: Final[Mapping[str, int]] = {TRACEPARENT: 512, TRACESTATE: 512, BAGGAGE: 8192}  # bytes that W3C has pass on
_PARENT: Final = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION: Final = "00"


class Parent(NamedTuple):
    """The span that a ``traceparent`` names."""

    trace_id: str
    span_id: str
    flags: str

    @property
    def is_sampled(self) -> bool:
        return self.flags[1] in "13579bdf"

    @property
    def ids(self) -> SpanIds:
        return SpanIds(self.trace_id, self.span_id)

    def __str__(self) -> str:
        return f"{_VERSION}-{self.trace_id}-{self.span_id}-{self.flags}"


def parent_in(record: Record) -> Parent | None:
    """The publisher's span; None when the record names none, or its header is malformed."""
    return None if (value := record.header(TRACEPARENT)) is None else parsed_parent(value.decode("ascii", "replace"))


def parsed_parent(text: str) -> Parent | None:
    """Read a ``traceparent``; None when it is malformed."""
    found = _PARENT.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    return None if rest and version == _VERSION else Parent(trace_id, span_id, flags)


def traceparent_of(record: Record) -> str | None:
    """The publisher's context as ``traceparent``; None when it has none, or a malformed one."""
    parent = parent_in(record)
    return None if parent is None else str(parent)


def tracestate_of(record: Record) -> str | None:
    """The vendors' part of the same context: whoever forwards ``traceparent`` must forward it, too."""
    if record.header(TRACESTATE) is None or parent_in(record) is None:
        return None
    members = (_joined(record.headers, TRACESTATE) or "").split(",")
    return ",".join(member for member in members if "=" in member) or None


def baggage_of(record: Record) -> str | None:
    """What the publisher sends along with the same context."""
    return None if parent_in(record) is None else _joined(record.headers, BAGGAGE)


def headers_as_they_came(record: Record) -> dict[str, str]:
    """The publisher's context; empty when it has none, or a malformed one."""
    if parent_in(record) is None:
        return {}
    texts = {name: _joined(record.headers, name) for name in _LONGEST}
    return {name: text for name, text in texts.items() if text}


def with_context(headers: Headers, context: Mapping[str, str]) -> Headers:
    """The headers with this context in the place of theirs; baggage goes on as it came."""
    kept = tuple(header for header in headers if header[0] not in (TRACEPARENT, TRACESTATE))
    return kept + tuple((name, text.encode()) for name, text in context.items())


def _joined(headers: Headers, name: str) -> str | None:
    """One list may come in several headers, except ``traceparent``, of which the last counts. A header may hold any
    bytes: only a short text goes on.
    """
    values = [value for key, value in headers if key == name and value]
    value = b",".join(values[-1:] if name == TRACEPARENT else values)
    fit = value and len(value) <= _LONGEST[name] and value.isascii() and value.decode().isprintable()
    return value.decode() if fit else None
