"""What a vendor says of one order now, in comparison with what the relay has delivered and published of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from workers.core.events import Event
from workers.core.poll.change import VendorOrder

NO_ORDER: Final = "has no such order"
NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Asked:
    """One order, and what is known of it in Kafka."""

    order_id: str
    order_number: str  # the vendor's
    delivered: Sequence[Event] = ()  # the events that the vendor's sink has delivered, oldest first
    published: Mapping[str, Any] | None = None  # the last `OrderStageChanged` of the vendor's poller
    poller_options: Any = None  # of that poller in topics.yaml: what the site means by its texts


@dataclass(frozen=True, slots=True)
class VendorWord:
    """Both sides in words, without personal data: states, amounts and counts."""

    says: str  # the vendor, now
    last: str  # what the relay delivered or published last
    differing: tuple[str, ...] = ()  # names of what differs


def missing(expected: bool, last: str) -> VendorWord:
    """The vendor does not have the order; ``expected``: it should."""
    return VendorWord(NO_ORDER, last, ("order",) if expected else ())


def missing_stage(published: Mapping[str, Any] | None) -> VendorWord:
    """The vendor does not list the order; it should when the poller has published a stage of it, and no deletion."""
    if published is None:
        return missing(False, NOTHING)
    is_deleted = published["op"] == "deleted"
    return missing(not is_deleted, f"stage {published['stage']}" + (", deleted" if is_deleted else ""))


def stage_word(order: VendorOrder, published: Mapping[str, Any] | None) -> VendorWord:
    """Compare the vendor's order with the `OrderStageChanged` that its poller has published last."""
    stage = order.stage
    says = _stage(stage.name, stage.description, stage.progress, order.shipments)
    if published is None:
        return VendorWord(says, NOTHING)
    former = published.get("shipments", ())
    last = _stage(published["stage"], published["stage_description"], published["progress"], former)
    pairs = {
        "stage": (stage.name, published["stage"]),
        "progress": (stage.progress, published["progress"]),
        "back_ordered": (order.back_ordered, published.get("back_ordered")),
        "on_hold": (order.on_hold, published.get("on_hold")),
        "shipments": (_parcels(order.shipments), _parcels(former)),
    }
    return VendorWord(says, last, tuple(name for name, (now, before) in pairs.items() if now != before))


def _stage(name: str, description: str, progress: str, shipments: Sequence[Mapping[str, Any]]) -> str:
    head = f"stage {name}" + (f" ({description})" if description else "")
    parcels = len(_parcels(shipments))
    return f"{head}, progress {progress}" + (f", parcels: {parcels}" if parcels else "")


def _parcels(shipments: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(tracking number, what the carrier says) of each package."""
    return [
        (str(package.get("tracking_number", "")), str(package.get("delivery_status", "")))
        for shipment in shipments
        for package in shipment.get("packages", ())
    ]
