"""What every log line about an order says: which order, and where its trace goes on."""

from workers.core.consume.lanes import Entry
from workers.core.record import Record
from workers.core.trace import SpanIds
from workers.edges.telemetry.headers import parent_in


def about(entry: Entry) -> dict[str, str]:
    """Of a record in the pipe: its own span; where none is recorded, that of its publisher."""
    return {"order_id": entry.order_id} | _place(entry.span.ids or _publisher(entry.record))


def about_order(order_id: str, record: Record | None = None) -> dict[str, str]:
    """Of an order, by one of its records as Kafka has it."""
    return {"order_id": order_id} | _place(None if record is None else _publisher(record))


def _publisher(record: Record) -> SpanIds | None:
    parent = parent_in(record)
    return None if parent is None else parent.ids


def _place(ids: SpanIds | None) -> dict[str, str]:
    return {} if ids is None else {"trace_id": ids.trace_id, "span_id": ids.span_id}
