"""Event envelopes around content with readable values."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from workers.core.events import Created, OrderState, Status


def created_with(order: Any) -> Created:
    return Created(order["order_id"], {"event_id": "e1", "occurred_at": 0, "producer": "", "order": order})


def status_with(order_id: str, status: OrderState, website_id: int | None = None) -> Status:
    content: Any = {"event_id": "e2", "occurred_at": 0, "producer": "", "reason": None}
    return Status(order_id, content | {"order_id": order_id, "status": status, "website_id": website_id})


def millis(text: str | int) -> int:
    return text if isinstance(text, int) else round(datetime.fromisoformat(text).timestamp() * 1000)


def money(text: str) -> bytes:
    """Avro's decimal of a readable amount."""
    unscaled = int(Decimal(text).scaleb(4))
    return unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)
