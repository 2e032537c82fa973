"""e-Courier's order to the relay's `Look`: its status, and each of its OrderEvents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from workers.core.poll.change import Stage, VendorOrder, digest
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.vendors._shared.event_size import cut, raw_json
from workers.vendors.ecourier.api import OrderEvent, members
from workers.vendors.ecourier.existing_order import ExistingOrder
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.poll.milestones import Milestones, ends_delivery, milestones_of, occurred

DESCRIPTIONS: Final[Mapping[str, str]] = {"N": "New", "A": "Assigned", "X": "Deleted", "T": "Template"}
NO_ID: Final = frozenset({"", "0"})  # an OrderEventID that was never set

FIELDS: Final = ("OrderStatus", "PodName", "PodDateTime", "Jobs", "OrderEvents")  # they decide an order's stage

# Notes, counted in /status.
UNREADABLE_TIME: Final = "unreadable_event_time"
WITHOUT_ID: Final = "events_without_id"
WITHOUT_STATUS: Final = "orders_without_status"
UNMAPPED_STATUS: Final = "unmapped_order_status"
NO_FINAL_EVENT: Final = "delivered_without_final_event"  # does the site call its last event otherwise?


def look_of(found: ExistingOrder, order_number: str, zone: ZoneInfo, options: EcourierPollerOptions) -> Look:
    """Map one order; never raises."""
    notes: Counter[str] = Counter()
    elements = members(found.fields.get("OrderEvents"), "OrderEvent")
    events = tuple(_events(elements, zone, options, notes))
    types = [event.content["event_type"] for event in events]
    milestones = milestones_of(found.fields, types, zone, options, notes)
    notes[NO_FINAL_EVENT] += milestones.delivered and bool(events) and not any(event.ends for event in events)
    return Look(_order(found, order_number, milestones, options, notes), events, +notes)


def _order(
    found: ExistingOrder,
    order_number: str,
    milestones: Milestones,
    options: EcourierPollerOptions,
    notes: Counter[str],
) -> VendorOrder:
    status, proof = cut((found.order.order_status or "").strip(), notes), milestones.proof
    notes[WITHOUT_STATUS] += not status
    meant = {name.strip().casefold(): progress for name, progress in options.progress.items()}
    of_status = meant.get(status.casefold(), "unknown")
    progress = milestones.progress(of_status)
    notes[UNMAPPED_STATUS] += bool(status) and progress == "unknown"
    # Without a milestone the digest is what earlier releases made of the status alone: no event of an order twice.
    reached = (
        [] if progress == of_status and proof is None else [progress, proof and proof.name, proof and proof.at_text]
    )
    return VendorOrder(
        order_number=order_number,
        stage=Stage(status, None, DESCRIPTIONS.get(status.upper(), ""), progress),
        digest=digest([status, *reached]),
        fields=_compared(status, milestones),
        proof_of_delivery=proof,
        raw=raw_json(found.fields, notes) if options.raw else None,
    )


def _compared(status: str, milestones: Milestones) -> dict[str, Any]:
    """What is compared of the `FIELDS`, to name those that differ."""
    proof = milestones.proof
    values = (status, proof and proof.name, proof and proof.at_text, milestones.stops, milestones.events)
    return dict(zip(FIELDS, values, strict=True))


def _events(
    elements: list[dict[str, Any]], zone: ZoneInfo, options: EcourierPollerOptions, notes: Counter[str]
) -> Iterator[VendorEvent]:
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
            ends=ends_delivery(event.event_type, options),
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
