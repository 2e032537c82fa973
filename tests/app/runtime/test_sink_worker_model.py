"""A whole sink worker against a model of Kafka and of a vendor, whatever happens in whatever order.

Kafka is what outlives a process: the source topics, the parked topic, the parked state and the group's commits. The
worker is the real one, driven through the interfaces of its edges. The vendor answers when and how a rule says.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.sink_rig import CREATED, STATUS, TOPICS, Flight
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.worker_rig import FakeKafka, WorkerRig
from workers.core.consume.start_position import StartAt, decide_start
from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Skipped,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.core.parked.commands import DiscardCommand, ReplayCommand, command_key, command_row
from workers.core.parked.fence import Fence
from workers.core.parked.headers import DISCARDED_AT, is_original, order_of, source_record
from workers.core.parked.rows import read_row
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Assignment, Batch, Fetched, Release
from workers.edges.kafka.parked_reader import Bound, Wave

PARKS, STATE = Partition("ecdp-parked", 0), Partition("ecdp-parked-state", 0)
SOURCES = tuple(Partition(topic, 0) for topic in TOPICS)
ORDERS = st.sampled_from(["A", "A", "B"])
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    [
        Delivered(),
        Delivered(),
        Skipped("unchanged"),
        Skipped("unchanged", supersedes=True),
        Rejected("no"),
        Rejected("no"),
        Rejected("not now", blocks_following=False),
        UnknownOrder("404"),
        Unavailable("500"),
        Unknown("time-out"),
        Denied("401"),
    ]
)
Source = tuple[str, int]  # topic, offset


@dataclass
class Kafka:
    """What outlives the process."""

    sources: dict[Partition, list[Record]] = field(default_factory=lambda: {at: [] for at in SOURCES})
    parked: list[Record] = field(default_factory=list)
    state: list[Record] = field(default_factory=list)
    commits: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    generation: int = 0

    def rows(self) -> dict[str, bytes]:
        rows: dict[str, bytes] = {}
        for record in self.state:
            key = (record.key or b"").decode()
            rows.pop(key, None)
            if record.value is not None:
                rows[key] = record.value
        return rows

    def fences(self) -> dict[str, Fence]:
        found = {key: read_row(value) for key, value in self.rows().items()}
        return {key: row for key, row in found.items() if isinstance(row, Fence)}

    def start(self, at: Partition) -> StartAt:
        offset, metadata = self.commits.get(at, (0, ""))
        start = decide_start(at, committed=offset, metadata=metadata, earliest=0, end=len(self.sources[at]))
        assert isinstance(start, StartAt)
        return start

    def finished(self) -> set[Source]:
        """What no later owner will send again, as the commits say."""
        return {
            (record.topic, record.offset)
            for at, log in self.sources.items()
            for start in [self.start(at)]
            for record in log
            if record.offset < start.offset or (start.finished is not None and record.offset in start.finished)
        }

    def open_parked(self) -> set[Source]:
        """What lies parked at or behind its order's fence: a replay or an operator finds it there."""
        fences = self.fences()
        found = set()
        for record in self.parked:
            fence = fences.get(order_of(record))
            if fence is not None and fence.first is not None and record.offset >= fence.first and is_original(record):
                source = source_record(record)
                found.add((source.topic, source.offset))
        return found

    def given_up(self) -> set[Source]:
        """What an operator has discarded."""
        found = set()
        for trace in (one for one in self.parked if one.header(DISCARDED_AT) is not None):
            first, last = (int(trace.header(f"relay-discarded-{end}") or b"0") for end in ("first", "last"))
            for record in self.parked[first : last + 1]:
                if is_original(record) and order_of(record) == order_of(trace):
                    source = source_record(record)
                    found.add((source.topic, source.offset))
        return found


@dataclass(eq=False)
class Transaction:
    """One that waits for the model to let it through."""

    records: Sequence[Any]
    rows: Callable[[list[int]], Sequence[Any]]
    offsets: Any
    done: asyncio.Future[list[int]]


