"""One record of an order in flight at a time, the rest in sequence; no lane is ever forgotten."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from workers.core.consume.lanes import Entry, Lane, Lanes, LaneState
from workers.core.consume.ledger import Ledger
from workers.core.record import Record

FOREVER = 1e12
ORDERS = st.sampled_from(["a", "b", "c"])
ADDS = st.lists(st.tuples(ORDERS, st.booleans(), st.integers(0, 1)), min_size=1, max_size=6)
LANDINGS = st.lists(st.sampled_from(["finish", "requeue", "wait", "unknown", "unknown"]), min_size=1, max_size=3)


def entry(order: str, offset: int = 0, *, creates_order: bool = False, ledger: Ledger | None = None) -> Entry:
    record = Record("t", 0, offset, 0, order.encode(), None)
    return Entry(record, order, creates_order, ledger or Ledger(0), size=1)


class LanesMachine(RuleBasedStateMachine):
    """Against one plain list of entries for each order."""

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes()
        self.ledgers = [Ledger(0) for _ in range(2)]
        self.model: dict[str, list[Entry]] = {}
        self.ahead: set[Entry] = set()  # creates that overtook
        self.flights: dict[str, Lane] = {}
        self.waits: dict[str, float] = {}
        self.now = 0.0
        self.count = 0

    @initialize(adds=ADDS)
    def begin(self, adds: list[tuple[str, bool, int]]) -> None:
        self.add(adds)
        self.take(3)

    @rule(adds=ADDS)
    def add(self, adds: list[tuple[str, bool, int]]) -> None:
        for order, creates_order, ledger in adds:
            self.count += 1
            one = entry(order, self.count, creates_order=creates_order, ledger=self.ledgers[ledger])
            self.lanes.add(one)
            self.model.setdefault(order, []).append(one)
            self.overtake(order)

    def overtake(self, order: str) -> None:
        """A create passes statuses that wait for it: only while they wait, and only those."""
        queue = self.model[order]
        create = next((one for one in queue if one.creates_order), None)
        if order in self.waits and create is not None and queue[0].unknown_order_since is not None:
            queue.remove(create)
            queue.insert(0, create)
            self.ahead.add(create)
            del self.waits[order]

    @rule(most=st.integers(1, 3))
    def take(self, most: int) -> None:
        for _ in range(most):
            ready = set(self.model) - set(self.flights) - set(self.waits)
            lane = self.lanes.take()
            if lane is None:
                assert not ready
                return
            assert lane.order_id in ready, "never two records of one order in flight"
            earliest = min(self.model[lane.order_id], key=lambda one: one.record.offset)
            assert lane.queue[0] is earliest or lane.queue[0] in self.ahead
            self.flights[lane.order_id] = lane

    @precondition(lambda self: self.flights)
    @rule(landings=LANDINGS, seconds=st.integers(0, 60))
    def land(self, landings: list[str], seconds: int) -> None:
        """Flights end in the order of their lanes' names, which is any order of departure."""
        for landing, order in zip(landings, sorted(self.flights), strict=False):
            lane = self.flights.pop(order)
            if landing == "finish":
                self.finish(lane)
            elif landing == "requeue":
                self.lanes.requeue(lane)
            else:
                self.wait(lane, seconds, unknown=landing == "unknown")

    @rule(seconds=st.integers(1, 60), unknown=st.booleans())
    def take_and_wait(self, seconds: int, unknown: bool) -> None:
        self.take(3)
        self.land(["unknown" if unknown else "wait"] * 3, seconds)

    def finish(self, lane: Lane) -> None:
        queue = self.model[lane.order_id]
        assert self.lanes.finish(lane) is queue.pop(0)
        if not queue:
            del self.model[lane.order_id]

    def wait(self, lane: Lane, seconds: int, *, unknown: bool) -> None:
        head = lane.queue[0]
        if unknown and not head.creates_order:
            head.unknown_order_since = self.now
        elif head.first_failed_at is None:
            head.first_failed_at = self.now
        self.waits[lane.order_id] = self.now + seconds
        self.lanes.wait(lane, self.now + seconds)
        self.overtake(lane.order_id)

    @rule(seconds=st.integers(0, 8))
    def wake(self, seconds: int) -> None:
        self.now += seconds
        self.lanes.wake(self.now)
        self.waits = {order: due for order, due in self.waits.items() if due > self.now}

    @rule(decide=st.booleans())
    def wake_or_decide_on_one(self, decide: bool) -> None:
        if decide:
            self.decide_on_the_longest_waiting()
        else:
            self.wake_one()

    def wake_one(self) -> None:
        before = self.lanes.ready
        self.lanes.wake_one()
        assert self.lanes.ready == before + bool(self.waits)
        woken = [lane.order_id for lane in self.lanes if lane.state is LaneState.READY and lane.order_id in self.waits]
        for order in woken:
            assert self.waits.pop(order) <= min(self.waits.values(), default=FOREVER), "the first due"

    def decide_on_the_longest_waiting(self) -> None:
        lane = self.lanes.oldest_waiting()
        if lane is None:
            assert not self.waits
            return
        since = {order: self.model[order][0].waiting_since for order in self.waits}
        assert since[lane.order_id] == min(at for at in since.values() if at is not None)
        self.lanes.take_waiting(lane)
        del self.waits[lane.order_id]
        self.flights[lane.order_id] = lane

    @rule(gone=st.sampled_from([{0}, {1}, {0, 1}]))
    def drop(self, gone: set[int]) -> None:
        """Partitions are revoked: only what is in flight stays of them."""
        ledgers = frozenset(self.ledgers[number] for number in gone)
        self.lanes.drop(ledgers)
        for order, queue in list(self.model.items()):
            head = queue[0]
            flying = order in self.flights
            queue[:] = [one for one in queue if one.ledger not in ledgers or (flying and one is head)]
            if not queue:
                del self.model[order]
            if not queue or queue[0] is not head:
                self.waits.pop(order, None)
        for number in gone:
            self.ledgers[number] = Ledger(0)

    @invariant()
    def each_lane_is_as_the_plain_list(self) -> None:
        assert {lane.order_id: list(lane.queue) for lane in self.lanes} == self.model
        assert len(self.lanes) == len(self.model)
        for order in "abc":
            lane = self.lanes.get(order)
            assert (order in self.lanes) == (order in self.model) == (lane is not None)

    @invariant()
    def its_counters_are_a_recount(self) -> None:
        states = {lane.order_id: lane.state for lane in self.lanes}
        assert self.lanes.busy == sum(state is LaneState.BUSY for state in states.values()) == len(self.flights)
        assert self.lanes.ready == sum(state is LaneState.READY for state in states.values())
        assert {order for order, state in states.items() if state is LaneState.WAITING} == set(self.waits)
        assert self.lanes.waiting_records == sum(len(self.model[order]) for order in self.waits)
        assert self.lanes.next_due() == min(self.waits.values(), default=None)

    def teardown(self) -> None:
        """Nothing is stranded: with time and deliveries everything goes."""
        for flight in self.flights.values():
            self.lanes.finish(flight)
        self.lanes.wake(FOREVER)
        while lane := self.lanes.take():
            self.lanes.finish(lane)
        assert not len(self.lanes)
        assert (self.lanes.busy, self.lanes.ready, self.lanes.waiting_records) == (0, 0, 0)
        assert self.lanes.next_due() is None


LanesMachine.TestCase.settings = settings(stateful_step_count=30)
TestLanes = LanesMachine.TestCase


def taken(lanes: Lanes) -> Lane:
    lane = lanes.take()
    assert lane is not None
    return lane


def test_lanes_go_in_turn() -> None:
    lanes = Lanes()
    for order in "abc":
        lanes.add(entry(order))
    lanes.requeue(taken(lanes))
    assert [taken(lanes).order_id for _ in range(3)] == ["b", "c", "a"]


def test_its_repr_counts() -> None:
    lanes = Lanes()
    lanes.add(entry("a"))
    assert repr(lanes) == "<Lanes 1 ready=1 busy=0 waiting_records=0>"
