"""DCL's rows to a `Reading`: checks their stamps against the window, and keeps one state per order."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from workers.core.delivery.outcome import Unavailable
from workers.core.poll.change import VendorOrder
from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.vendors._shared.event_size import without_deep_fields
from workers.vendors._shared.local_time import PossibleInstants, parse_local_time
from workers.vendors.contract import PollFault, Reading
from workers.vendors.dcl.mapping import vendor_order
from workers.vendors.dcl.options import DclOptions
from workers.vendors.dcl.outcome import Rows
from workers.vendors.dcl.progress import SHIPPED
from workers.vendors.dcl.requests import DclRequests

# Notes, counted in /status.
OUTSIDE: Final = "outside_window"  # rows outside the bounds of the request
UNSTAMPED: Final = "unreadable_modified_at"
NO_NUMBER: Final = "orders_without_number"
SHOWN_TWICE: Final = "orders_shown_twice"
NOT_ASKED: Final = "orders_not_asked_for"  # DCL does not apply filter or shipped_from


def reading_of(rows: Rows, zone: ZoneInfo, options: DclOptions, window: TimeRange | None) -> Reading | PollFault:
    """The orders of these rows; a row without a readable number is left out. ``window``: None for orders read by key.

    Rows none of which has a number are a fault: DCL would have renamed it, and the cursor would pass all changes.
    A later window holds other orders, too.
    """
    notes: Counter[str] = Counter()
    if rows and all(row.get("order_number") in (None, "") for row in rows):
        return Unavailable("HTTP 200 with an unreadable order: order_number")
    return Reading(_newest(_orders(rows, zone, options, window, notes), notes), window, +notes)


def only_asked(reading: Reading, dcl: DclRequests) -> Reading:
    """The reading without orders that were not asked for, in case DCL does not apply a parameter.

    Otherwise the first picture of open orders would publish every order that DCL ever had.
    """
    day = dcl.shipped_from()
    kept = tuple(
        one
        for one in reading.orders
        if not (dcl.only.open and (one.stage.code or 0) >= SHIPPED) and (day is None or _shipped_since(one, day))
    )
    reading.notes[NOT_ASKED] += len(reading.orders) - len(kept)
    return replace(reading, orders=kept, notes=+reading.notes)


def _shipped_since(order: VendorOrder, day: str) -> bool:
    """Whether a shipment is of that day or a later one; the day of a shipment may be unknown."""
    return any(not one["shipped_on"] or one["shipped_on"] >= day for one in order.shipments)


def _orders(
    rows: Rows, zone: ZoneInfo, options: DclOptions, window: TimeRange | None, notes: Counter[str]
) -> Iterator[VendorOrder]:
    """The orders whose stamp lies in the window by any reading of it, and those without a readable stamp."""
    for row in (without_deep_fields(row, notes) for row in rows):
        text = row.get("modified_at")
        stamp = parse_local_time(text, zone) if isinstance(text, str) else None
        notes[UNSTAMPED] += stamp is None
        if window is not None and stamp is not None and _is_outside(stamp, window):
            notes[OUTSIDE] += 1
        else:
            try:
                yield vendor_order(row, None if stamp is None else stamp.earlier_ms, options, notes)
            except ValidationError:
                notes[NO_NUMBER] += 1


def _is_outside(stamp: PossibleInstants, window: TimeRange) -> bool:
    """DCL may not apply the bounds of the request exactly."""
    return stamp.later_ms < window.start_ms - SECOND_MS or stamp.earlier_ms >= window.end_ms + SECOND_MS


def _newest(orders: Iterable[VendorOrder], notes: Counter[str]) -> tuple[VendorOrder, ...]:
    """The newer state of an order that one answer shows twice, whatever the sequence of the rows.

    If we published both states, every poll would publish them again.
    """
    found: dict[str, VendorOrder] = {}
    for order in orders:
        before = found.setdefault(order.key, order)
        notes[SHOWN_TWICE] += before is not order
        found[order.key] = max(before, order, key=lambda state: (state.modified_ms or 0, state.digest))
    return tuple(found.values())