class Process(FakeKafka):
    """One process's edges: its Kafka thread, its producer, its readers. A crash takes it away."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.transactions: deque[Transaction] = deque()
        self.reader: Any = None
        self.blocked = False  # the Kafka thread is in a rebalance and processes no commands
        self.followed = 0

    def commit(self, epoch: int, offsets: Mapping[Partition, tuple[int, str]]) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.blocked:
            return done
        if epoch == self.kafka.generation:
            self.take_offsets(offsets)
            done.set_result(None)
        else:
            done.set_exception(KafkaFailed("not the present generation"))
        return done

    def take_offsets(self, offsets: Mapping[Partition, tuple[int, str]]) -> None:
        for at, (offset, metadata) in offsets.items():
            assert offset >= self.kafka.commits.get(at, (0, ""))[0], "a commit never moves back"
            self.kafka.commits[at] = (offset, metadata)

    async def write(self, records: Any, rows: Any, offsets: Any) -> list[int]:
        done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self.transactions.append(Transaction(records, rows, offsets, done))
        return await done

    def follow(self, numbers: frozenset[int], reader: Any) -> None:
        assert numbers == {0}
        self.reader, self.followed = reader, 0

    def feed(self) -> None:
        """What the parked state's reader has not seen yet."""
        if self.reader is not None:
            self.reader.rows(0, self.kafka.state[self.followed :])
            self.followed = len(self.kafka.state)

    async def read(self, at: Partition, wanted: Mapping[str, tuple[int, int]], bound: Bound | None = None) -> Wave:
        del bound
        assert at == PARKS
        orders: dict[str, list[Record]] = {}
        for record in self.kafka.parked:
            first, last = wanted.get(order_of(record), (0, -1))
            if first <= record.offset <= last:
                orders.setdefault(order_of(record), []).append(record)
        return Wave(orders, max(last for _, last in wanted.values()))


