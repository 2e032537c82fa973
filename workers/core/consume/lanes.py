"""The records of one order, one in flight at a time, many orders at once."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from workers.core.consume.ledger import Ledger
from workers.core.consume.publish_skew import LOOK_BACK, DeliveredOrders, goes_before, place
from workers.core.consume.suspicion import Suspicion
from workers.core.receipt import Receipt
from workers.core.record import Record
from workers.core.trace import NOT_RECORDED, RecordSpan, Wait

_FETCH_ALLOWANCE_S = 0.2  # a create that is appended at the last moment of `publish_skew` has still to be fetched


@dataclass(slots=True, eq=False)
class Entry:
    """A record in a lane, and the attempts to deliver it."""

    record: Record
    order_id: str
    creates_order: bool  # creates or replaces its order; such a record may overtake statuses that wait for it
    ledger: Ledger  # of the assignment that fetched it: a late result can finish nothing elsewhere
    size: int  # bytes it keeps in memory
    producer: str | None = None  # None: not known, and then the entry keeps its place
    occurred_at: int = 0  # milliseconds since 1970, by the producer's clock
    attempts: int = 0
    unknown: bool = False  # an attempt may have been applied
    first_failed_at: float | None = None
    fault: str = ""  # of the last attempt that failed: the vendor's answer, without the record's strings
    unknown_order_since: float | None = None
    suspicion: Suspicion | None = None  # the vendor's faults that it met
    goes_alone: bool = False  # a batch with it was denied or too large for now: only its own request tells about it
    replay: bool = False  # comes from the parked topic, not from its source
    wait_for_create: bool = True  # False: an order that the vendor does not know is an answer, not a reason to wait
    pending_writes: int = 0  # queued writes that name this entry; it is finished when none is left
    receipt: Receipt | None = None  # what became of it; None: it has not ended, or its receipt is on its way
    span: RecordSpan = NOT_RECORDED

    @property
    def waiting_since(self) -> float | None:
        """When an attempt to deliver it first failed; None: none has failed."""
        return self.first_failed_at if self.unknown_order_since is None else self.unknown_order_since

    def given_away(self) -> None:
        """Another process has the partition now: here nothing more becomes of the record."""
        self.span.ends("given_away")
        self.span.finish()


class LaneState(Enum):
    """What a lane may do next."""

    READY = "ready"  # its head may be sent
    BUSY = "busy"  # its head is in flight
    WAITING = "waiting"  # its head waits for a retry, or for its order to be created
    HELD = "held"  # its head has not been sent: its create may have been appended after it


@dataclass(slots=True, eq=False)
class Lane:
    """One order's queue. Its head is the record in flight, or the next to go."""

    order_id: str
    queue: deque[Entry] = field(default_factory=deque)
    state: LaneState = LaneState.READY
    due: float = 0.0  # when its wait ends
    held_since: float = 0.0


