"""What was appended before an event was sent goes before it, across topics, whatever the timestamps say."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from workers.core.consume.merge import EndOffsets, Merge
from workers.core.record import Record

TOPICS = ["created", "status", "third"]
WAIT = 10.0


@dataclass
class Log:
    """One topic: records and markers in append order, and how far they were fetched."""

    records: list[Record | None] = field(default_factory=list)  # None: a marker, no record
    fetched: int = 0
    since: float | None = None  # it cannot be fetched


class MergeMachine(RuleBasedStateMachine):
    """Logs grow, are fetched in any interleaving, stamped late or not at all, while records are popped."""

    @initialize(count=st.sampled_from([2, 2, 3]), truthful=st.booleans())
    def begin(self, count: int, truthful: bool) -> None:
        self.truthful = truthful
        self.logs = {topic: Log() for topic in TOPICS[:count]}
        self.merge = Merge(dict.fromkeys(self.logs, 0), WAIT)
        self.now = 0.0
        self.place: dict[tuple[str, int], int] = {}  # (topic, offset) -> its place in the sequence of all appends
        self.batches: dict[str, list[tuple[int, EndOffsets]]] = {topic: [] for topic in self.logs}
        self.popped: list[Record] = []
        self.passed: set[tuple[str, int]] = set()  # went on without a side that could not be fetched

    def topic(self, number: int) -> str:
        return list(self.logs)[number % len(self.logs)]

    @rule(appends=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=8))
    def append(self, appends: list[tuple[int, int]]) -> None:
        """A timestamp is the broker's, and true; or any number."""
        for number, stamp in appends:
            topic = self.topic(number)
            log = self.logs[topic]
            offset = len(log.records)
            if not self.truthful and stamp == 9:
                log.records.append(None)
                continue
            self.place[topic, offset] = len(self.place)
            at = self.place[topic, offset] if self.truthful else stamp
            log.records.append(Record(topic, 0, offset, at, None, None))

    @rule(
        number=st.integers(0, 2),
        most=st.integers(1, 6),
        late=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=4),
        asked=st.booleans() | st.just(value=True),
    )
    def fetch(self, number: int, most: int, late: list[tuple[int, int]], asked: bool) -> None:
        """The other topics' ends are asked after the fetch, when they may have grown; or cannot be asked."""
        topic = self.topic(number)
        log = self.logs[topic]
        if log.since is not None:
            return
        batch = log.records[log.fetched : log.fetched + most]
        log.fetched += len(batch)
        self.append(late)
        ends: EndOffsets = {
            other: len(self.logs[other].records) if asked else None for other in self.logs if other != topic
        }
        records = [record for record in batch if record is not None]
        if records:
            self.batches[topic].append((log.fetched, dict(ends)))
            self.merge.push(topic, records, ends, log.fetched)
        else:
            self.merge.reached(topic, log.fetched)

    @rule(number=st.integers(0, 2))
    def restamp(self, number: int) -> None:
        topic = self.topic(number)
        self.merge.restamp(topic, len(self.logs[topic].records))

    @rule(number=st.integers(0, 2), seconds=st.floats(0, 12))
    def break_or_mend(self, number: int, seconds: float) -> None:
        topic = self.topic(number)
        self.now += seconds
        log = self.logs[topic]
        log.since = self.now if log.since is None else None
        self.merge.unreachable(topic, log.since)

    @rule(most=st.integers(1, 10))
    def pop(self, most: int) -> None:
        for _ in range(most):
            if self.pop_one() is None:
                return

    def pop_one(self) -> Record | None:
        awaited = self.merge.awaited()
        counted = self.merge.passed_unreachable
        record = self.merge.pop(self.now)
        if record is None:
            assert bool(awaited) == bool(self.merge.queued), "what it waits for has a name"
            assert not any(self.merge.queued_of(topic) for topic in awaited)
            return None
        went_on = self.merge.passed_unreachable > counted
        assert went_on == bool(awaited), "it goes without a side only when that is given up, and counts it"
        if went_on:
            self.passed.add((record.topic, record.offset))
            assert all(self.given_up(topic) for topic in awaited)
        self.check_order(record)
        self.popped.append(record)
        return record

    def given_up(self, topic: str) -> bool:
        since = self.logs[topic].since
        return since is not None and self.now - since >= WAIT

    def check_order(self, late: Record) -> None:
        """What has gone before ``late`` though it was appended after it must have had no way to know."""
        place = self.place[late.topic, late.offset]
        for early in self.popped:
            at = early.topic, early.offset
            if self.place[at] < place or at in self.passed:
                continue
            assert early.topic != late.topic, "one topic's records go in their order"
            assert not self.truthful, "with the broker's timestamps none goes before an earlier one"
            end = self.stamp(late, early.topic)
            assert end is None or early.offset < end, "it was appended after the other had been fetched"

    def stamp(self, record: Record, topic: str) -> int | None:
        """The earliest end of ``topic`` known to have been asked after ``record`` was fetched."""
        known = [
            end
            for fetched, ends in self.batches[record.topic]
            if fetched > record.offset and (end := ends[topic]) is not None
        ]
        return min(known, default=None)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        for topic, log in self.logs.items():
            gone = [record for record in self.popped if record.topic == topic]
            records = [record for record in log.records[: log.fetched] if record is not None]
            assert gone == records[: len(gone)]
            assert self.merge.queued_of(topic) == len(records) - len(gone)
        assert self.merge.queued == sum(self.merge.queued_of(topic) for topic in self.logs)

    def teardown(self) -> None:
        """Everything goes in the end, though only what is awaited is fetched while anything is queued."""
        if not hasattr(self, "merge"):
            return
        for topic, log in self.logs.items():
            log.since = None
            self.merge.unreachable(topic, None)
        for _ in range(10 * sum(len(log.records) for log in self.logs.values()) + 10):
            if self.pop_one() is None:
                self.fetch_what_is_awaited()
        assert len(self.popped) == len(self.place)
        assert self.merge.awaited() == []

    def fetch_what_is_awaited(self) -> None:
        topics = list(self.logs)
        for topic in self.merge.awaited() or topics:
            self.restamp(topics.index(topic))
            self.fetch(topics.index(topic), 2, [], asked=True)


