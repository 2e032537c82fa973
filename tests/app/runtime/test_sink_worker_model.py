"""A whole sink worker against a model of Kafka and of a vendor, whatever happens in whatever order.

Kafka is what outlives a process: the source topics, the parked topic, the parked state and the group's commits. The
worker is the real one, driven through the interfaces of its edges. The vendor answers when and how a rule says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.kafka_model import SOURCES, Kafka, Process, Source
from tests.support.sink_rig import CREATED, STATUS, TOPICS, Flight
from tests.support.virtual_time import VirtualTimeLoop
from tests.support.worker_rig import OUTCOMES, WorkerRig
from workers.core.delivery.outcome import Delivered, Outcome, Rejected, Skipped, Unknown
from workers.core.parked.fence import Fence
from workers.core.parked.rows import DiscardCommand, ReplayCommand, command_row
from workers.core.record import Partition
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Assignment, Release

ORDERS = st.sampled_from(["A", "A", "B"])


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
        self.early: dict[str, int] = {}  # new orders whose status was appended first, and `excused` at that time
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

    @rule(order=ORDERS, create=st.booleans(), kind=st.sampled_from(["", "", "", "skip", "invalid"]))
    def publish(self, order: str, create: bool, kind: str) -> None:
        source = self._publish(CREATED if create else STATUS, f"{order}:{kind}")
        if kind == "skip":
            self.skipped.add(source)
        self.fetch(2)

    @rule(apart=st.sampled_from([0.0, 0.3, 0.9]))
    def publish_a_status_before_its_create(self, apart: float) -> None:
        """By a publisher that waits for no acknowledgement; nothing goes wrong meanwhile."""
        order = f"E{len(self.early)}"
        self.early[order] = self.excused
        self._publish(STATUS, f"{order}@2:")
        self.fetch(100)
        self.pass_time(apart)
        self._publish(CREATED, f"{order}@1:")
        self.fetch(100)

    def _publish(self, topic: str, value: str) -> Source:
        return topic, self.kafka.publish(Partition(topic, 0), value, int(self.loop.time() * 1000))

    @rule(most=st.integers(1, 4))
    def fetch(self, most: int) -> None:
        """A hand-over of some records of each topic, stamped with the ends."""
        fetched = self.kafka.fetch(self.positions, most, int(self.loop.time() * 1000))
        self._run(lambda: self.rig.worker.fetched(fetched))

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
        for _ in range(100):
            if self.process.appends:
                self.end_an_append("written")
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
        placed = self.process.apply(one)
        if ending == "unheard":
            self.kafka.unheard = True
            self._run(lambda: one.done.set_exception(KafkaFailed("not acknowledged")))
        else:
            self._run(lambda: one.done.set_result(placed))
        self._run(self.process.feed)

    @precondition(lambda self: self.process.appends)
    @rule(ending=st.sampled_from(["written", "written", "refused", "unheard"]))
    def end_an_append(self, ending: str) -> None:
        self._run(lambda: self.process.end_append(ending))

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.5, 6.0]), hold_receipts=st.booleans())
    def pass_time(self, seconds: float, hold_receipts: bool = False) -> None:
        self.process.holds_receipts = hold_receipts  # else they are acknowledged at once
        self.loop.run_until_complete(asyncio.sleep(seconds))

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

    @precondition(lambda self: self.loaded and self.kafka.fences())
    @rule(data=st.data())
    def ask_for_a_replay(self, data: st.DataObject) -> None:
        fences = self.kafka.fences()
        self._ask_replay(data.draw(st.sets(st.sampled_from(sorted(fences)), min_size=1)), fences)

    def _ask_replay(self, orders: Iterable[str], fences: dict[str, Fence]) -> None:
        wanted = {order: fences[order].since_ms for order in orders}
        self._command(lambda name: command_row(ReplayCommand(name, wanted, self._later())))

    @precondition(lambda self: self.loaded and self.kafka.fences())
    @rule(data=st.data(), first_only=st.booleans())
    def ask_for_a_discard(self, data: st.DataObject, first_only: bool) -> None:
        fences = self.kafka.fences()
        order = data.draw(st.sampled_from(sorted(fences)))
        self._ask_discard(order, fences[order], first_only=first_only)

    def _ask_discard(self, order: str, fence: Fence, *, first_only: bool) -> None:
        wanted = {order: fence.since_ms}
        self._command(lambda name: command_row(DiscardCommand(name, wanted, self._later(), "ada", "", first_only)))

    def _later(self) -> int:
        return int(self.loop.time() * 1000) + 60_000

    def _command(self, row_of: Callable[[str], bytes]) -> None:
        self.kafka.command(row_of)
        self._run(self.process.feed)

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
        self.loop.run_until_complete(self.rig.kill())
        assert self.rig.failures == []

    @invariant()
    def each_finished_record_has_its_end(self) -> None:
        """Delivered, skipped, given up by an operator, or parked where a replay finds it."""
        ended = set(self.sent) | self.skipped | self.kafka.given_up() | self.kafka.open_parked()
        assert self.kafka.finished() <= ended

    @invariant()
    def no_record_is_sent_twice_without_a_reason(self) -> None:
        assert sum(self.sent.values()) - len(self.sent) <= self.excused * 6

    @invariant()
    def effects_of_an_order_go_back_only_with_a_reason(self) -> None:
        for effects in self.applied.values():
            for topic in TOPICS:
                offsets = [offset for name, offset in effects if name == topic]
                back = sum(after < before for before, after in pairwise(offsets))
                assert back <= self.excused, "later records of a fenced order never pass"
            if not self.excused:
                assert len(effects) == len(set(effects)), "each record has exactly one end"

    @invariant()
    def a_create_is_sent_before_the_status_that_was_appended_first(self) -> None:
        if not hasattr(self, "kafka"):
            return
        first: dict[str, Flight] = {}
        for flight in self.rig.vendor.flights:
            first.setdefault(flight.orders[0], flight)
        for order, excused in self.early.items():
            if order in first and excused == self.excused:
                assert first[order].attempts[0].call.creates_order

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
            if not fences and self.kafka.is_all_committed() and not self.kafka.rows():
                break
            if fences and not self.flights and not self.process.transactions:
                self._end_of(fences)
        published = {(one.topic, one.offset) for log in self.kafka.sources.values() for one in log}
        assert published <= set(self.sent) | self.skipped | self.kafka.given_up()
        assert self.kafka.is_all_committed()
        assert self.kafka.rows() == {}, "no fence and no command is left"
        self.each_finished_record_has_its_end()
        self.effects_of_an_order_go_back_only_with_a_reason()

    def _end_of(self, fences: dict[str, Fence]) -> None:
        """Replay what can be delivered; what is invalid or superseded is refused each time, and given up."""
        for order, fence in fences.items():
            if fence.replays:
                self._ask_discard(order, fence, first_only=True)
            else:
                self._ask_replay([order], fences)


SinkMachine.TestCase.settings = settings(max_examples=2 * settings().max_examples, stateful_step_count=30)
TestSinkWorker = pytest.mark.slow(SinkMachine.TestCase)
