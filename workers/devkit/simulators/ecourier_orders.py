"""The orders that a simulated e-Courier has, as saved and as shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workers.devkit.simulators.ecourier_events import KeptEvent, account_time
from workers.devkit.simulators.ecourier_rules import rows
from workers.devkit.simulators.server import Effect

FIRST_ID: Final = 2073  # e-Courier's own number of the first order
DELETED: Final = "X"
COLLECTIONS: Final = ("Piece", "Stop", "OrderStopPiece", "OrderEvent", "OrderNotify", "Job", "JobStop")


@dataclass
class Kept:
    """One order."""

    order_id: int
    created_ms: int
    order: dict[str, Any]  # the Order element, as all its saves together made it
    events: list[KeptEvent] = field(default_factory=list)  # as they were entered
    steps: int = 0  # of its way that lie behind it

    @property
    def status(self) -> str:
        status: str = self.order["OrderStatus"]
        return status


@dataclass
class Orders:
    """Creates and updates by OrderNumber; an order without one gets a number of e-Courier's own."""

    clock_ms: Callable[[], int]
    by_number: dict[str, Kept] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)  # saves, by OrderNumber
    counts: Counter[str] = field(default_factory=Counter)
    event_ids: int = 0

    def save(self, order: dict[str, Any]) -> None:
        """Create the order, or update the fields that are given."""
        number: str = order.get("OrderNumber", "")
        kept = self.by_number.get(number) if number else None
        if kept is None:
            kept = Kept(FIRST_ID + len(self.by_number), self.clock_ms(), {"OrderStatus": "N"})
            number = number or str(kept.order_id)
            self.by_number[number] = kept
            what = "create"
        else:
            what = "cancel" if order.get("OrderStatus") == DELETED else "update"
        changed = kept.order | order | {"OrderNumber": number}
        self.counts["repeats"] += changed == kept.order
        kept.order = changed
        self._applied(kept, number, what)

    def enter(self, kept: Kept, given: dict[str, str], *, at_ms: int | None = None, shows_after_ms: int = 0) -> None:
        """Add an event; without a time of its own it happens now. An empty OrderEventID: it has none."""
        now = self.clock_ms()
        self.event_ids += 1
        own = {"OrderEventID": str(self.event_ids), "EventDateTime": account_time(now if at_ms is None else at_ms)}
        fields = {name: value for name, value in (own | given).items() if name != "OrderEventID" or value}
        kept.events.append(KeptEvent(fields, now if at_ms is None else at_ms, now + shows_after_ms))

    def stats(self) -> dict[str, Any]:
        """Count orders, effects and events.

        ``duplicates``: orders beyond the first for one CustomerCode and Auth: a courier would be sent twice.
        ``repeats``: saves that changed nothing.
        """
        named = ((kept.order.get("CustomerCode"), kept.order.get("Auth")) for kept in self.by_number.values())
        owners = Counter(pair for pair in named if pair[1])
        return {
            "orders": len(self.by_number),
            "orders_by_status": dict(Counter(kept.status for kept in self.by_number.values())),
            "effects": len(self.effects),
            **{f"{what}s": self.counts[what] for what in ("create", "update", "cancel")},
            "repeats": self.counts["repeats"],
            "duplicates": sum(count - 1 for count in owners.values()),
            "events": sum(len(kept.events) for kept in self.by_number.values()),
        }

    def shown(self, number: str, events: Sequence[KeptEvent] | None = None, *, single: bool = False) -> dict[str, Any]:
        """Return the order as GetJsonOrder has it: attributes with ``@``, collections as lists or single objects.

        ``events``: those that show, as they are sorted; all of them when left out.
        """
        kept = self.by_number[number]
        pieces = sum(float(piece.get("Pieces", "1")) for piece in rows(kept.order.get("Pieces"), "Piece"))
        own = {
            "OrderID": str(kept.order_id),
            "SiteID": "1",
            "SiteCode": "Corporate",
            "CreateDate": account_time(kept.created_ms),
        }
        shown = {f"@{name}": value for name, value in own.items()}
        shown |= _shown(kept.order, single=single) | {"@Pieces": f"{pieces:g}"}
        listed = [event.fields for event in (kept.events if events is None else events)]
        return shown | {"OrderEvents": _shown({"OrderEvent": listed}, single=single)}

    def quoted(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return a quote: 15 a stop, 2.50 a piece."""
        stops, pieces = rows(order.get("Stops"), "Stop"), rows(order.get("Pieces"), "Piece")
        price = 15 * len(stops) + 2.5 * len(pieces)
        own = {"CustomerID": "1900", "Caller": "ECAPI", "CompleteOrder": "1", "DriverCode": ""}
        return order | own | {"AmountCharged": f"${price:.2f}"}

    def _applied(self, kept: Kept, number: str, what: str) -> None:
        self.counts[what] += 1
        self.effects.append(Effect(number, what, max(1, self.attempts[number])))
        self.enter(kept, {"EventType": f"Order {what}", "UserName": "ECAPI", "EventSource": "API"})


def _shown(element: dict[str, Any], *, single: bool) -> dict[str, Any]:
    return dict(_member(name, value, single=single) for name, value in element.items())


def _member(name: str, value: Any, *, single: bool) -> tuple[str, Any]:
    match value:
        case dict():
            return name, _shown(value, single=single)
        case list() if name in COLLECTIONS:
            listed = [_shown(each, single=single) for each in value]
            return name, listed[0] if single and len(listed) == 1 else listed
        case _:
            return f"@{name}", value
