"""Spans by OpenTelemetry's SDK. Imported only where something is recorded: OpenTelemetry takes 0.1 s to import.

OpenTelemetry's ready-made instrumentation knows kafka-python below 3 only, and one record at a time.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import SpanContext, SpanKind

from workers.core.consume.lanes import Entry
from workers.core.record import BAGGAGE, Record
from workers.core.trace import NOT_RECORDED, RecordSpan
from workers.edges.telemetry import names
from workers.edges.telemetry.contexts import remote, span_in
from workers.edges.telemetry.exporting import Losses
from workers.edges.telemetry.flights import Flight, HttpAttempts, Poll, RecordedSpan, Sending, sent_to
from workers.edges.telemetry.headers import baggage_of, parent_in, tracestate_of
from workers.edges.telemetry.spans import SpanMaker, headers_of
from workers.edges.telemetry.tracing import (
    NO_CONTEXT,
    FlightTrace,
    PassedOn,
    PassOn,
    PollTrace,
    SendSpan,
    Worker,
    WorkerTracing,
)

_PASS_ON: Final = PassOn()


class Recording:
    """Implements `Tracing`."""

    def __init__(self, maker: SpanMaker, losses: Losses) -> None:
        self._maker = maker
        self._losses = losses

    @property
    def lost(self) -> int:
        return self._losses.total

    def of_worker(self, worker: Worker) -> WorkerTracing:
        return RecordingWorker(self._maker, self._losses, worker)

    def publish(self, topic: str, order_id: str) -> SendSpan:
        attributes = sent_to(topic) | {names.ORDER_ID: order_id}
        return sending(self._maker, topic, attributes)

    def close(self) -> None:
        self._maker.exporter.shutdown()


class RecordingWorker:
    """Implements `WorkerTracing`."""

    def __init__(self, maker: SpanMaker, losses: Losses, worker: Worker) -> None:
        self._maker = maker
        self._worker = worker
        # So are all of OTEL_TRACES_SAMPLER's `parentbased_*`: to ask them about each such record would take 10 us more.
        self._parents_decide = isinstance(maker.provider.sampler, ParentBased)
        self._losses = losses
        self._shared: dict[tuple[str, int], Mapping[str, Any]] = {}  # by topic and partition
        self._own = {names.WORKER: worker.name, names.VENDOR: worker.vendor}

    @property
    def lost(self) -> int:
        return self._losses.total

    def now_ns(self) -> int:
        return time.time_ns()

    def process(self, record: Record, fetched_ns: int = 0, *, replay: bool = False) -> RecordSpan:
        found = parent_in(record)
        if found is not None and self._parents_decide and not found.is_sampled:
            return NOT_RECORDED
        parent = None if found is None else remote(found, tracestate_of(record))
        shared = self._shared_of(record.topic, record.partition)
        span = self._maker.sampled(f"process {record.topic}", SpanKind.CONSUMER, shared, parent, fetched_ns)
        if span is None:
            return NOT_RECORDED
        span.attributes[names.OFFSET] = record.offset
        if record.value is None:
            span.attributes[names.TOMBSTONE] = True
        if replay:
            span.attributes[names.REPLAY] = True
        if parent is not None:
            span.add_link(parent)
        return RecordedSpan(span)

    def deliver(self, entries: Sequence[Entry]) -> FlightTrace:
        recorded = [entry.span for entry in entries if isinstance(entry.span, RecordedSpan)]
        if not recorded:
            return _PASS_ON.deliver(entries)
        attributes: dict[str, Any] = dict(self._own)
        carried: dict[str, str] = {}
        if len(entries) == 1:
            attributes[names.ORDER_ID] = entries[0].order_id
            if (baggage := baggage_of(entries[0].record)) is not None:
                carried[BAGGAGE] = baggage
        else:
            attributes[names.MESSAGE_COUNT] = len(entries)
        links = [one.context for one in recorded]
        # Below a record's span: a trace of its own might not be sampled, and the records' links would lead nowhere.
        above = recorded[0].span
        span = self._maker.child(f"deliver {self._worker.vendor}", SpanKind.INTERNAL, attributes, above, links)
        for one in recorded:
            one.flies(span.context)
        return Flight(span, recorded, HttpAttempts(span, [one.sent for one in recorded], carried))

    def poll(self) -> PollTrace:
        span = self._maker.sampled(f"poll {self._worker.vendor}", SpanKind.INTERNAL, self._own, None)
        if span is None:
            return PassedOn(headers_of(self._maker.not_sampled(None)))
        return Poll(span, HttpAttempts(span, [Counter()], {}))

    def send(
        self,
        topic: str,
        order_id: str | None,
        context: Mapping[str, str],
        *,
        poll: Mapping[str, str] = NO_CONTEXT,
        outcome: str | None = None,
    ) -> SendSpan:
        order, found = span_in(context), span_in(poll)
        attributes = sent_to(topic) | self._own
        if order_id is not None:
            attributes[names.ORDER_ID] = order_id
        if outcome is not None:
            attributes[names.OUTCOME] = outcome
        return sending(self._maker, topic, attributes, [context for context in (order, found) if context is not None])

    def _shared_of(self, topic: str, partition: int) -> Mapping[str, Any]:
        """What the spans of a partition's records have in common."""
        shared = self._shared.get((topic, partition))
        if shared is None:
            shared = self._shared[topic, partition] = self._own | {
                names.SYSTEM: "kafka",
                names.OPERATION_NAME: "process",
                names.OPERATION_TYPE: "process",
                names.GROUP: self._worker.group,
                names.DESTINATION: topic,
                names.PARTITION: str(partition),
            }
        return shared


def sending(maker: SpanMaker, topic: str, attributes: dict[str, Any], contexts: Sequence[SpanContext] = ()) -> SendSpan:
    """Begin a `send` span below the first of these contexts, linked to all of them."""
    parent = contexts[0] if contexts else None
    span = maker.sampled(f"send {topic}", SpanKind.PRODUCER, attributes, parent)
    if span is None:
        return Sending(None, maker.not_sampled(parent))
    for context in contexts:
        span.add_link(context)
    return Sending(span, span.context)
