"""DCL's order into the relay's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from workers.core.change import Seen, Stage, digest
from workers.core.progress import Progress
from workers.vendors.dcl.api import Order, Package, Shipment
from workers.vendors.dcl.options import DclOptions

STAGES: Final[Mapping[int, tuple[str, Progress]]] = {
    2: ("Order Cancelled", "cancelled"),
    4: ("AV Required", "on_hold"),
    5: ("DPS Required", "on_hold"),
    6: ("Ship Method Rev", "on_hold"),
    10: ("Order Received", "received"),
    20: ("Pick List Printed", "processing"),
    30: ("Partially Verified", "processing"),
    40: ("Fully Verified", "processing"),
    50: ("Partially Shipped", "partially_shipped"),
    52: ("Partially Shipped/Partially Verified", "partially_shipped"),
    55: ("Partially Shipped/Fully Verified", "partially_shipped"),
    60: ("Fully Shipped", "shipped"),
    62: ("Closed Short", "closed_short"),
    70: ("Sub Order Shipped", "shipped"),
}
DELIVERED: Final = "delivered"
LONGEST_RAW: Final = 262_144  # bytes


def seen(row: Mapping[str, Any], modified_ms: int | None, options: DclOptions) -> Seen:
    """Map one order; raises pydantic's ValidationError for a row that is none.

    The digest holds all that subscribers are told, and the flags behind it; nothing else of an order matters.
    """
    order = Order.model_validate(row)
    shipments = [_shipment(one) for one in sorted(order.shipments, key=lambda one: one.ship_id)]
    order_id, now = row.get(options.order_id_from), stage(order)
    order_id = None if order_id in (None, "") else str(order_id)
    flags = [order.order_status, order.is_cancelled, order.is_back_order]
    return Seen(
        order_number=order.order_number,
        stage=now,
        digest=digest([order_id, now.code, now.description, flags, shipments]),
        fields=row,
        account=order.account_number,
        order_id=order_id,
        shipments=shipments,
        modified_ms=modified_ms,
        raw=_raw(row) if options.raw else None,
    )


def _raw(row: Mapping[str, Any]) -> str | None:
    """The JSON as it came; nothing where an event would grow larger than Kafka takes: that would stop the shard."""
    text = orjson.dumps(row)
    return text.decode() if len(text) <= LONGEST_RAW else None


def stage(order: Order) -> Stage:
    """A code that DCL's page does not list flows all the same, as ``unknown``."""
    description, progress = STAGES.get(order.order_stage or 0, ("", "unknown"))
    if order.is_cancelled:
        progress = "cancelled"
    elif progress == "shipped" and _arrived(order.shipments):
        progress = "delivered"
    name = "" if order.order_stage is None else str(order.order_stage)
    return Stage(name, order.order_stage, order.stage_description or description, progress)


def _arrived(shipments: Sequence[Shipment]) -> bool:
    packages = [package for shipment in shipments for package in shipment.packages]
    return bool(packages) and all(package.delivery_status.strip().lower() == DELIVERED for package in packages)


def _shipment(shipment: Shipment) -> dict[str, Any]:
    packages = sorted(shipment.packages, key=lambda one: (one.carton_id, one.tracking_number))
    return {
        "shipment_id": shipment.ship_id,
        "carrier": shipment.carrier,
        "service": shipment.sent_by,
        "shipped_on": shipment.ship_date or None,
        "packages": [_package(one) for one in packages],
    }


def _package(package: Package) -> dict[str, Any]:
    return {
        "carton_id": package.carton_id,
        "tracking_number": package.tracking_number,
        "delivery_status": package.delivery_status,
        "delivered_at": package.delivery_date or None,
    }
