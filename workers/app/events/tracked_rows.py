"""Tracked orders as rows of a compacted topic, and back: one row an order, which sink and poller share."""

from datetime import UTC, datetime

from workers.core.delivery.tracked_order import Tracked
from workers.core.record import Partition
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.transactions import Outgoing


def tracked_row(codec: Codec, at: Partition, tracked: Tracked, now_ms: int) -> Outgoing:
    """Encode the order's row; it replaces the order's former one."""
    data = {
        "order_number": tracked.order_number,
        "order_id": tracked.order_id,
        "since": tracked.since_ms,
        "canceled_at": tracked.canceled_at_ms,
        "content_hash": tracked.content_hash,
        "traceparent": tracked.traceparent,
    }
    name, now = codec.schemas[at.topic].today.tree.name, datetime.fromtimestamp(now_ms / 1000, UTC)
    headers = event_headers(
        name, data, tracked.order_number, now, tracked.traceparent or "", tracestate=tracked.tracestate or ""
    )
    return Outgoing(at, tracked.order_number.encode(), codec.encode(at.topic, data), headers)


async def decode_tracked(codec: Codec, topic: str, value: bytes, tracestate: bytes | None = None) -> Tracked:
    """Decode a row; ``tracestate``: its header. Raises `Undecodable` and `RegistryUnavailable`."""
    try:
        data = codec.decode_any(topic, value)
    except UnknownSchema as unknown:
        await codec.learn(unknown.schema_id)
        data = codec.decode_any(topic, value)
    return Tracked(
        order_number=data["order_number"],
        order_id=data["order_id"],
        since_ms=data["since"],
        content_hash=data["content_hash"],
        canceled_at_ms=data["canceled_at"],
        traceparent=data["traceparent"],
        tracestate=None if tracestate is None else tracestate.decode("ascii", "replace"),
    )
