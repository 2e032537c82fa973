"""e-Courier's order to the relay's `Look`: its status, and each of its OrderEvents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from workers.core.poll.change import Stage, VendorOrder, digest
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.vendors._shared.event_size import cut, raw_json
from workers.vendors._shared.local_time import parse_local_time, possible_instants
from workers.vendors.ecourier.api import OrderEvent, members
from workers.vendors.ecourier.existing_order import ExistingOrder
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.wall_time import parse_wall_time

DESCRIPTIONS: Final[Mapping[str, str]] = {"N": "New", "A": "Assigned", "X": "Deleted", "T": "Template"}
NO_ID: Final = frozenset({"", "0"})  # an OrderEventID that was never set
YEARS: Final = range(1900, 9999)  # databases use year 1 for "no date" and year 9999 for "no end"

FIELDS: Final = ("OrderStatus",)  # the fields that decide an order's stage

# Notes, counted in /status.
UNREADABLE_TIME: Final = "unreadable_event_time"
WITHOUT_ID: Final = "events_without_id"
WITHOUT_STATUS: Final = "orders_without_status"


def look_of(found: ExistingOrder, order_number: str, zone: ZoneInfo, options: EcourierPollerOptions) -> Look:
    """Map one order; never raises."""
    notes: Counter[str] = Counter()
    elements = members(found.fields.get("OrderEvents"), "OrderEvent")
    events = tuple(_events(elements, zone, options, notes))
    return Look(_order(found, order_number, options, notes), events, +notes)


def _order(found: ExistingOrder, order_number: str, options: EcourierPollerOptions, notes: Counter[str]) -> VendorOrder:
    status = cut((found.order.order_status or "").strip(), notes)
    notes[WITHOUT_STATUS] += not status
    progress = {name.strip().casefold(): progress for name, progress in options.progress.items()}
    return VendorOrder(
        order_number=order_number,
        stage=Stage(status, None, DESCRIPTIONS.get(status.upper(), ""), progress.get(status.casefold(), "unknown")),
        digest=digest([status]),
        fields=dict.fromkeys(FIELDS, status),
        raw=raw_json(found.fields, notes) if options.raw else None,
    )


def _events(
    elements: list[dict[str, Any]], zone: ZoneInfo, options: EcourierPollerOptions, notes: Counter[str]
) -> Iterator[VendorEvent]:
    final = {name.strip().casefold() for name in options.final_events}
    for fields in elements:
        event = OrderEvent.model_validate(fields)
        content = _content(event)
        content_digest, event_id = digest(content), cut((event.order_event_id or "").strip(), notes)
        if event_id in NO_ID and not any(content.values()):
            continue  # an empty element is no event
        fitting = {name: text and cut(text, notes) for name, text in content.items()}
        notes[WITHOUT_ID] += event_id in NO_ID
        occurred_ms = occurred(event.event_date_time, zone)
        notes[UNREADABLE_TIME] += occurred_ms is None
        yield VendorEvent(
            id=f"h-{content_digest.hex()}" if event_id in NO_ID else event_id,
            digest=content_digest,
            occurred_ms=occurred_ms,
            content=fitting | {"raw": raw_json(fields, notes) if options.raw else None},
            ends=(event.event_type or "").strip().casefold() in final,
        )


def _content(event: OrderEvent) -> dict[str, str | None]:
    """All content of an event but its id, in the fields of a `CourierOrderEvent`."""
    return {
        "event_type": event.event_type,
        "occurred_at_text": event.event_date_time,
        "user_name": event.user_name,
        "user_id": event.user_id,
        "note": event.note,
        "event_source": event.event_source,
        "event_note": event.event_note,
        "edi_note": event.edi_note,
    }


def occurred(text: str | None, zone: ZoneInfo) -> int | None:
    """The instant of an EventDateTime on the account's clock; None when it is unreadable.

    In the hour that occurs twice, the earlier instant; a time that the clocks skip lies before the gap.
    """
    wall = parse_wall_time(text or "")
    found = parse_local_time((text or "").strip(), zone) if wall is None else possible_instants(wall, zone)
    return found.earlier_ms if found is not None and _year(found.earlier_ms) in YEARS else None


def _year(ms: int) -> int:
    """The approximate year: in the first and last hours of a year it may be the neighbouring one."""
    return 1970 + int(ms // (365.2425 * 86_400_000))