class SinkMachine(RuleBasedStateMachine):
    """One partition number of both topics, two orders, one owner after another."""

    @initialize()
    def begin(self) -> None:
        self.loop = VirtualTimeLoop()
        self.kafka = Kafka()
        self.applied: dict[str, list[Source]] = {}  # at the vendor, by order
        self.skipped: set[Source] = set()
        self.sent: Counter[Source] = Counter()
        self.excused = 0  # crashes, losses and unknown results: what may be sent twice
        self.commands = 0
        self._begin_process()

    def _run(self, what: Any = None) -> None:
        async def run() -> None:
            if what is not None:
                what()
            for _ in range(20):
                await asyncio.sleep(0)

        self.loop.run_until_complete(run())

    def _begin_process(self) -> None:
        self.process = Process(self.kafka)

        async def start() -> WorkerRig:
            rig = WorkerRig(self.process, unknown_order_wait="5s", retry={"first": "1s", "max": "2s"})
            await rig.worker.start()
            return rig

        self.rig = self.loop.run_until_complete(start())
        self._assign()

    def _assign(self, *, late: bool = False) -> None:
        self.kafka.generation += 1
        epoch = self.kafka.generation
        self.positions: dict[Partition, int] = {}
        self.loaded = False

        def assign() -> None:
            worker = self.rig.worker
            worker.assigned(Assignment(epoch, frozenset(SOURCES), epoch))
            worker.previous_owner_fenced(epoch)
            for at in SOURCES:
                start = self.kafka.start(at)
                self.positions[at] = start.offset
                worker.begun(epoch, at, start)

        self._run(assign)
        if not late:
            self.load_the_parked_state()
            self.fetch(4)

    @property
    def flights(self) -> list[Flight]:
        return [flight for flight in self.rig.vendor.flights if not flight.answer.done()]

    # Kafka.

    @rule(order=ORDERS, create=st.booleans(), kind=st.sampled_from(["", "", "", "skip", "invalid"]))
    def publish(self, order: str, create: bool, kind: str) -> None:
        at = Partition(CREATED if create else STATUS, 0)
        log = self.kafka.sources[at]
        now_ms = int(self.loop.time() * 1000) + sum(map(len, self.kafka.sources.values()))
        value = f"{order}:{kind}".encode()
        log.append(Record(*at, len(log), now_ms, order.encode(), value))
        if kind == "skip":
            self.skipped.add((at.topic, len(log) - 1))
        self.fetch(2)

    @rule(most=st.integers(1, 4))
    def fetch(self, most: int) -> None:
        """A hand-over of some records of each topic, stamped with the ends."""
        batches = []
        for at in SOURCES:
            position = self.positions[at]
            records = self.kafka.sources[at][position : position + most]
            self.positions[at] = position + len(records)
            batches.append(Batch(at, records, self.positions[at]))
        ends = {at: len(self.kafka.sources[at]) for at in SOURCES}
        epoch = self.kafka.generation
        self._run(lambda: self.rig.worker.fetched(Fetched(epoch, batches, ends, {})))

    @rule()
    def load_the_parked_state(self) -> None:
        def load() -> None:
            self.process.feed()
            if not self.loaded:
                self.loaded = True
                self.process.reader.loaded(0)

        self._run(load)

    @rule(outcome=OUTCOMES, rounds=st.integers(1, 3))
    def go_on(self, outcome: Outcome, rounds: int) -> None:
        """All goes its way for a while."""
        for _ in range(rounds):
            self.fetch(4)
            self.answer_all(outcome)
            self.end_all_transactions()
            self.pass_time(0.1)

    @rule()
    def end_all_transactions(self) -> None:
        for _ in range(20):
            if self.process.transactions:
                self.end_a_transaction("written")
        assert not self.process.transactions, "transactions that lead to ever more"

    @precondition(lambda self: self.process.transactions)
    @rule(ending=st.sampled_from(["written", "written", "written", "refused", "unheard"]))
    def end_a_transaction(self, ending: str) -> None:
        """``unheard``: it went through, and its acknowledgement was lost."""
        one = self.process.transactions.popleft()
        if ending == "refused" or one.offsets.group != self.kafka.generation:
            self._run(lambda: one.done.set_exception(KafkaFailed("refused")))
            return
        placed = []
        for record in one.records:
            placed.append(len(self.kafka.parked))
            self._append(self.kafka.parked, PARKS, record)
        for row in one.rows(placed):
            if row.partition == PARKS:  # the trace of a discard
                self._append(self.kafka.parked, PARKS, row)
            else:
                self._append(self.kafka.state, STATE, row)
        assert one.offsets.offsets, "only a transaction that carries offsets is refused to a former owner"
        self.process.take_offsets(one.offsets.offsets)
        if ending == "unheard":
            self._run(lambda: one.done.set_exception(KafkaFailed("not acknowledged")))
        else:
            self._run(lambda: one.done.set_result(placed))
        self._run(self.process.feed)

    @staticmethod
    def _append(log: list[Record], at: Partition, written: Any) -> None:
        log.append(Record(*at, len(log), 0, written.key, written.value, written.headers))

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 6.0]))
    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    # The vendor.

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), outcome=OUTCOMES, applied=st.booleans())
    def answer(self, data: st.DataObject, outcome: Outcome, applied: bool) -> None:
        flight = data.draw(st.sampled_from(self.flights))
        self._answer(flight, outcome, applied=applied)

    def _answer(self, flight: Flight, outcome: Outcome, *, applied: bool = False) -> None:
        if isinstance(outcome, Delivered):
            self._apply(flight)
        elif isinstance(outcome, Skipped):
            self.skipped |= {self._source_of(flight)}
        elif isinstance(outcome, Unknown):
            self.excused += 1
            if applied:
                self._apply(flight)
        self._run(lambda: flight.answer.set_result([outcome]))

    def _source_of(self, flight: Flight) -> Source:
        record = self.rig.source_of(flight)
        return record.topic, record.offset

    def _apply(self, flight: Flight) -> None:
        source = self._source_of(flight)
        self.sent[source] += 1
        self.applied.setdefault(flight.orders[0], []).append(source)

    @rule(outcome=st.sampled_from([Delivered(), Delivered(), Rejected("no")]))
    def answer_all(self, outcome: Outcome) -> None:
        for flight in self.flights:
            self._answer(flight, outcome)

    # The operator.

    @precondition(lambda self: self.loaded and self.kafka.fences())
    @rule(data=st.data())
    def ask_for_a_replay(self, data: st.DataObject) -> None:
        fences = self.kafka.fences()
        orders = data.draw(st.sets(st.sampled_from(sorted(fences)), min_size=1))
        self._ask_replay({order: fences[order].since_ms for order in orders})

    def _ask_replay(self, orders: dict[str, int]) -> None:
        self.commands += 1
        name = f"c{self.commands}"
        self._command(name, command_row(ReplayCommand(name, orders, self._later())))

    @precondition(lambda self: self.loaded and self.kafka.fences())
    @rule(data=st.data(), first_only=st.booleans())
    def ask_for_a_discard(self, data: st.DataObject, first_only: bool) -> None:
        fences = self.kafka.fences()
        order = data.draw(st.sampled_from(sorted(fences)))
        self.commands += 1
        name = f"c{self.commands}"
        wanted = DiscardCommand(name, {order: fences[order].since_ms}, self._later(), "ada", "", first_only)
        self._command(name, command_row(wanted))

    def _later(self) -> int:
        return int(self.loop.time() * 1000) + 60_000

    def _command(self, name: str, row: bytes) -> None:
        self.kafka.state.append(Record(*STATE, len(self.kafka.state), 0, command_key(name), row))
        self._run(self.process.feed)

    # Rebalances and crashes.

    @rule(late=st.booleans())
    def lose_the_assignment(self, late: bool) -> None:
        """The group goes on without us; what is in flight is cut off, and a transaction under way is refused."""
        epoch = self.kafka.generation
        self.excused += 1
        self.kafka.generation += 1
        self._run(lambda: self.rig.worker.lost(epoch))
        self._cut_off()
        self._assign(late=late)

    def _cut_off(self) -> None:
        """The vendor may have applied what was in flight; the model says: it has not."""
        for flight in self.flights:
            flight.answer.cancel()

    @rule(within=st.sampled_from([0.5, 30.0]))
    def give_the_partitions_away(self, within: float) -> None:
        """A rebalance: the release drains what it can, then the partitions come back."""
        release = Release(frozenset(SOURCES), self.loop.time() + within)
        release.epoch = self.kafka.generation
        self.process.blocked = True
        self._run(lambda: self.rig.worker.release(release))
        for _ in range(50):
            if release.done:
                break
            if within > 1:
                for flight in self.flights:
                    self._answer(flight, Delivered())
                self.end_all_transactions()
            self.process.take_offsets(release.offsets)
            self.loop.run_until_complete(asyncio.sleep(0.2))
        assert release.done
        self.process.take_offsets(release.offsets)
        self.excused += 1
        self._cut_off()
        self.process.blocked = False
        self._assign()

    @rule()
    def crash(self) -> None:
        self.excused += 1
        self._end_process()
        self._begin_process()

    def _end_process(self) -> None:
        async def kill() -> None:
            current = asyncio.current_task()
            tasks = [task for task in asyncio.all_tasks() if task is not current]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.loop.run_until_complete(kill())
        assert self.rig.failures == []

    # What must hold.

    @invariant()
    def each_finished_record_has_its_end(self) -> None:
        """Delivered, skipped, given up by an operator, or parked where a replay finds it."""
        if not hasattr(self, "kafka"):
            return
        ended = set(self.sent) | self.skipped | self.kafka.given_up() | self.kafka.open_parked()
        assert self.kafka.finished() <= ended

    @invariant()
    def no_record_is_sent_twice_without_a_reason(self) -> None:
        if hasattr(self, "kafka"):
            assert sum(self.sent.values()) - len(self.sent) <= self.excused * 6

    @invariant()
    def effects_of_an_order_go_back_only_with_a_reason(self) -> None:
        if not hasattr(self, "kafka"):
            return
        for effects in self.applied.values():
            for topic in TOPICS:
                offsets = [offset for name, offset in effects if name == topic]
                back = sum(after < before for before, after in pairwise(offsets))
                assert back <= self.excused, "later records of a fenced order never pass"
            if not self.excused:
                assert len(effects) == len(set(effects)), "each record has exactly one end"

    def teardown(self) -> None:
        """In the end, all faults over, every record has its end, nothing is parked, and all of it is committed."""
        if not hasattr(self, "kafka"):
            return
        try:
            self._bring_to_an_end()
        finally:
            self._end_process()
            self.loop.close()

    def _bring_to_an_end(self) -> None:
        for _ in range(80):
            self.load_the_parked_state()
            self.fetch(100)
            for _ in range(50):
                if self.flights:
                    self._answer(self.flights[0], Delivered())
            self.end_all_transactions()
            self.pass_time(1.0)
            fences = self.kafka.fences()
            if not fences and self._is_all_committed() and not self.kafka.rows():
                break
            if fences and not self.flights and not self.process.transactions:
                self._end_of(fences)
        published = {(one.topic, one.offset) for log in self.kafka.sources.values() for one in log}
        assert published <= set(self.sent) | self.skipped | self.kafka.given_up()
        assert self._is_all_committed()
        assert self.kafka.rows() == {}, "no fence and no command is left"
        self.each_finished_record_has_its_end()
        self.effects_of_an_order_go_back_only_with_a_reason()

    def _end_of(self, fences: dict[str, Fence]) -> None:
        """Replay what can be delivered; what is invalid or superseded is refused each time, and given up."""
        for order, fence in fences.items():
            self.commands += 1
            name = f"c{self.commands}"
            if fence.replays:
                one = DiscardCommand(name, {order: fence.since_ms}, self._later(), "ada", "", first_only=True)
                self._command(name, command_row(one))
            else:
                self._command(name, command_row(ReplayCommand(name, {order: fence.since_ms}, self._later())))

    def _is_all_committed(self) -> bool:
        return all(self.kafka.start(at).offset == len(log) for at, log in self.kafka.sources.items())


SinkMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestSinkWorker = SinkMachine.TestCase
