"""Spans that the collector does not take, or that the queue has no room for, are counted."""

import threading
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from workers.edges.telemetry.exporting import BoundedExport, Losses


class Collector(SpanExporter):
    """Answers when the test lets it."""

    def __init__(self, result: SpanExportResult) -> None:
        self.result = result
        self.may_answer = threading.Event()
        self.asked = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        self.asked.set()
        self.may_answer.wait(10)
        return self.result


def recording(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> tuple[TracerProvider, Losses]:
    for name, value in (("MAX_QUEUE_SIZE", "4"), ("MAX_EXPORT_BATCH_SIZE", "2"), ("SCHEDULE_DELAY", "60000")):
        monkeypatch.setenv(f"OTEL_BSP_{name}", value)
    losses, provider = Losses(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BoundedExport(collector, losses))
    return provider, losses


def end(provider: TracerProvider, count: int) -> None:
    for _ in range(count):
        provider.get_tracer("test").start_span("one").end()


@pytest.mark.parametrize(("result", "lost"), [(SpanExportResult.SUCCESS, 0), (SpanExportResult.FAILURE, 3)])
def test_what_the_collector_does_not_take_is_lost(
    result: SpanExportResult, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(result)
    collector.may_answer.set()
    provider, losses = recording(collector, monkeypatch)
    end(provider, 3)
    provider.shutdown()
    assert losses.total == lost


def test_what_the_queue_has_no_room_for_is_lost_and_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = Collector(SpanExportResult.SUCCESS)
    provider, losses = recording(collector, monkeypatch)
    end(provider, 2)
    assert collector.asked.wait(10), "the first batch is on its way"
    end(provider, 7)
    assert losses.total == 3
    collector.may_answer.set()
    provider.shutdown()
    assert losses.total == 3
