"""What a package's delivery_status means. DCL's page shows only "Delivered"; the other texts are the carriers' own."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from workers.core.poll.change import Progress

DeliveryProgress: TypeAlias = Literal["shipped", "in_transit", "out_for_delivery", "exception", "returned", "delivered"]

_TEXTS: Final[Mapping[DeliveryProgress, Iterable[str]]] = {
    "shipped": (
        "label created",
        "label printed",
        "order processed",
        "pre shipment",
        "pre transit",
        "shipment information received",
        "shipment information sent to fedex",
        "shipped",
        "unknown",
    ),
    "in_transit": (
        "accepted",
        "acceptance",
        "arrival scan",
        "arrived",
        "arrived at facility",
        "at local facility",
        "departed",
        "departed facility",
        "departure scan",
        "in transit",
        "intransit",
        "in transit to next facility",
        "moving through network",
        "on the way",
        "origin scan",
        "picked up",
        "pickup",
        "pickup scan",
        "transit",
    ),
    "out_for_delivery": (
        "loaded on delivery vehicle",
        "on fedex vehicle for delivery",
        "on vehicle for delivery",
        "out for delivery",
        "out for delivery today",
        "outfordelivery",
        "with delivery courier",
    ),
    "exception": (
        "attempted delivery",
        "clearance delay",
        "damaged",
        "delay",
        "delayed",
        "delivery attempt",
        "delivery attempted",
        "delivery exception",
        "delivery failed",
        "exception",
        "failed",
        "failed attempt",
        "failure",
        "insufficient address",
        "lost",
        "refused",
        "returning to sender",
        "shipment exception",
        "undeliverable",
        "undeliverable as addressed",
    ),
    "returned": (
        "delivered to original sender",
        "delivered to sender",
        "return to sender",
        "returned",
        "returned to sender",
        "returned to shipper",
    ),
    "delivered": ("delivered", "delivery complete", "delivery completed"),
}


def normal(text: str) -> str:
    """The words in lower case, one blank between them: carriers write ``IN_TRANSIT`` and ``In-Transit``."""
    return " ".join(text.replace("_", " ").replace("-", " ").replace(",", " ").casefold().split())


DELIVERY_STATUSES: Final[dict[str, Progress]] = {text: progress for progress, texts in _TEXTS.items() for text in texts}
"""By the normal form of the text."""


def meaning(text: str, known: Mapping[str, Progress]) -> Progress | None:
    """The progress that a delivery status means; None: it is not known.

    ``Delivered, Front Door/Porch`` means what ``Delivered`` does, unless the whole text is known.
    """
    whole = known.get(normal(text))
    return known.get(normal(text.partition(",")[0])) if whole is None else whole
