"""e-Courier's order into the relay's words: its status, and each of its OrderEvents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from workers.core.poll.change import Seen, Stage, digest
from workers.core.poll.vendor_event import Look, VendorEvent
from workers.vendors._shared.local_time import moment, on_the_wall
from workers.vendors._shared.size_limits import cut, raw_json
from workers.vendors.ecourier.api import OrderEvent, members
from workers.vendors.ecourier.lookup import FoundOrder
from workers.vendors.ecourier.options import EcourierPollerOptions
from workers.vendors.ecourier.times import read

DESCRIPTIONS: Final[Mapping[str, str]] = {"N": "New", "A": "Assigned", "X": "Deleted", "T": "Template"}
NO_ID: Final = frozenset({"", "0"})  # an integer that was never set
YEARS: Final = range(1900, 9999)  # databases write no date as one of year 1, and no end as one of 9999

FIELDS: Final = ("OrderStatus",)  # what an order's stage is told from

# Notes, counted in /status.
UNREADABLE_TIME: Final = "unreadable_event_time"
WITHOUT_ID: Final = "events_without_id"
WITHOUT_STATUS: Final = "orders_without_status"


def look_of(found: FoundOrder, number: str, zone: ZoneInfo, options: EcourierPollerOptions) -> Look:
    """Map one order; total."""
    notes: Counter[str] = Counter()
    given = members(found.fields.get("OrderEvents"), "OrderEvent")
    happenings = tuple(_happenings(given, zone, options, notes))
    return Look(_seen(found, number, options, notes), happenings, +notes)


def _seen(found: FoundOrder, number: str, options: EcourierPollerOptions, notes: Counter[str]) -> Seen:
    status = cut((found.order.order_status or "").strip(), notes)
    notes[WITHOUT_STATUS] += not status
    meant = {name.strip().casefold(): progress for name, progress in options.progress.items()}
    return Seen(
        order_number=number,
        stage=Stage(status, None, DESCRIPTIONS.get(status.upper(), ""), meant.get(status.casefold(), "unknown")),
        digest=digest([status]),
        fields=dict.fromkeys(FIELDS, status),
        raw=raw_json(found.fields, notes) if options.raw else None,
    )


def _happenings(
    given: list[dict[str, Any]], zone: ZoneInfo, options: EcourierPollerOptions, notes: Counter[str]
) -> Iterator[VendorEvent]:
    final = {name.strip().casefold() for name in options.final_events}
    for fields in given:
        event = OrderEvent.model_validate(fields)
        content = _content(event)
        of_content, own = digest(content), cut((event.order_event_id or "").strip(), notes)
        if own in NO_ID and not any(content.values()):
            continue  # an empty element: nothing has happened
        fitting = {name: text and cut(text, notes) for name, text in content.items()}
        notes[WITHOUT_ID] += own in NO_ID
        occurred_ms = occurred(event.event_date_time, zone)
        notes[UNREADABLE_TIME] += occurred_ms is None
        yield VendorEvent(
            id=f"h-{of_content.hex()}" if own in NO_ID else own,
            digest=of_content,
            occurred_ms=occurred_ms,
            content=fitting | {"raw": raw_json(fields, notes) if options.raw else None},
            ends=(event.event_type or "").strip().casefold() in final,
        )


def _content(event: OrderEvent) -> dict[str, str | None]:
    """All that is told of an event but its id, in the fields of a `CourierOrderEvent`."""
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
    """The instant of an EventDateTime on the account's clock; None when it is none.

    Of an hour that comes twice the earlier instant; a time that the clocks skip lies before the gap.
    """
    wall = read(text or "")
    found = moment((text or "").strip(), zone) if wall is None else on_the_wall(wall, zone)
    return found.earlier_ms if found is not None and _year(found.earlier_ms) in YEARS else None


def _year(ms: int) -> int:
    """Near enough: of a year's first and last hours it may be the one beside it."""
    return 1970 + int(ms // (365.2425 * 86_400_000))
