"""E2CC's orders and shipments: rows to the relay's `VendorOrder`, with lines and shipments once they are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from workers.core.poll import change
from workers.core.poll.change import FINAL, Stage, VendorOrder, digest
from workers.core.poll.vendor_set import SetRow
from workers.vendors._shared.event_size import cut
from workers.vendors.e2cc.api import chosen, day, money, quantity, short_text, text_of, whole_number
from workers.vendors.e2cc.records import ListedSet, Making, Row, created_at, fitting, united
from workers.vendors.e2cc.states import shipment_moves, state_of

LISTED_FIELDS: Final = (
    "orderType",
    "orderNbr",
    "status",
    "date",
    "schedShipment",
    "customerOrder",
    "description",
    "orderQty",
    "adjustedQuantity",
    "orderTotal",
    "shipVia",
    "lineNbr",
)
LINES, SHIPMENTS = "lines", "shipments"  # what the details add
ORDER_FIELDS: Final = (*LISTED_FIELDS, LINES, SHIPMENTS)
"""Names in events' ``changed``. Add new ones at the end: stored rows have hashes by position."""

LINE_FIELDS: Final = ("lineNbr", "inventoryId", "lineDescription", "orderQty", "unitPrice", "schedShipment")
SHIPMENT_FIELDS: Final = ("shipmentNbr", "status", "shipmentDate", "shipVia", "freightPrice", "orderType", "orderNbr")
SHIPPED_FIELDS: Final = ("lineNbr", "inventoryId", "description", "shippedQty")
MAX_NUMBER_CHARS: Final = 100  # in the keys of Kafka

AT_REST: Final = FINAL | {"shipped"}  # all other orders may change, also those whose status is unknown


@dataclass(frozen=True, slots=True)
class ReadShipment:
    """One shipment: what lists show of it, and its lines."""

    number: str
    head: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]


def order_key(row: Mapping[str, Any]) -> str | None:
    """Type and number, such as SO057142: the same number may exist in another type."""
    kind, number = text_of(row, "orderType"), text_of(row, "orderNbr")
    return kind + number if kind and number and len(kind + number) <= MAX_NUMBER_CHARS else None


def shipment_key(row: Mapping[str, Any]) -> str | None:
    """A shipment of several orders is a part of each of them."""
    number, order = text_of(row, "shipmentNbr"), order_key(row)
    return f"{number}/{order}" if number and order and len(number) <= MAX_NUMBER_CHARS else None


def order_row(rows: Sequence[Row], making: Making) -> SetRow:
    """An order as the list shows it."""
    head, content = rows[0], united(rows, LISTED_FIELDS)
    number = order_key(head) or ""
    progress = state_of(text_of(head, "status"), making.options.progress_by_status, making.notes)
    of_list = digest(["1", content])
    item = VendorOrder(
        order_number=number,
        stage=Stage(short_text(head, "status", making.notes), None, "", progress),
        digest=of_list,
        fields=content,
        unread=frozenset((LINES, SHIPMENTS)),
        order_id=short_text(head, making.options.order_id_from, making.notes) or None,
        on_hold=None if progress == "unknown" else progress == "on_hold",
        raw=making.raw({"order": content}),
    )
    at = created_at(head, making)
    return SetRow(item.key, of_list, item, None, progress not in AT_REST, None if at is None else at.earlier_ms)


def shipment_row(rows: Sequence[Row], making: Making) -> SetRow:
    """A shipment as the list shows it: a part of its order."""
    head, content = rows[0], united(rows, SHIPMENT_FIELDS)
    at = created_at(head, making)
    return SetRow(
        shipment_key(head) or "",
        digest(["1", content]),
        about=change.order_key("", order_key(head) or ""),
        is_open=shipment_moves(text_of(head, "status")),
        created_ms=None if at is None else at.earlier_ms,
    )


def detailed_order(row: SetRow, lines: Sequence[Row], shipments: Sequence[ReadShipment], making: Making) -> SetRow:
    """The order with its lines and its shipments; the digest covers all of them and what the list shows."""
    item = row.item
    assert isinstance(item, VendorOrder), "a row of the set of orders"
    ours = [chosen(line, LINE_FIELDS) for line in sorted(lines, key=_line_key)]
    theirs = [_compared(one) for one in sorted(shipments, key=lambda one: one.number)]
    whole = digest(["1 details", row.digest.hex(), ours, theirs])
    details = {LINES: ours, SHIPMENTS: theirs}
    detailed = replace(
        item,
        digest=whole,
        fields={**item.fields, **details},
        unread=frozenset(),
        shipments=_in_event(sorted(shipments, key=lambda one: one.number), making),
        raw=making.raw({"order": item.fields, **details}),
    )
    return replace(row, item=detailed)


def _compared(shipment: ReadShipment) -> dict[str, Any]:
    lines = [chosen(line, SHIPPED_FIELDS) for line in sorted(shipment.lines, key=_line_key)]
    return {**chosen(shipment.head, SHIPMENT_FIELDS), "shipmentNbr": shipment.number, LINES: lines}


def _in_event(shipments: Iterable[ReadShipment], making: Making) -> list[dict[str, Any]]:
    """The shipments in the event's form. E2CC shows no parcels: one package holds the goods and the status of each."""
    found = [(one, _items(one, making)) for one in shipments]
    held = fitting([item for _, items in found for item in items], making.notes)
    left = {id(item) for item in held}
    return [_shipment(one, [item for item in items if id(item) in left], making) for one, items in found]


def _shipment(shipment: ReadShipment, items: Sequence[Row], making: Making) -> dict[str, Any]:
    head, notes = shipment.head, making.notes
    package = {
        "carton_id": "",
        "tracking_number": "",
        "delivery_status": short_text(head, "status", notes),
        "delivered_at": None,
        "items": list(items),
    }
    return {
        "shipment_id": shipment.number,
        "carrier": short_text(head, "shipVia", notes),
        "service": "",
        "shipped_on": day(head, "shipmentDate"),
        "packages": [package],
        "reference": None,
        "return_tracking_number": None,
        "freight_charge": money(head, "freightPrice", notes),
    }


def _items(shipment: ReadShipment, making: Making) -> list[Row]:
    return [
        {
            "item_number": short_text(line, "inventoryId", making.notes),
            "description": cut(text_of(line, "description"), making.notes) or None,
            "line_number": whole_number(line, "lineNbr"),
            "quantity": quantity(line, "shippedQty", making.notes),
            "serial_numbers": [],
            "lots": [],
        }
        for line in sorted(shipment.lines, key=_line_key)
    ]


def _line_key(line: Mapping[str, Any]) -> tuple[int, str, str]:
    number = whole_number(line, "lineNbr")
    return number or 0, text_of(line, "inventoryId"), repr(sorted(line.items()))


ORDERS: Final = ListedSet("/orders", LISTED_FIELDS, order_key, order_row, has_created=True)
SHIPMENTS_LIST: Final = ListedSet("/shipments", SHIPMENT_FIELDS, shipment_key, shipment_row, has_created=True)
