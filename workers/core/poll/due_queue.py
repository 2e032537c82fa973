"""When each order is looked at next, and up to when all of them have been: heaps, never a scan of all orders."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace


class DueQueue:
    """Of what is due the most urgent goes first: the one whose deadline is next.

    A deadline lies one interval of its own behind the time at which the order is due. So fresh orders, with
    short intervals, pass quiet ones; and none starves, for its deadline stays where it is while others move on.
    """

    def __init__(self) -> None:
        self._planned: dict[str, tuple[int, int]] = {}  # order number -> (due, deadline), milliseconds
        self._later: list[tuple[int, int, str]] = []  # (due, deadline, number); what is not as planned is passed over
        self._due: list[tuple[int, int, str]] = []  # (deadline, due, number); the same

    def plan(self, number: str, due_ms: int, interval_ms: int) -> None:
        """Look at the order at that time; an earlier plan of it is void."""
        plan = self._planned[number] = (due_ms, due_ms + interval_ms)
        heappush(self._later, (*plan, number))

    def drop(self, number: str) -> None:
        """Look at the order no more."""
        self._planned.pop(number, None)

    def take(self, now_ms: int) -> str | None:
        """The most urgent order that is due, which is planned no more; None when none is."""
        if not self.due_count(now_ms):
            return None
        _, _, number = heappop(self._due)
        del self._planned[number]
        return number

    def due_count(self, now_ms: int) -> int:
        """How many are due; void plans that wait behind the first are counted with them."""
        while self._later and self._later[0][0] <= now_ms:
            due, deadline, number = heappop(self._later)
            if self._planned.get(number) == (due, deadline):
                heappush(self._due, (deadline, due, number))
        while self._due and self._is_void(self._due[0]):
            heappop(self._due)
        return len(self._due)

    def late_count(self, now_ms: int) -> int:
        """How many are past their deadline: the vendor is too slow for the table, or ``max_in_flight`` too small."""
        return sum(1 for one in self._due if one[0] < now_ms and not self._is_void(one))

    def next_ms(self) -> int | None:
        """When something is due, or may be; None: nothing is planned."""
        due = self._due[0][1] if self._due else None
        later = self._later[0][0] if self._later else None
        return later if due is None else due if later is None else min(due, later)

    def _is_void(self, due: tuple[int, int, str]) -> bool:
        return self._planned.get(due[2]) != (due[1], due[0])


class OldestLook:
    """The oldest of all orders' last looks: everything that happened before it has been seen."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # one entry per order, at its last look or an earlier one

    def __contains__(self, number: str) -> bool:
        return number in self._last

    def begin(self, looks: dict[str, int]) -> None:
        """Take these orders, each with its last look."""
        self._last = looks
        self._heap = [(at_ms, number) for number, at_ms in looks.items()]
        heapify(self._heap)

    def looked(self, number: str, at_ms: int) -> None:
        """Take note of a look; of a new order: of the time since when it is to be looked at."""
        if number not in self._last:
            heappush(self._heap, (at_ms, number))
        self._last[number] = at_ms

    def drop(self, number: str) -> None:
        """The order counts no more."""
        self._last.pop(number, None)

    def at_ms(self) -> int | None:
        """The oldest last look; None: there are no orders."""
        while self._heap:
            at_ms, number = self._heap[0]
            last = self._last.get(number)
            if last == at_ms:
                return at_ms
            if last is None:
                heappop(self._heap)
            else:
                heapreplace(self._heap, (last, number))
        return None
