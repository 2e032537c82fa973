"""What makes later records of a parked order be parked behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class ParkReason(Enum):
    """Why a record is parked: the ``relay-reason`` header."""

    REJECTED = "rejected"
    GAVE_UP = "gave-up"
    UNDECODABLE = "undecodable"
    INVALID = "invalid"
    UNKNOWN_ORDER = "unknown-order"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Fence:
    """One parked order: why, since when, and where its parked records lie. A few hundred bytes, not per record."""

    reason: ParkReason  # of the first record
    detail: str
    since_ms: int
    records: int
    first: int | None = None  # lowest offset of its records in the parked topic; None until acknowledged
    last: int | None = None
    opens: bool = False  # a create is among its records
    mended: bool = False  # its order has been created since: what is parked is to be delivered again

    @property
    def holds_creates(self) -> bool:
        """An order that the vendor does not know is mended by its create: that one passes.

        A create that is parked itself holds the next one: it would overtake it.
        """
        return self.opens or self.reason is not ParkReason.UNKNOWN_ORDER

    def holds(self, *, opens: bool) -> bool:
        """Whether a record of this order is parked behind."""
        return self.holds_creates or not opens

    def behind(self, *, opens: bool = False) -> Fence:
        """One more record parked; ``opens``: it is a create."""
        return replace(self, records=self.records + 1, opens=self.opens or opens)

    def at(self, offset: int) -> Fence:
        """A record's place in the parked topic has been acknowledged."""
        first = offset if self.first is None else min(self.first, offset)
        last = offset if self.last is None else max(self.last, offset)
        return replace(self, first=first, last=last)
