"""How orders at a simulated e-Courier change by themselves: drivers, milestones, deletions."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from workers.devkit.simulators.ecourier_events import account_time
from workers.devkit.simulators.ecourier_orders import DELETED, Kept, Orders
from workers.devkit.simulators.faults import Faults

NEW: Final = "N"
LATE_MS: Final = 2 * 3_600_000
SET_BACK: Final = 0.15  # share of the assigned orders that lose their driver again
AT_ONCE: Final = 10_000  # changes between two requests, at most
RECEIVER: Final = "R. Sample"  # who signs
DRIVERS: Final = ("A. Sample", "B. Sample", "C. Sample")


class Step(NamedTuple):
    """One milestone."""

    event_type: str
    status: str  # the order's, afterwards


WAY: Final = (
    Step("Dispatch", "A"),
    Step("Pickup", "A"),
    Step("Arrival", "A"),
    Step("POD", "A"),
    Step("Status change", "I"),  # the page names I without saying what it means
)
UNASSIGN: Final = Step("Unassign", NEW)
DELETE: Final = Step("Order delete", DELETED)


@dataclass
class Life:
    """Moves orders on by chance; nothing has to run between two requests."""

    orders: Orders
    rng: Random = field(default_factory=lambda: Random(7))  # noqa: S311 - no secret
    lived_ms: int | None = None  # up to when orders have moved on by themselves

    def live(self, faults: Faults) -> None:
        """Catch up with the clock."""
        now = self.orders.clock_ms()
        if self.lived_ms is None or not faults.changes:
            self.lived_ms = now
        count = int((now - self.lived_ms) * (faults.changes or 0) / 1000)
        if count:
            self.lived_ms = now
            self.happen(min(count, AT_ONCE), faults)

    def happen(self, count: int, faults: Faults) -> None:
        """So many orders move on, as long as there are any that are not final yet."""
        for _ in range(count):
            living = [kept for kept in self.orders.by_number.values() if _lives(kept)]
            if living:
                self._move(self.rng.choice(living), faults)

    def _move(self, kept: Kept, faults: Faults) -> None:
        step = self._next(kept, faults)
        kept.order = kept.order | {"OrderStatus": step.status} | reached(step.event_type, self.orders.clock_ms())
        late = self.rng.random() < faults.late_events
        nameless = self.rng.random() < faults.events_without_id
        now = self.orders.clock_ms()
        fields = {
            "EventType": step.event_type,
            "UserName": self.rng.choice(DRIVERS),
            "UserID": "7",
            "EventSource": "Mobile",
            "EventNote": f"scan {self.orders.event_ids}",
        }
        self.orders.enter(
            kept,
            fields | ({"OrderEventID": ""} if nameless else {}),
            at_ms=now - (round(self.rng.random() * LATE_MS) if late else 0),
            shows_after_ms=round(self.rng.random() * faults.visible_after * 1000),
        )

    def _next(self, kept: Kept, faults: Faults) -> Step:
        if self.rng.random() < faults.deleted:
            return DELETE
        if kept.status == NEW:
            kept.steps = 0  # a driver must come first, again
        elif kept.steps == 1 and self.rng.random() < SET_BACK:
            return UNASSIGN
        kept.steps += 1
        return WAY[kept.steps - 1]


def reached(event_type: str, now_ms: int) -> dict[str, Any]:
    """What a milestone changes in the order besides its status: the job's stops, and the proof of delivery."""
    at = account_time(now_ms)
    left = {"Sequence": "1", "StopType": "P", "StopID": "1", "ArriveDateTime": at, "DepartDateTime": at}
    ahead = {"Sequence": "2", "StopType": "D", "StopID": "2"}
    match event_type:
        case "Pickup":
            return {"Jobs": _job(left, ahead)}
        case "POD":
            signed = {"PodName": RECEIVER, "PodDateTime": at}
            return {"Jobs": _job(left, ahead | signed | {"ArriveDateTime": at, "DepartDateTime": at})} | signed
        case _:
            return {}


def _job(*stops: dict[str, str]) -> dict[str, Any]:
    return {"Job": [{"Sequence": "1", "Service": "Route", "RouteNumber": "7", "JobStops": {"JobStop": list(stops)}}]}


def _lives(kept: Kept) -> bool:
    return kept.status == NEW or (kept.status != DELETED and kept.steps < len(WAY))