MergeMachine.TestCase.settings = settings(stateful_step_count=40)
TestMerge = MergeMachine.TestCase


def record(topic: str, offset: int, at: int = 0) -> Record:
    return Record(topic, 0, offset, at, None, None)


def merge_of(*topics: str) -> Merge:
    return Merge(dict.fromkeys(topics, 0), WAIT)


def test_records_below_each_others_stamps_go_by_timestamp_and_then_by_consumes() -> None:
    merge = merge_of("created", "status")
    merge.push("status", [record("status", 0, at=4), record("status", 1, at=6)], {"created": 2}, 2)
    merge.push("created", [record("created", 0, at=5), record("created", 1, at=6)], {"status": 2}, 2)
    order = [merge.pop(0.0) for _ in range(4)]
    assert order == [record("status", 0, 4), record("created", 0, 5), record("created", 1, 6), record("status", 1, 6)]


def test_stamps_hold_though_timestamps_run_in_a_circle() -> None:
    """a before b by its stamp; b before c and c before a by timestamps: b must not go first."""
    merge = merge_of("a", "b", "c")
    merge.push("a", [record("a", 0, at=30)], {"b": 0, "c": 1}, 1)
    merge.push("b", [record("b", 0, at=10)], {"a": 1, "c": 1}, 1)
    merge.push("c", [record("c", 0, at=20)], {"a": 1, "b": 1}, 1)
    assert [one.topic for one in iter(lambda: merge.pop(0.0), None) if one] == ["c", "a", "b"]


def test_a_later_batchs_stamp_holds_for_what_could_not_be_stamped_before_it() -> None:
    """Stamped later still, the first would let the status before it, and so before the second."""
    merge = merge_of("created", "status")
    merge.push("created", [record("created", 0, at=5)], {"status": None}, 1)
    merge.push("created", [record("created", 1, at=5), record("created", 2, at=5)], {"status": None}, 3)
    merge.push("created", [record("created", 3, at=5)], {"status": 0}, 4)
    merge.push("status", [record("status", 0, at=1)], {"created": 4}, 1)
    merge.restamp("status", 1)
    assert [one.topic for one in iter(lambda: merge.pop(0.0), None) if one] == ["created"] * 4 + ["status"]


def test_what_could_not_be_stamped_waits_until_it_is() -> None:
    """However it was left out: the end was not known, or not even named."""
    for stamps in ({"created": None}, {}):
        merge = merge_of("created", "status")
        merge.push("status", [record("status", 0)], dict(stamps), 1)
        merge.reached("created", 7)
        assert merge.pop(0.0) is None
        assert merge.awaited() == ["created"]
        merge.restamp("created", 7)
        assert merge.awaited() == []
        assert merge.pop(0.0) == record("status", 0)


def test_a_stamp_once_given_is_not_moved() -> None:
    merge = merge_of("created", "status")
    merge.push("status", [record("status", 0)], {"created": 0}, 1)
    merge.restamp("created", 100)
    assert merge.pop(0.0) == record("status", 0)


@given(waited=st.floats(0, 30), stamped=st.booleans())
def test_a_side_that_cannot_be_fetched_is_waited_for_so_long_and_then_counted(waited: float, stamped: bool) -> None:
    merge = merge_of("created", "status")
    merge.push("status", [record("status", 0), record("status", 1)], {"created": 3 if stamped else None}, 2)
    assert merge.pop(1_000.0) is None, "while it can be fetched it is waited for without end"
    merge.unreachable("created", 100.0)
    gone = merge.pop(100.0 + waited)
    assert (gone is not None) == (waited >= WAIT)
    assert merge.passed_unreachable == (waited >= WAIT)
    merge.unreachable("created", None)
    assert merge.pop(1_000.0) is None


def test_what_a_lost_side_had_sent_before_still_goes_in_its_place() -> None:
    merge = merge_of("created", "status")
    merge.push("created", [record("created", 0, at=1)], {"status": 1}, 1)
    merge.push("status", [record("status", 0, at=2)], {"created": 1}, 1)
    merge.unreachable("created", 0.0)
    assert [merge.pop(100.0), merge.pop(100.0)] == [record("created", 0, 1), record("status", 0, 2)]
    assert merge.passed_unreachable == 0
