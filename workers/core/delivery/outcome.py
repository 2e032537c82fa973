"""What a vendor's answer means for one record: a closed union.

Each vendor's ``outcome.py`` maps its documented answers to these. Only
``app/sink/outcomes.py`` acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

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
    status: int | None = None


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


Outcome: TypeAlias = Delivered | Skipped | Throttled | Unavailable | Unknown | Rejected | UnknownOrder | Denied
