"""What a vendor's answer means for one record: a closed union.

Each vendor's ``outcome.py`` maps its documented answers to these. Only
``app/sink/outcomes.py`` acts on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

from workers.core.counted import lasting
from workers.core.delivery.tracked_order import Mark


@dataclass(frozen=True, slots=True)
class Delivered:
    """The vendor applied it, or had it already."""

    found: bool = False  # it was there before this attempt: a duplicate avoided
    status: int | None = None  # HTTP status of the answer
    mark: Mark | None = None  # to be remembered of the order, for sinks that track
    note: str | None = None  # an anomaly of the vendor's to be counted, such as "saved_order_not_found"
    remarks: tuple[str, ...] = ()  # of a check: what an operator should know although all is well
    vendor_ref: str | None = None  # the vendor's own id of the order, where it says one and leaves no mark

    @property
    def order_at_vendor(self) -> str | None:
        """The vendor's own id of the order; None: it says none."""
        return self.vendor_ref if self.mark is None else self.mark.order_number


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing to send for this event; finished as a recorded skip."""

    reason: str
    supersedes: bool = False  # the vendor already has what this event brings: an older event would undo it


@dataclass(frozen=True, slots=True)
class Throttled:
    """Not applied: the vendor asks for a pause of ``after`` seconds in all requests (None: it did not say how long)."""

    after: float | None = None
    status: int | None = None  # None: it is about the account, and no order is at fault
    why: str = "the vendor asks to be left alone"

    @property
    def reason(self) -> str:
        """Why nothing was applied, and until when."""
        return self.why if self.after is None else f"{self.why}; possible again in {lasting(self.after)}"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Not applied, and not because of the record: try again later."""

    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """May have been applied: it was sent, and no answer says what became of it."""

    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The vendor will never take this record."""

    detail: str  # the vendor's words, or the field's path and the limit it breaks; may hold the record's strings
    status: int | None = None
    blocks_following: bool = True  # later records of the order are parked behind it


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    """A status for an order that the vendor does not know (yet)."""

    detail: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """Our key or set-up is refused: no record is at fault, unless the vendor takes others meanwhile."""

    reason: str
    status: int | None = None  # of the answer to this record's request

    @property
    def is_of_account(self) -> bool:
        """Whether it is about no order for sure: no request for an order was answered (a login, a variable)."""
        return self.status is None


AFault = TypeVar("AFault", bound="VendorFault")
VendorFault: TypeAlias = Throttled | Unavailable | Unknown | Denied
Outcome: TypeAlias = Delivered | Skipped | Rejected | UnknownOrder | VendorFault

_WORDS: Final[Mapping[type[Outcome], str]] = {
    Delivered: "delivered",
    Skipped: "skipped",
    Throttled: "throttled",
    Unavailable: "unavailable",
    Unknown: "unknown",
    Rejected: "rejected",
    UnknownOrder: "unknown_order",
    Denied: "denied",
}


def outcome_word(outcome: Outcome) -> str:
    """One word for machines."""
    return "found" if isinstance(outcome, Delivered) and outcome.found else _WORDS[type(outcome)]


def reworded(fault: AFault, words: Callable[[str], str]) -> AFault:
    """The same fault; ``words`` makes its text of the one it has."""
    if isinstance(fault, Throttled):
        return replace(fault, why=words(fault.why))
    return replace(fault, reason=words(fault.reason))
