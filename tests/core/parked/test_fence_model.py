"""Whatever is parked, replayed, refused again, and whenever the owner dies: an order's records never go back.

The model is the worker's, step for step: a log that is the parked topic, the fence in memory, and the fence as its
row in Kafka has it. Writes reach Kafka in their order, some time after memory knows; a crash forgets memory alone.
"""

from collections import deque
from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workers.core.parked.fence import Fence, ParkReason
from workers.core.parked.headers import Parking, is_original, parked_headers, parked_records, source_record
from workers.core.parked.rows import fence_row, read_row
from workers.core.record import Record


@dataclass
class Queued:
    """What a transaction will write: a copy or a record, and how far its source is committed then."""

    record: Record | None = None
    parking: Parking | None = None
    committed: int | None = None
    ends: bool = False  # the fence's row goes


@dataclass
class Kafka:
    """What outlives a crash."""

    log: list[Record] = field(default_factory=list)
    row: bytes | None = None
    committed: int = 0


class OneOrder(RuleBasedStateMachine):
    """One order's worker, its Kafka and its vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.kafka = Kafka()
        self.published = 0
        self.effects: list[int] = []
        self.crashes = 0
        self._start()

    def _start(self) -> None:
        """A new owner: it knows what Kafka knows."""
        row = None if self.kafka.row is None else read_row(self.kafka.row)
        self.fence = row if isinstance(row, Fence) else None
        self.next = self.kafka.committed
        self.queue: deque[Queued] = deque()
        self.run: deque[tuple[int, Record]] | None = None
        self.read_to = -1

    # The stream.

    @rule()
    def publish(self) -> None:
        self.published += 1

    @precondition(lambda self: self.next < self.published and not (self.fence is None and self.queue))
    @rule(refused=st.booleans())
    def take(self, refused: bool) -> None:
        """The next source record: parked behind the fence, refused, or delivered; none while a fence is lifted."""
        record = Record("s", 0, self.next, 0, b"A", str(self.next).encode())
        self.next += 1
        if self.fence is not None:
            self.fence = self.fence.with_one_more()
            self._park(record, Parking(ParkReason.BEHIND, "behind"))
        elif refused:
            self.fence = Fence(ParkReason.REJECTED, "no", self.next, 1)
            self._park(record, Parking(ParkReason.REJECTED, "no"))
        else:
            self.effects.append(record.offset)
            self.kafka.committed = self.next  # nothing is queued: a plain commit

    def _park(self, record: Record, parking: Parking) -> None:
        self.queue.append(Queued(record, parking, committed=record.offset + 1))

    # Transactions.

    @precondition(lambda self: self.queue)
    @rule(lost=st.booleans())
    def write(self, lost: bool) -> None:
        """One transaction; ``lost``: its acknowledgement was lost, and it is written once more."""
        one = self.queue.popleft()
        for _ in range(2 if lost and one.record is not None else 1):
            self._append(one)
        self.kafka.row = None if one.ends or self.fence is None else fence_row(self.fence)
        if one.committed is not None:
            self.kafka.committed = one.committed

    def _append(self, one: Queued) -> None:
        if one.record is None or one.parking is None:
            return
        place = len(self.kafka.log)
        headers = parked_headers(one.record, "sink", one.parking, 0)
        self.kafka.log.append(Record("p", 0, place, 0, b"A", one.record.value, headers))
        if self.fence is not None:
            self.fence = self.fence.with_record_at(place)

    # Replays.

    @precondition(lambda self: self.fence is not None and self.run is None)
    @rule()
    def replay(self) -> None:
        self.run, self.read_to = deque(), -1

    @precondition(lambda self: self.run is not None and not self.run and not self.queue)
    @rule()
    def read(self) -> None:
        """What is parked beyond what has been read; when there is nothing more the fence ends."""
        fence = self.fence
        assert fence is not None
        first, last = fence.first, fence.last
        assert first is not None
        assert last is not None
        if last <= self.read_to:
            self.fence = self.run = None
            self.queue.append(Queued(ends=True))
            return
        found = [one for one in self.kafka.log[max(first, self.read_to + 1) : last + 1] if is_original(one)]
        self.run = deque((story.original.offset, source_record(story.original)) for story in parked_records(found))
        self.read_to = last

    @precondition(lambda self: self.run)
    @rule(refused=st.booleans())
    def redeliver(self, refused: bool) -> None:
        assert self.run is not None
        assert self.fence is not None
        place, record = self.run[0]
        if refused:
            self.fence = self.fence.refused(ParkReason.REJECTED, "still", place, "c")
            copy = Parking(ParkReason.REJECTED, "still", replays=self.fence.replays)
            self.queue.append(Queued(record, copy))
            self.run = None
            return
        self.effects.append(record.offset)
        self.run.popleft()
        if not self.run and not self.queue and (self.fence.last or 0) <= self.read_to:
            self.fence = self.run = None
            self.queue.append(Queued(ends=True))
            return
        self.fence = self.fence.without_first(self.run[0][0] if self.run else self.read_to + 1)
        self.queue.append(Queued())

    @precondition(lambda self: self.queue)
    @rule()
    def write_all(self) -> None:
        while self.queue:
            self.write(lost=False)

    @rule(really=st.integers(0, 3))
    def crash(self, really: int) -> None:
        """Now and then: a run should come to its end, too."""
        if not really:
            self._die()

    def _die(self) -> None:
        self.crashes += 1
        self._start()

    # What must hold.

    @invariant()
    def effects_go_back_only_with_a_crash_and_then_follow_again(self) -> None:
        back = sum(after <= before for before, after in zip(self.effects, self.effects[1:], strict=False))
        assert back <= self.crashes

    @invariant()
    def nothing_is_lost(self) -> None:
        """Each committed record was delivered, or lies parked at or behind the fence."""
        row = None if self.kafka.row is None else read_row(self.kafka.row)
        first = row.first if isinstance(row, Fence) else None
        parked = set() if first is None else {source_record(one).offset for one in self.kafka.log[first:]}
        assert set(range(self.kafka.committed)) <= set(self.effects) | parked

    def teardown(self) -> None:
        """In the end, all refusals over, every record has been delivered, the last one last."""
        self._die()
        for _ in range(10 * self.published + 50):
            while self.queue:
                self.write(lost=False)
            if self.run:
                self.redeliver(refused=False)
            elif self.run is not None:
                self.read()
            elif self.fence is not None:
                self.replay()
            elif self.next < self.published:
                self.take(refused=False)
        assert set(self.effects) == set(range(self.published))
        assert self.fence is None
        assert not self.published or self.effects[-1] == self.published - 1
        self.effects_go_back_only_with_a_crash_and_then_follow_again()


TestOneOrder = OneOrder.TestCase
