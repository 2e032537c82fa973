"""An order's shipments in the event's form, as far as an event can hold them, and what of them is compared."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import orjson

from workers.vendors._shared.decimals import avro_decimal
from workers.vendors._shared.event_size import cut
from workers.vendors.dcl.api import Item, Package, Shipment

MAX_SHIPMENTS_BYTES: Final = 524_288  # some six thousand packages

# Notes, counted in /status.
CUT_SHORT: Final = "shipments_cut_short"  # packages were left out
ITEMS_CUT_SHORT: Final = "items_cut_short"  # the items of packages were left out


Content: TypeAlias = dict[str, Any]
"""A part of an event as JSON: a decimal is a number without its point."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What of an order's shipments events hold and digests compare, in a sequence of ours: DCL sorts nothing."""

    outlines: list[Content]  # of each shipment; what the first release compared: its digests are stored
    references: list[Content]  # of each shipment
    items: list[list[list[Content]]]  # of each package of each shipment


def shipped(shipments: Iterable[Shipment]) -> Shipped:
    ours = sorted(shipments, key=lambda one: one.ship_id or "")
    packages = [sorted(one.packages, key=_package_key) for one in ours]
    return Shipped(
        [_outline(one, inside) for one, inside in zip(ours, packages, strict=True)],
        [_references(one) for one in ours],
        [[_items(package) for package in inside] for inside in packages],
    )


def in_event(content: Shipped, notes: Counter[str], *, items: bool) -> list[dict[str, Any]]:
    """Complete the outlines to the event's own form: as many packages, then as many items, as an event can hold.

    What is compared covers all of them, so that any change makes an event.
    """
    is_small = len(orjson.dumps([content.outlines, content.references, content.items])) <= MAX_SHIPMENTS_BYTES
    for shipment, references, inside in zip(content.outlines, content.references, content.items, strict=True):
        shipment |= references  # noqa: PLW2901 - in place
        shipment["freight_charge"] = avro_decimal(references["freight_charge"])
        for package, goods in zip(shipment["packages"], inside, strict=True):
            package["items"] = [_item(one) for one in goods] if items else []
    return content.outlines if is_small else _fitting(content.outlines, notes)


def _fitting(shipments: Iterable[Mapping[str, Any]], notes: Counter[str]) -> list[dict[str, Any]]:
    left, held = MAX_SHIPMENTS_BYTES, list[dict[str, Any]]()
    for shipment in shipments:
        packages: list[dict[str, Any]] = []
        short = _cut_all({**shipment, "packages": []}, notes) | {"packages": packages}
        left -= _size(short)
        for package in shipment["packages"]:
            short_package = _cut_all({**package, "items": []}, notes) | {"items": package["items"]}
            left -= _size(short_package) - _size(package["items"])
            packages += [short_package] if left >= 0 else []
        held += [short] if left >= 0 or packages else []
    notes[CUT_SHORT] += left < 0
    _fit_items(held, max(left, 0), notes)
    return held


def _fit_items(shipments: Iterable[Mapping[str, Any]], left: int, notes: Counter[str]) -> None:
    """Leave out the items of the packages from which on there is no room."""
    for package in (package for shipment in shipments for package in shipment["packages"] if package["items"]):
        items = [_cut_all(item, notes) for item in package["items"]]
        left -= _size(items)
        package["items"] = items if left >= 0 else []
    notes[ITEMS_CUT_SHORT] += left < 0


def _cut_all(fields: Mapping[str, Any], notes: Counter[str]) -> dict[str, Any]:
    return {name: _cut(value, notes) for name, value in fields.items()}


def _cut(value: Any, notes: Counter[str]) -> Any:
    match value:
        case str():
            return cut(value, notes)
        case dict():
            return _cut_all(value, notes)
        case list():
            return [_cut(one, notes) for one in value]
        case _:
            return value


def _size(value: Any) -> int:
    """The most bytes that a value takes."""
    match value:
        case str():
            return len(value.encode()) + 4
        case dict():
            return sum(map(_size, value.values())) + 4
        case list():
            return sum(map(_size, value)) + 4
        case _:
            return 10


def _outline(shipment: Shipment, packages: Iterable[Package]) -> Content:
    return {
        "shipment_id": shipment.ship_id or "",
        "carrier": shipment.carrier or "",
        "service": shipment.sent_by or "",
        "shipped_on": shipment.ship_date or None,
        "packages": [
            {
                "carton_id": package.carton_id or "",
                "tracking_number": package.tracking_number or "",
                "delivery_status": package.delivery_status or "",
                "delivered_at": package.delivery_date or None,
            }
            for package in packages
        ],
    }


def _package_key(package: Package) -> tuple[str, str]:
    return package.carton_id or "", package.tracking_number or ""


def _references(shipment: Shipment) -> Content:
    return {
        "reference": shipment.reference or None,
        "return_tracking_number": shipment.return_tracking_number or None,
        "freight_charge": shipment.freight_charge,
    }


def _items(package: Package) -> list[Content]:
    found = [
        {
            "item_number": one.item_number or "",
            "description": one.description or None,
            "line_number": one.line_number,
            "quantity": one.quantity,
            "serial_numbers": sorted(filter(None, one.serial_numbers)),
            "lots": _lots(one) if one.lot_details or one.lot_numbers else [],
        }
        for one in package.items
    ]
    return sorted(found, key=lambda one: (one["line_number"] or 0, one["item_number"]))


def _item(item: Content) -> dict[str, Any]:
    lots = [{**lot, "quantity": avro_decimal(lot["quantity"])} for lot in item["lots"]]
    return {**item, "quantity": avro_decimal(item["quantity"]), "lots": lots}


def _lots(item: Item) -> list[Content]:
    """The lots with their quantities, then those that DCL names without one."""
    detailed = [(one.lot_number, one.quantity) for one in item.lot_details if one.lot_number]
    bare = {number for number in item.lot_numbers if number} - {number for number, _ in detailed}
    found = [*sorted(detailed, key=lambda lot: (lot[0], lot[1] or 0)), *((number, None) for number in sorted(bare))]
    return [{"lot_number": number, "quantity": quantity} for number, quantity in found]
