"""A vendor's set of rows (its orders, its invoices), and what one reading of it shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeAlias

from workers.core.poll.time_range import TimeRange
from workers.core.poll.vendor_item import Item, with_order_id

DAY_MS: Final = 86_400_000

SetKind: TypeAlias = Literal["created", "whole", "updated"]
"""How a set can be asked for: by its rows' creation time, only whole, or by what was updated since a time."""


class Beyond(NamedTuple):
    """Days that are read more rarely than with each beat."""

    earlier: TimeRange
    later: TimeRange


@dataclass(frozen=True, slots=True)
class VendorSet:
    """One set that a vendor can list."""

    name: str  # its key under ``sets`` in topics.yaml
    kind: SetKind
    every_s: float  # how often it is read, unless topics.yaml says otherwise
    publishes: str | None = None  # the record of its events, e.g. InvoiceChanged; None: it is part of another set
    fields: Sequence[str] = ()  # names of the vendor's top-level fields. Add new ones at the end: rows hash by position
    # The set whose rows these are parts of, e.g. shipments of orders. A changed part publishes nothing: the row that it
    # is about is read again, with its details.
    part_of: str | None = None
    # The set whose rows know our id of the order that these rows' items name by its number, e.g. orders of returns.
    orders_in: str | None = None
    detailed_at_once: int = 0  # for how many rows `SetPoller.details` is asked at once; 0: rows hold all there is
    # Whether a row that is missing from a complete reading was deleted. False: it may have left what can be asked for.
    tells_deletions: bool = True
    rows_at_once: int = 1000  # so many rows, about, one answer holds; of kind ``created``
    needs: str | None = None  # the optional variable without which the vendor refuses its list, and it is not read
    days_before: int = 0  # of kind ``updated``: the days that an ask names reach so far back
    days_ahead: int = 0  # and so far ahead
    days_beyond: int = 0  # and so many days before these and after these are read more rarely

    def days(self, now_ms: int) -> TimeRange:
        """The days, in UTC, that an ask of kind ``updated`` names."""
        first_day, last_day = now_ms // DAY_MS - self.days_before, now_ms // DAY_MS + self.days_ahead
        return TimeRange(first_day * DAY_MS, (last_day + 1) * DAY_MS)

    def beyond(self, now_ms: int) -> Beyond:
        """The days before and after those of `days`."""
        days, beyond_ms = self.days(now_ms), self.days_beyond * DAY_MS
        earlier = TimeRange(days.start_ms - beyond_ms, days.start_ms)
        return Beyond(earlier, TimeRange(days.end_ms, days.end_ms + beyond_ms))


@dataclass(frozen=True, slots=True)
class SetRow:
    """One row of a set, as the vendor's list shows it now."""

    key: str  # identifies it in its set; of an order, its `VendorOrder.key`
    digest: bytes  # of the row's normalised content that matters: the same digest means that the row has not changed
    item: Item | None = None  # what is published of it, as far as the list shows it; None: it is a part
    about: str | None = None  # of a part: the key of its row in the set that it is part of
    is_open: bool = False  # it may still change: the window of its creation time is read with each beat
    created_ms: int | None = None  # by the vendor's clock; None: the list does not show it


def with_named_order(row: SetRow, by_reference: Mapping[str, str | None]) -> SetRow:
    """The row with the order id that its item's reference means."""
    item = row.item
    order_id = None if item is None else by_reference.get(item.reference or "")
    return row if item is None or order_id is None else replace(row, item=with_order_id(item, order_id))


@dataclass(frozen=True, slots=True)
class Created:
    """Ask for all rows that were created in a time range, or in as much of its beginning as one answer holds."""

    within: TimeRange


@dataclass(frozen=True, slots=True)
class Whole:
    """Ask for all rows of the set."""

    walk: int = 0  # 1, 2, ...: the walk before showed rows that moved; other page sizes move the pages' borders


@dataclass(frozen=True, slots=True)
class Updated:
    """Ask for the rows that were updated since a time, or later; never complete, so a missing row means nothing.

    ``days``: of the vendor's other time that each request must bound, such as ship dates; the vendor may answer for
    as much of their beginning as one answer holds.
    """

    since_ms: int  # by the vendor's clock, with the overlap already subtracted
    days: TimeRange


Ask: TypeAlias = Created | Whole | Updated


@dataclass(frozen=True, slots=True)
class SetReading:
    """The vendor's answer to an `Ask`. A part of an answer is none: the flow returns a fault instead."""

    rows: tuple[SetRow, ...]
    done: TimeRange | None = None  # what was read of `Created.within` or `Updated.days`; None: of `Whole`
    # Rows moved while pages were read (one was shown twice, or a walk differed from the one before it): a missing row
    # may have been passed over.
    moved: bool = False
    pages: int = 1  # with rows; of several, two readings in a row must agree before a missing row counts
    notes: Counter[str] = field(default_factory=Counter)  # anomalies of the answers, to be counted
    # Why the vendor does not let the account list this set, in its words. Nothing was read: the set is not complete,
    # and the others are, for their requests are allowed.
    forbidden: str | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """Rows with their details: their items hold all that the vendor shows."""

    rows: tuple[SetRow, ...]  # of those asked for; one that is missing is asked for again with the next beat
    notes: Counter[str] = field(default_factory=Counter)
