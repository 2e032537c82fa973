"""How often each order is looked at, which one is next, and the oldest of all last looks: heaps, never a scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple


class Now(NamedTuple):
    """One instant on both clocks, in milliseconds."""

    wall_ms: int  # since 1970: compared with stored times
    tick_ms: int  # monotonic: a look that is due stays due when the wall clock is set back


@dataclass(frozen=True, slots=True)
class ScheduleRule:
    """The interval of an order that has not changed for ``quiet_ms`` and has this status."""

    quiet_ms: int
    every_ms: int
    status: str | None = None  # None: any


@dataclass(frozen=True, slots=True)
class LookSchedule:
    """The intervals of looks, and when an order is done; milliseconds since its last change."""

    every_ms: int
    rules: Sequence[ScheduleRule] = ()
    grace_ms: int = 86_400_000  # an order in a final stage is done after this time
    give_up_ms: int = 60 * 86_400_000  # any other order is done after this time

    def interval_ms(self, quiet_ms: int, status: str) -> int:
        """How long to wait before the next look: by the last rule that fits, else ``every_ms``."""
        fitting = [rule.every_ms for rule in self.rules if quiet_ms >= rule.quiet_ms and _is(rule.status, status)]
        return fitting[-1] if fitting else self.every_ms

    def is_over(self, quiet_ms: int, *, ended: bool) -> bool:
        """Whether an order is done, so that there are no more looks at it."""
        return quiet_ms >= (min(self.grace_ms, self.give_up_ms) if ended else self.give_up_ms)


def _is(wanted: str | None, status: str) -> bool:
    return wanted is None or wanted.casefold() == status.casefold()


class _Plan(NamedTuple):
    due_ms: int
    deadline_ms: int
    order_number: str


class _Due(NamedTuple):
    """A look that is due; sorts by its deadline."""

    deadline_ms: int
    due_ms: int
    order_number: str


class DueQueue:
    """Of the orders that are due, the one with the earliest deadline comes first.

    A deadline is one interval after the time at which the order is due. So orders with short intervals overtake those
    with long ones; and no order starves, because its deadline stays fixed while those of others move on.
    """

    def __init__(self) -> None:
        self._planned: dict[str, _Plan] = {}  # by order number; a heap's entry that differs from it is void
        self._later: list[_Plan] = []
        self._due: list[_Due] = []

    def plan(self, order_number: str, due_ms: int, interval_ms: int) -> None:
        """Plan the order's next look; an earlier plan is void."""
        plan = self._planned[order_number] = _Plan(due_ms, due_ms + interval_ms, order_number)
        heappush(self._later, plan)

    def drop(self, order_number: str) -> None:
        self._planned.pop(order_number, None)

    def take(self, now_ms: int) -> str | None:
        """Take the most urgent order that is due out of the queue; None when none is due."""
        if not self.due_count(now_ms):
            return None
        order_number = heappop(self._due).order_number
        del self._planned[order_number]
        return order_number

    def due_count(self, now_ms: int) -> int:
        """How many orders are due; void entries behind the first are counted too."""
        while self._later and self._later[0].due_ms <= now_ms:
            plan = heappop(self._later)
            if self._planned.get(plan.order_number) == plan:
                heappush(self._due, _Due(plan.deadline_ms, plan.due_ms, plan.order_number))
        while self._due and self._is_void(self._due[0]):
            heappop(self._due)
        return len(self._due)

    def late_count(self, now_ms: int) -> int:
        """How many orders are past their deadline: the vendor is slow, or ``max_in_flight`` low."""
        return sum(1 for one in self._due if one.deadline_ms < now_ms and not self._is_void(one))

    def next_ms(self) -> int | None:
        """When the next order is due, at the earliest; None: nothing is planned."""
        due = [self._due[0].due_ms] if self._due else []
        later = [self._later[0].due_ms] if self._later else []
        return min([*due, *later], default=None)

    def _is_void(self, due: _Due) -> bool:
        return self._planned.get(due.order_number) != (due.due_ms, due.deadline_ms, due.order_number)


class OldestLook:
    """The oldest of all orders' last looks: every change before it has been seen."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # one (time, order number) per order, at its last look or an earlier one

    def __contains__(self, order_number: str) -> bool:
        return order_number in self._last

    def begin(self, last_looks: dict[str, int]) -> None:
        """Start with these orders, each with the time of its last look."""
        self._last = last_looks
        self._heap = [(look_ms, order_number) for order_number, look_ms in last_looks.items()]
        heapify(self._heap)

    def looked(self, order_number: str, look_ms: int) -> None:
        """Record a look; for a new order, the time since which it must be looked at."""
        if order_number not in self._last:
            heappush(self._heap, (look_ms, order_number))
        self._last[order_number] = look_ms

    def drop(self, order_number: str) -> None:
        self._last.pop(order_number, None)

    def oldest_ms(self) -> int | None:
        """The oldest last look; None: there are no orders."""
        while self._heap:
            look_ms, order_number = self._heap[0]
            last = self._last.get(order_number)
            if last == look_ms:
                return look_ms
            if last is None:
                heappop(self._heap)
            else:
                heapreplace(self._heap, (last, order_number))
        return None