class Lanes:
    """All lanes of a worker. A lane never has two records in flight, and never lets one pass another,
    except that a create overtakes the statuses that wait for it, and by the rule of `publish_skew`.
    """

    def __init__(self, publish_skew_s: float = 0.0, remembered_orders: int = 1) -> None:
        self.delivered_orders = DeliveredOrders(remembered_orders)
        self._skew_s = publish_skew_s
        self._skew_ms = int(publish_skew_s * 1000)
        self._held: deque[tuple[float, Lane]] = deque()  # all for the same time; stale rows are skipped
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()
        self._waiting: list[tuple[float, int, Lane]] = []  # heap; stale rows are skipped
        self._order = 0
        self.busy = 0
        self.waiting_records = 0  # records in lanes whose head waits for a retry
        self.held = 0  # lanes that were held, ever
        self.held_s = 0.0  # for how long, together
        self.reordered = 0  # entries that were placed before one that the brokers had appended earlier

    def add(self, entry: Entry, now: float = 0.0, *, hold: bool = False) -> None:
        """Queue a record in its order's lane, behind what is there; a create overtakes statuses that wait for it.

        ``hold``: if the lane is new, its head is held for `publish_skew`, or until a create of its order arrives.
        """
        lane = self._lanes.get(entry.order_id)
        if lane is None:
            lane = self._lanes[entry.order_id] = Lane(entry.order_id)
            lane.queue.append(entry)
            if hold and self._skew_s:
                self._hold(lane, now)
            else:
                self._make_ready(lane)
            return
        head = lane.queue[0]
        self._place(lane, entry)
        if lane.state is LaneState.HELD and entry.creates_order:
            self._release(lane, now)
        elif lane.state is LaneState.WAITING:
            self.waiting_records += 1
            if lane.queue[0] is not head:
                self._end_wait_of(lane)
            elif entry.creates_order and head.unknown_order_since is not None:
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
        self._place_again(lane)
        self._make_ready(lane)

    def wait(self, lane: Lane, until: float) -> None:
        """The head of a busy lane waits until then, and its lane with it."""
        self.busy -= 1
        if self._place_again(lane):
            self._make_ready(lane)
            return
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
        while self._held and self._held[0][0] <= now:
            due, lane = self._held.popleft()
            if self._is_held(lane, due):
                self._release(lane, now)

    def wake_one(self) -> None:
        """Make the lane ready whose wait ends first: a probe needs a record."""
        while self._waiting:
            if self._end_wait(heapq.heappop(self._waiting)):
                return

    def next_due(self) -> float | None:
        """When the next wait of a lane ends; None: no lane waits."""
        while self._waiting and not self._is_current(self._waiting[0]):
            heapq.heappop(self._waiting)
        while self._held and not self._is_held(self._held[0][1], self._held[0][0]):
            self._held.popleft()
        dues = [rows[0][0] for rows in (self._waiting, self._held) if rows]
        return min(dues, default=None)

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
            elif lane.state is LaneState.HELD and kept and kept[0] is not lane.queue[0]:
                self._make_ready(lane)
            for entry in set(lane.queue).difference(kept):
                entry.given_away()
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
        self._end_wait_of(lane)

    def _place(self, lane: Lane, entry: Entry) -> None:
        first = 1 if lane.state is LaneState.BUSY else 0
        if not self._skew_ms:
            lane.queue.append(entry)
        elif place(lane.queue, entry, first, self._skew_ms):
            self.reordered += 1

    def _place_again(self, lane: Lane) -> bool:
        """While the head was in flight, an entry may have come that goes before it; the head was not applied.

        A head that waited for its create is not placed again: it and its create would pass each other for ever.
        """
        head = lane.queue[0]
        if not self._skew_ms or not any(
            one.unknown_order_since is None and goes_before(one, head, self._skew_ms)
            for one in islice(lane.queue, 1, LOOK_BACK)
        ):
            return False
        entries, lane.queue = lane.queue, deque()
        for entry in entries:
            place(lane.queue, entry, 0, self._skew_ms)
        self.reordered += 1
        return lane.queue[0] is not head

    def _hold(self, lane: Lane, now: float) -> None:
        lane.state, lane.held_since = LaneState.HELD, now
        lane.queue[0].span.waits(Wait.PUBLISH_SKEW)
        lane.due = now + self._skew_s + _FETCH_ALLOWANCE_S
        self._held.append((lane.due, lane))
        self.held += 1

    def _release(self, lane: Lane, now: float) -> None:
        self.held_s += now - lane.held_since
        lane.queue[0].span.waits(Wait.LANE)
        self._make_ready(lane)

    def _is_held(self, lane: Lane, due: float) -> bool:
        return lane.state is LaneState.HELD and lane.due == due and self._lanes.get(lane.order_id) is lane

    def _end_wait_of(self, lane: Lane) -> None:
        self.waiting_records -= len(lane.queue)
        lane.queue[0].span.waits(Wait.LANE)
        self._make_ready(lane)

    def _make_ready(self, lane: Lane) -> None:
        lane.state = LaneState.READY
        self._ready.append(lane)

    def _end_wait(self, row: tuple[float, int, Lane]) -> bool:
        if not self._is_current(row):
            return False
        self._end_wait_of(row[2])
        return True

    def _is_current(self, row: tuple[float, int, Lane]) -> bool:
        due, _, lane = row
        return lane.state is LaneState.WAITING and lane.due == due and self._lanes.get(lane.order_id) is lane

    def __repr__(self) -> str:
        counts = f"ready={self.ready} busy={self.busy} waiting_records={self.waiting_records}"
        return f"<Lanes {len(self)} {counts}>"
