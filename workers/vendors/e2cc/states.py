"""What E2CC's statuses mean. Its page has no list of them: these are the words that it shows, and their kin."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, TypeVar

from workers.core.poll.change import Progress

InvoiceState: TypeAlias = Literal["unknown", "draft", "open", "closed", "voided"]
ReturnState: TypeAlias = Literal["unknown", "open", "closed"]
T = TypeVar("T", bound=str)

PROGRESS_BY_STATUS: Final[Mapping[str, Progress]] = {
    "credit hold": "on_hold",
    "on hold": "on_hold",
    "open": "processing",
    "completed": "shipped",
    "canceled": "cancelled",
    "cancelled": "cancelled",
}
"""Of an order, by the normal form of its status."""

INVOICE_STATES: Final[Mapping[str, InvoiceState]] = {
    "balanced": "draft",
    "on hold": "draft",
    "open": "open",
    "closed": "closed",
    "canceled": "voided",
    "cancelled": "voided",
    "voided": "voided",
}
RETURN_STATES: Final[Mapping[str, ReturnState]] = {"open": "open", "closed": "closed"}
_SHIPMENTS_AT_REST: Final = frozenset(("completed", "canceled", "cancelled"))

# Notes, counted in /status.
UNMAPPED_STATUS: Final = "unmapped_statuses"


def normal(text: str) -> str:
    """The words in lower case, one blank between them."""
    return " ".join(text.casefold().split())


def state_of(status: str, known: Mapping[str, T], notes: Counter[str]) -> T | Literal["unknown"]:
    """What a status means; one that is not ``known`` is counted."""
    found = known.get(normal(status))
    notes[UNMAPPED_STATUS] += found is None
    return found or "unknown"


def shipment_moves(status: str) -> bool:
    """Whether a shipment with this status may still change."""
    return normal(status) not in _SHIPMENTS_AT_REST
