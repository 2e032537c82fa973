"""How far an order is, in words that mean the same for every vendor."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from workers.core.poll.change import Progress, Stage
from workers.vendors.dcl.api import DclOrder, Shipment
from workers.vendors.dcl.delivery_statuses import meaning

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
SHIPPED: Final = 60  # stages below it are open
_HELD: Final = 0  # order_status: 0 on hold, 1 normal, 2 rush
_ON_THE_WAY: Final[Sequence[Progress]] = ("out_for_delivery", "in_transit")
_ENDED: Final = frozenset[Progress | None](("delivered", "returned"))

# Notes, counted in /status.
UNMAPPED_STAGE: Final = "unmapped_stages"  # DCL's page does not list the stage
UNMAPPED_DELIVERY: Final = "unmapped_delivery_statuses"  # neither the defaults nor topics.yaml have the text


def stage(order: DclOrder, as_sent: Any, statuses: Mapping[str, Progress], notes: Counter[str]) -> Stage:
    """A code that DCL's page does not list has progress ``unknown``; a code that is no number is its text."""
    description, progress = STAGES.get(order.order_stage or 0, ("", "unknown"))
    if progress == "unknown":
        notes[UNMAPPED_STAGE] += 1
    carried = _carried(order.shipments, statuses, notes) if order.shipments else None
    if order.is_cancelled:
        progress = "cancelled"
    elif progress == "shipped":
        progress = carried or progress
    elif progress in {"received", "processing"} and order.order_status == _HELD:
        progress = "on_hold"
    name = str(as_sent) if isinstance(as_sent, str | float | int) else ""
    if order.order_stage is not None:
        name = str(order.order_stage)
    return Stage(name, order.order_stage, order.stage_description or description, progress)


def is_held(order: DclOrder, progress: Progress) -> bool | None:
    """Whether the order is on hold, by its stage or by its status; None: DCL says nothing about it."""
    if progress == "on_hold":
        return True
    return None if order.order_status is None else order.order_status == _HELD


def _carried(shipments: Sequence[Shipment], statuses: Mapping[str, Progress], notes: Counter[str]) -> Progress | None:
    """What the carriers say of an order that has left as a whole; None: nothing.

    Invariant: an order has arrived when each of its shipments has packages and each of these has. Otherwise no sweep
    would read the rest.
    """
    texts = [(package.delivery_status or "").strip() for shipment in shipments for package in shipment.packages]
    said = [meaning(text, statuses) if text else None for text in texts]
    if unmapped := sum(map(bool, texts)) - sum(map(bool, said)):
        notes[UNMAPPED_DELIVERY] += unmapped
    if "exception" in said:
        return "exception"
    if said and _ENDED.issuperset(said) and all(shipment.packages for shipment in shipments):
        return "returned" if "returned" in said else "delivered"
    return next((word for word in _ON_THE_WAY if word in said), None)
