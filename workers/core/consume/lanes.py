"""The records of one order, one in flight at a time, many orders at once."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from workers.core.consume.ledger import Ledger
from workers.core.consume.suspicion import Suspicion
from workers.core.record import Record


@dataclass(slots=True, eq=False)
class Entry:
    """A record in a lane, and the attempts to deliver it."""

    record: Record
    order_id: str
    creates_order: bool  # creates or replaces its order; such a record may overtake statuses that wait for it
    ledger: Ledger  # of the assignment that fetched it: a late result can finish nothing elsewhere
    size: int  # bytes it keeps in memory
    attempts: int = 0
    unknown: bool = False  # an attempt may have been applied
    first_failed_at: float | None = None
    unknown_order_since: float | None = None
    suspicion: Suspicion | None = None  # the vendor's faults that it met
    goes_alone: bool = False  # a batch with it was denied or too large for now: only its own request tells about it
    replay: bool = False  # comes from the parked topic, not from its source
    wait_for_create: bool = True  # False: an order that the vendor does not know is an answer, not a reason to wait
    pending_writes: int = 0  # queued writes that name this entry; it is finished when none is left

    @property
    def waiting_since(self) -> float | None:
        """When an attempt to deliver it first failed; None: none has failed."""
        return self.first_failed_at if self.unknown_order_since is None else self.unknown_order_since


class LaneState(Enum):
    """What a lane may do next."""

    READY = "ready"  # its head may be sent
    BUSY = "busy"  # its head is in flight
    WAITING = "waiting"  # its head waits for a retry, or for its order to be created


@dataclass(slots=True, eq=False)
class Lane:
    """One order's queue. Its head is the record in flight, or the next to go."""

    order_id: str
    queue: deque[Entry] = field(default_factory=deque)
    state: LaneState = LaneState.READY
    due: float = 0.0  # when its wait ends


