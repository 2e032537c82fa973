"""DCL's order to the relay's `VendorOrder`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from workers.core.poll.change import Progress, Stage, VendorOrder, digest
from workers.vendors._shared.event_size import cut, raw_json
from workers.vendors.dcl.api import DclOrder, Package, Shipment, order_of
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
MAX_SHIPMENTS_BYTES: Final = 524_288  # some six thousand packages
CUT_SHORT: Final = "shipments_cut_short"  # a note, counted in /status


def vendor_order(
    row: Mapping[str, Any], modified_ms: int | None, options: DclOptions, notes: Counter[str]
) -> VendorOrder:
    """Map one order; raises pydantic's ValidationError for a row without an order number.

    The digest covers everything that an event holds, and the flags that decide it; other fields make no event.
    """
    order = order_of(row, notes)
    shipments = [_shipment(one) for one in sorted(order.shipments, key=lambda one: one.ship_id)]
    order_id, now = row.get(options.order_id_from), stage(order, row.get("order_stage"))
    order_id = None if order_id in (None, "") else str(order_id)
    of_stage = now.name or None if now.code is None else now.code
    flags = [order.order_status, order.is_cancelled, order.is_back_order]
    return VendorOrder(
        order_number=order.order_number,
        stage=replace(now, name=cut(now.name, notes), description=cut(now.description, notes)),
        digest=digest([order_id, of_stage, now.description, flags, shipments]),
        fields=row,
        account=order.account_number,
        order_id=order_id and cut(order_id, notes),
        shipments=fitting(shipments, notes),
        modified_ms=modified_ms,
        raw=raw_json(row, notes) if options.raw else None,
    )


def stage(order: DclOrder, as_sent: Any) -> Stage:
    """A code that DCL's page does not list has progress ``unknown``; a code that is no number is its text."""
    description, progress = STAGES.get(order.order_stage or 0, ("", "unknown"))
    if order.is_cancelled:
        progress = "cancelled"
    elif progress == "shipped" and _arrived(order.shipments):
        progress = "delivered"
    name = str(as_sent) if isinstance(as_sent, str | float | int) else ""
    if order.order_stage is not None:
        name = str(order.order_stage)
    return Stage(name, order.order_stage, order.stage_description or description, progress)


def _arrived(shipments: Sequence[Shipment]) -> bool:
    packages = [package for shipment in shipments for package in shipment.packages]
    return bool(packages) and all(package.delivery_status.strip().lower() == DELIVERED for package in packages)


def fitting(shipments: list[dict[str, Any]], notes: Counter[str]) -> list[dict[str, Any]]:
    """As many packages as an event can hold. The digest covers all of them, so that any change makes an event."""
    if len(orjson.dumps(shipments)) <= MAX_SHIPMENTS_BYTES:
        return shipments
    left, held = MAX_SHIPMENTS_BYTES, []
    for shipment in shipments:
        packages: list[dict[str, Any]] = []
        short = _cut_all(shipment, notes) | {"packages": packages}
        left -= _size(short)
        for package in shipment["packages"]:
            short_package = _cut_all(package, notes)
            left -= _size(short_package)
            packages += [short_package] if left >= 0 else []
        held += [short] if left >= 0 or packages else []
    notes[CUT_SHORT] += left < 0
    return held


def _cut_all(fields: Mapping[str, Any], notes: Counter[str]) -> dict[str, Any]:
    return {name: cut(value, notes) if isinstance(value, str) else value for name, value in fields.items()}


def _size(fields: Mapping[str, Any]) -> int:
    """The most bytes that its texts take."""
    return sum(len(value.encode()) + 4 for value in fields.values() if isinstance(value, str)) + 4


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
