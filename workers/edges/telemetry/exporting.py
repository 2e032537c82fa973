"""Spans leave in a thread of the SDK's, from a bounded queue; those that are lost are counted."""

import os
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from workers.edges.telemetry.variables import USUAL_QUEUE


class Losses:
    """Counts what was not exported. Written by the loop and by the exporting thread, each its own numbers."""

    def __init__(self) -> None:
        self.ended = 0
        self.overflown = 0
        self.taken = 0  # from the queue, by the exporter
        self.refused = 0  # by the collector

    @property
    def total(self) -> int:
        return self.overflown + self.refused


class BoundedExport(SpanProcessor):
    """The SDK's queue and thread. The queue drops its oldest span when it is full, and says so to no caller."""

    def __init__(self, exporter: SpanExporter, losses: Losses) -> None:
        self._losses = losses
        self._batches = BatchSpanProcessor(_Counting(exporter, losses))
        self._size = int(os.environ.get(OTEL_BSP_MAX_QUEUE_SIZE) or USUAL_QUEUE)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None: ...

    def on_end(self, span: ReadableSpan) -> None:
        losses = self._losses
        losses.ended += 1
        if losses.ended - losses.taken - losses.overflown > self._size:
            losses.overflown += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        self._batches.shutdown()  # type: ignore[no-untyped-call] # the SDK's has no types

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._batches.force_flush(timeout_millis)


class _Counting(SpanExporter):
    def __init__(self, exporter: SpanExporter, losses: Losses) -> None:
        self._exporter = exporter
        self._losses = losses

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._losses.taken += len(spans)
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._losses.refused += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