class Lanes:
    """All lanes of a worker. A lane never has two records in flight, and never lets one pass another,
    except that a create overtakes the statuses that wait for it.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._waiting: list[tuple[float, int, Lane]] = []  # heap; stale rows are skipped
        self._order = 0
        self.busy = 0
        self.waiting_records = 0  # records in lanes whose head waits for a retry

    def add(self, entry: Entry) -> None:
        """Queue a record in its order's lane, behind what is there; a create overtakes statuses that wait for it."""
        lane = self._lanes.get(entry.order_id)
        if lane is None:
            lane = self._lanes[entry.order_id] = Lane(entry.order_id)
            lane.queue.append(entry)
            self._make_ready(lane)
            return
        lane.queue.append(entry)
        if lane.state is LaneState.WAITING:
            self.waiting_records += 1
            if entry.creates_order and lane.queue[0].unknown_order_since is not None:
                self._overtake(lane)

    def take(self, *, to_probe: bool = False) -> Lane | None:
        """Return the next ready lane and mark it busy; its head is to be sent.

        ``to_probe``: an order that has met no fault goes first. It tells whether the fault is the vendor's.
        """
        if to_probe and (blameless := self._blameless()) is not None:
            self._ready.remove(blameless)
            self._ready.appendleft(blameless)
        while self._ready:
            lane = self._ready.popleft()
            if lane.state is LaneState.READY and lane.queue:
                lane.state = LaneState.BUSY
                self.busy += 1
                return lane
        return None

    def finish(self, lane: Lane) -> Entry:
        """Remove and return the head of a busy lane: the next record may go."""
        self.busy -= 1
        head = lane.queue.popleft()
        if lane.queue:
            self._make_ready(lane)
        else:
            del self._lanes[lane.order_id]
        return head

    def requeue(self, lane: Lane) -> None:
        """The head of a busy lane is to be sent again, after the lanes that are ready now."""
        self.busy -= 1
        self._make_ready(lane)

    def wait(self, lane: Lane, until: float) -> None:
        """The head of a busy lane waits until then, and its lane with it."""
        self.busy -= 1
        lane.state, lane.due = LaneState.WAITING, until
        self._order += 1
        self.waiting_records += len(lane.queue)
        heapq.heappush(self._waiting, (until, self._order, lane))
        if lane.queue[0].unknown_order_since is not None:
            self._overtake(lane)

    def wake(self, now: float) -> None:
        """Make the lanes ready whose wait is over."""
        while self._waiting and self._waiting[0][0] <= now:
            self._end_wait(heapq.heappop(self._waiting))

    def wake_one(self) -> None:
        """Make the lane ready whose wait ends first: a probe needs a record."""
        while self._waiting:
            if self._end_wait(heapq.heappop(self._waiting)):
                return

    def next_due(self) -> float | None:
        """When the next wait of a lane ends; None: no lane waits."""
        while self._waiting and not self._is_current(self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def oldest_waiting(self) -> Lane | None:
        """The waiting lane whose head has waited for the longest time, for the vendor or for its create."""
        waiting = [row[2] for row in self._waiting if self._is_current(row)]
        return min(waiting, key=lambda lane: lane.queue[0].waiting_since or 0.0, default=None)

    def take_waiting(self, lane: Lane) -> None:
        """Mark a waiting lane busy, to decide on its head without sending it."""
        self.waiting_records -= len(lane.queue)
        lane.state = LaneState.BUSY
        self.busy += 1

    def drop(self, ledgers: frozenset[Ledger]) -> None:
        """Remove the entries of these ledgers, except heads in flight.

        A lane stays closed until its flight has ended: else the next owner of the order would send at the same time.
        """
        for lane in list(self._lanes.values()):
            kept = deque(
                entry
                for index, entry in enumerate(lane.queue)
                if entry.ledger not in ledgers or (index == 0 and lane.state is LaneState.BUSY)
            )
            if lane.state is LaneState.WAITING:
                self.waiting_records -= len(lane.queue) - len(kept)
                if kept and kept[0] is not lane.queue[0]:
                    self.waiting_records -= len(kept)
                    lane.queue = kept
                    self._make_ready(lane)
            lane.queue = kept
            if not kept:
                del self._lanes[lane.order_id]
        self._ready = deque(lane for lane in self._ready if lane.queue)

    def get(self, order_id: str) -> Lane | None:
        return self._lanes.get(order_id)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._lanes

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    @property
    def ready(self) -> int:
        """How many lanes may be taken."""
        return len(self._ready)

    @property
    def has_blameless(self) -> bool:
        """Whether a ready order has met no fault of the vendor."""
        return self._blameless() is not None

    def _blameless(self) -> Lane | None:
        ready = (lane for lane in self._ready if lane.state is LaneState.READY and lane.queue)
        return next((lane for lane in ready if lane.queue[0].suspicion is None), None)

    def _overtake(self, lane: Lane) -> None:
        """Bring a create that is queued behind waiting statuses to the front, if there is one."""
        create = next((entry for entry in lane.queue if entry.creates_order), None)
        if create is None or lane.state is not LaneState.WAITING:
            return
        lane.queue.remove(create)
        lane.queue.appendleft(create)
        self.waiting_records -= len(lane.queue)
        self._make_ready(lane)

    def _make_ready(self, lane: Lane) -> None:
        lane.state = LaneState.READY
        self._ready.append(lane)

    def _end_wait(self, row: tuple[float, int, Lane]) -> bool:
        if not self._is_current(row):
            return False
        lane = row[2]
        self.waiting_records -= len(lane.queue)
        self._make_ready(lane)
        return True

    def _is_current(self, row: tuple[float, int, Lane]) -> bool:
        due, _, lane = row
        return lane.state is LaneState.WAITING and lane.due == due and self._lanes.get(lane.order_id) is lane

    def __repr__(self) -> str:
        counts = f"ready={self.ready} busy={self.busy} waiting_records={self.waiting_records}"
        return f"<Lanes {len(self)} {counts}>"
