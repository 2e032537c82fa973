"""What one transaction of a poller writes: events, the rows behind them, and the cursor. All of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from workers.core.delivery.tracked_order import Tracked
from workers.core.poll.change import StageChange, order_key
from workers.core.poll.compacted_rows import Row
from workers.core.poll.cursor import Cursor
from workers.core.poll.item_change import ItemChange
from workers.core.poll.last_published import LastPublished
from workers.core.poll.vendor_event import Look, ObservedEvent, PublishedEventIds


@dataclass(frozen=True, slots=True)
class AnsweredLook:
    """A look at one order that the vendor answered."""

    row: Row[bytes]  # the order's tracked row when the look began
    began_ms: int
    look: Look
    tracked: Tracked | None  # the content of the row; None: unreadable
    poll: Mapping[str, str] = field(default_factory=dict)  # the look's trace context, as headers

    @property
    def order_number(self) -> str:
        return self.row.key

    @property
    def order_id(self) -> str | None:
        return None if self.tracked is None else self.tracked.order_id


class Done(Enum):
    """Why there are no more looks at an order."""

    ENDED = "ended"  # it was in a final stage, or its delivery had ended
    GIVEN_UP = "given up"  # nothing changed for too long


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """What a step writes about one order. A row that is None stays as it is."""

    order_number: str
    account: str = ""
    changes: Sequence[StageChange] = ()
    events: Sequence[ObservedEvent] = ()
    last_published: LastPublished | None = None
    event_ids: PublishedEventIds | None = None
    forgotten: bool = False  # its rows in the state topic get tombstones
    # The rest is for pollers that follow tracked orders.
    look: AnsweredLook | None = None  # the look that this update answers
    done: Done | None = None  # the row of the look gets a tombstone that settles it
    put_back: Row[bytes] | None = None  # this row is written again

    @property
    def key(self) -> str:
        return order_key(self.account, self.order_number)

    @property
    def order_context(self) -> Mapping[str, str]:
        """The trace context of the event that saved the order, as headers; empty: none."""
        tracked = None if self.look is None else self.look.tracked
        return {} if tracked is None else tracked.context

    @property
    def is_empty(self) -> bool:
        """Whether it writes nothing."""
        rows = self.last_published or self.event_ids or self.forgotten or self.done or self.put_back
        return not (self.changes or self.events or rows)


@dataclass(frozen=True, slots=True)
class RowUpdate:
    """What a step writes about one row of a set."""

    set_name: str
    key: str
    row: bytes | None  # packed; None: the row in the state topic gets a tombstone
    changes: Sequence[StageChange | ItemChange] = ()
    touches: bool = False  # it only says that a part of the row has changed
    events: Sequence[ObservedEvent] = ()  # none
    look: AnsweredLook | None = None  # none

    @property
    def order_context(self) -> Mapping[str, str]:
        """Empty: a set names no order of ours."""
        return {}


Update: TypeAlias = OrderUpdate | RowUpdate


@dataclass(frozen=True, slots=True)
class Step:
    cursor: Cursor
    updates: Sequence[OrderUpdate] = ()  # one per order
    set_name: str = ""  # whose cursor it is, of a poller of several sets
    rows: Sequence[RowUpdate] = ()  # one per row
    poll: Mapping[str, str] = field(default_factory=dict)  # the trace context of the poll that made it, as headers

    @property
    def is_empty(self) -> bool:
        """Whether it writes nothing but the cursor."""
        return not self.rows and all(update.is_empty for update in self.updates)

    @property
    def changes(self) -> list[StageChange]:
        return [change for update in self.updates for change in update.changes]

    @property
    def all_updates(self) -> Sequence[Update]:
        return [*self.updates, *self.rows]

    @property
    def event_count(self) -> int:
        """How many events it publishes."""
        return sum(len(update.changes) + len(update.events) for update in self.all_updates)

    @property
    def events(self) -> list[ObservedEvent]:
        return [event for update in self.updates for event in update.events]
