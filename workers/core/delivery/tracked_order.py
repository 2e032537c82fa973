"""What a sink remembers of an order at a vendor: one compacted row per order, for itself and for the poller."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """What a delivery left behind at the vendor."""

    order_number: str  # the vendor's
    content_hash: str  # of what was sent: an unchanged event needs no second request
    canceled: bool = False


@dataclass(frozen=True, slots=True)
class Tracked:
    """The last mark of an order (``schemas/ecourier-tracked-orders.avsc``)."""

    order_number: str
    order_id: str
    since_ms: int  # first delivered
    content_hash: str
    canceled_at_ms: int | None = None
    traceparent: str | None = None  # of the event that was delivered
    tracestate: str | None = None  # the same; in a header of the row
