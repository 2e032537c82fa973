"""A fence: one parked order, whose later records are parked behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

NO_KEY: Final = "\0no-key"
"""The order id of parked records without a key. No order id has a control character, so it fences nothing."""

SUPERSEDED: Final = "a newer event of the order went through since, and this would undo it: discard it (--first-only)"


class OrderKey(NamedTuple):
    """One order in one partition number: an order, and the records without a key, may be parked in several."""

    partition_number: int
    order_id: str


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
    creates_order: bool = False  # a create is among its records
    create_delivered: bool = False  # its order has been created since: what is parked is to be replayed
    replays: int = 0  # how often its first record was replayed and refused again
    command: str | None = None  # the last command that was carried out on it: none is carried out twice
    non_blocking: bool = False  # only records that block nothing are parked: later ones go on
    superseded: int = 0  # so many of the first records are older than a delivered one: a replay would undo it

    @property
    def blocks_creates(self) -> bool:
        """A create passes the fence of an order that the vendor did not know: the create is what the order lacked.

        A parked create blocks the next one, which would overtake it. So does a create that has passed: the records
        parked before the next one are being replayed, and would be delivered after it.
        """
        return self.creates_order or self.create_delivered or self.reason is not ParkReason.UNKNOWN_ORDER

    def blocks(self, *, creates_order: bool) -> bool:
        """Whether a record of this order is parked behind the fence."""
        return not self.non_blocking and (self.blocks_creates or not creates_order)

    def with_one_more(self, *, creates_order: bool = False, blocks_following: bool = True) -> Fence:
        """One more record is parked; ``creates_order``: it is a create.

        ``blocks_following``: from now on, if not before, later records are parked behind the fence.
        """
        return replace(
            self,
            records=self.records + 1,
            creates_order=self.creates_order or creates_order,
            non_blocking=self.non_blocking and not blocks_following,
        )

    def with_record_at(self, offset: int) -> Fence:
        """A record's offset in the parked topic has been acknowledged."""
        first = offset if self.first is None else min(self.first, offset)
        last = offset if self.last is None else max(self.last, offset)
        return replace(self, first=first, last=last)

    def with_acknowledged(self, written: Fence) -> Fence:
        """This fence with the offsets of ``written``, as a transaction wrote it; this one may have changed since.

        A replay may have moved ``first`` on: moved back, a restart would deliver the records in between again.
        """
        return replace(self, first=written.first if self.first is None else self.first, last=written.last)

    def without_first(self, place: int) -> Fence:
        """Its first record needs nothing more; the next one lies at ``place`` or beyond.

        No owner ever replays what lies before ``place``.
        """
        return replace(self, first=place, records=max(1, self.records - 1), superseded=max(0, self.superseded - 1))

    def refused(self, reason: ParkReason, detail: str, place: int, command: str | None) -> Fence:
        """Its first record, at ``place``, was replayed and refused again: all stay parked, for the new reason."""
        return replace(
            self,
            reason=reason,
            detail=detail,
            first=place,
            create_delivered=False,
            replays=self.replays + 1,
            command=command or self.command,
        )
