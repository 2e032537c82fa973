"""Spans as OTLP has them (protobuf), encoded by hand: the SDK's encoder takes ten times as long.

https://github.com/open-telemetry/opentelemetry-proto, trace/v1/trace.proto; field numbers are stable. A test compares
with what the SDK's own encoder makes.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext

from workers.edges.telemetry.spans import LiveSpan, SpanEvent, readable

_MORE: Final = 0x80  # bit of a varint's byte
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200  # flags: whether the parent is another process's is known, and is so
_UNSET, _ERROR = b"\x7a\x00", b"\x7a\x02\x18\x02"  # a status of code 0, and of code 2
_FIXED_64: Final = struct.Struct("<Q").pack
_FIXED_32: Final = struct.Struct("<I").pack
_DOUBLE: Final = struct.Struct("<d").pack
_NEGATIVE: Final = 1 << 64  # what is added to a negative number


def encode(spans: Sequence[LiveSpan]) -> bytes:
    """An ExportTraceServiceRequest; all spans are of one resource and one scope."""
    maker = spans[0].maker
    resource = b"".join(_part(b"\x0a", _attribute(name, value)) for name, value in maker.resource.attributes.items())
    scope = _text(b"\x0a", maker.scope.name) + _text(b"\x12", maker.scope.version or "")
    scoped = [_part(b"\x0a", scope), *(_part(b"\x12", _span(span)) for span in spans)]
    scoped.append(_text(b"\x1a", maker.scope.schema_url or ""))
    url = _text(b"\x1a", maker.resource.schema_url)
    return _part(b"\x0a", _part(b"\x0a", resource) + _part(b"\x12", b"".join(scoped)) + url)


def _span(span: LiveSpan) -> bytes:
    context, parent = span.context, span.parent
    parts = [_ids(context)]
    if context.trace_state:
        parts.append(_text(b"\x1a", context.trace_state.to_header()))
    if parent is not None:
        parts.append(b"\x22\x08" + parent.span_id.to_bytes(8))
    parts += (_text(b"\x2a", span.name), b"\x30", _varint(span.kind.value + 1))
    parts += (b"\x39", _FIXED_64(span.start_ns), b"\x41", _FIXED_64(span.end_ns))
    parts += [_part(b"\x4a", _attribute(name, value)) for name, value in span.attributes.items()]
    parts.append(_count(b"\x50", span.dropped_attributes))
    parts += [_part(b"\x5a", _event(event)) for event in span.events]
    parts.append(_count(b"\x60", span.dropped_events))
    parts += [_part(b"\x6a", _ids(link) + _flags(b"\x35", link)) for link in span.links]
    parts += (_count(b"\x70", span.dropped_links), _ERROR if span.failed else _UNSET, _flags(b"\x85\x01", parent))
    return b"".join(parts)


def _ids(context: SpanContext) -> bytes:
    return b"\x0a\x10" + context.trace_id.to_bytes(16) + b"\x12\x08" + context.span_id.to_bytes(8)


def _flags(tag: bytes, context: SpanContext | None) -> bytes:
    return tag + _FIXED_32(_HAS_REMOTE | (_IS_REMOTE if context is not None and context.is_remote else 0))


def _event(event: SpanEvent) -> bytes:
    attributes = b"".join([_part(b"\x1a", _attribute(name, value)) for name, value in event.attributes.items()])
    return b"\x09" + _FIXED_64(event.at_ns) + _text(b"\x12", event.name) + attributes


@lru_cache(2_048, typed=True)  # a worker's name, a topic, a partition: most come again and again
def _attribute(name: str, value: Any) -> bytes:
    return _text(b"\x0a", name) + _part(b"\x12", _value(value))


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case int():
            return b"\x18" + _varint(value)
        case float():
            return b"\x21" + _DOUBLE(value)
        case str():
            return b"\x0a" + _framed(value.encode("utf-8", "replace"))
        case _:  # of the resource's, several of one kind
            return _part(b"\x2a", b"".join(_part(b"\x0a", _value(one)) for one in value))


def _text(tag: bytes, text: str) -> bytes:
    return _part(tag, text.encode("utf-8", "replace")) if text else b""


def _count(tag: bytes, number: int) -> bytes:
    return tag + _varint(number) if number else b""


def _part(tag: bytes, content: bytes) -> bytes:
    return tag + _framed(content)


def _framed(content: bytes) -> bytes:
    return _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if 0 <= number < _MORE:
        return _SHORT[number]
    number += _NEGATIVE if number < 0 else 0
    found = bytearray()
    while number >= _MORE:
        found.append(number & (_MORE - 1) | _MORE)
        number >>= 7
    found.append(number)
    return bytes(found)


_SHORT: Final = [bytes([number]) for number in range(_MORE)]


class OtlpExporter(OTLPSpanExporter):
    """The SDK's exporter, which reads OTEL_EXPORTER_OTLP_* and sends; only the encoding is ours."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        ours: Any = spans
        sent = self._client.export(encode(ours))
        return SpanExportResult.SUCCESS if sent.success else SpanExportResult.FAILURE


class ReadableExport(SpanExporter):
    """For the SDK's other exporters."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        ours: Iterable[Any] = spans
        return self._exporter.export([readable(span) for span in ours])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
