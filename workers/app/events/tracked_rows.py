"""Tracked orders as rows of a compacted topic, and back: one row an order, which sink and poller share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workers.core.delivery.tracked_order import Content, Tracked
from workers.core.record import BAGGAGE, TRACESTATE, Headers, Partition
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.cloud_events import event_headers
from workers.edges.kafka.transactions import Outgoing
from workers.vendors.contract import TrackedKey


def tracked_row(
    codec: Codec, at: Partition, tracked: Tracked, now_ms: int, key: TrackedKey = "order_number"
) -> Outgoing:
    """Encode the order's row; it replaces the former one of the same key."""
    data = {
        "order_number": tracked.order_number,
        "order_id": tracked.order_id,
        "since": tracked.since_ms,
        "canceled_at": tracked.canceled_at_ms,
        "content_hash": Content(tracked.content_hash, tracked.stage).text(),
        "traceparent": tracked.traceparent,
    }
    name, now = codec.schemas[at.topic].today.tree.name, datetime.fromtimestamp(now_ms / 1000, UTC)
    subject = tracked.order_id if key == "order_id" else tracked.order_number
    headers = event_headers(name, data, subject, now, tracked.context)
    return Outgoing(at, subject.encode(), codec.encode(at.topic, data), headers)


async def decode_tracked(codec: Codec, topic: str, value: bytes, headers: Headers = ()) -> Tracked:
    """Decode a row; ``headers``: its own. Raises `Undecodable` and `RegistryUnavailable`."""
    try:
        data = codec.decode_any(topic, value)
    except UnknownSchema as unknown:
        await codec.learn(unknown.schema_id)
        data = codec.decode_any(topic, value)
    return tracked_of(data, headers)


def tracked_of(data: Mapping[str, Any], headers: Headers) -> Tracked:
    """The tracked order of a decoded row; ``headers``: its own."""
    content = Content.of(data["content_hash"])
    carried = {name: (text or b"").decode("ascii", "replace") for name, text in headers}
    return Tracked(
        order_number=data["order_number"],
        order_id=data["order_id"],
        since_ms=data["since"],
        content_hash=content.hash,
        stage=content.stage,
        canceled_at_ms=data["canceled_at"],
        traceparent=data["traceparent"],
        tracestate=carried.get(TRACESTATE),
        baggage=carried.get(BAGGAGE),
    )
