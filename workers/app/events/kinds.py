"""The Kafka key of each kind of event: what must stay in sequence shares a key, so a partition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def event_key(name: str, data: Mapping[str, Any]) -> str:
    """Give the key of an event by its schema's record name; raises LookupError for a kind that nobody publishes."""
    match name:
        case "OrderCreated":
            return str(data["order"]["order_id"])
        case "OrderStatus":
            return str(data["order_id"])
        case "OrderStageChanged" | "CourierOrderEvent":
            return f"{data['vendor']}:{data['order_number']}"
        case "TrackedOrder":
            return str(data["order_number"])
        case _:
            raise LookupError(f"{name} has no key that a publisher could know; it is the relay's own")
