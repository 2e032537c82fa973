"""A model of the Kafka that a sink worker works with: what outlives a process, and one process's connections to it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.sink_rig import RECEIPTS, TOPICS, receipts_in
from tests.support.worker_rig import FakeKafka
from workers.core.consume.start_position import StartAt, decide_start
from workers.core.parked.fence import Fence
from workers.core.parked.headers import DISCARDED_AT, is_original, order_of, source_record
from workers.core.parked.rows import command_key, read_row
from workers.core.receipt import Receipt
from workers.core.record import Partition, Record
from workers.edges.kafka.client import KafkaFailed
from workers.edges.kafka.owner import Batch, Fetched
from workers.edges.kafka.parked_reader import Bound, Wave
from workers.edges.kafka.publisher import Appended, Records

PARKS, STATE = Partition("ecdp-parked", 0), Partition("ecdp-parked-state", 0)
SOURCES = tuple(Partition(topic, 0) for topic in TOPICS)
Source = tuple[str, int]  # topic, offset


@dataclass
class Kafka:
    """What outlives the process."""

    sources: dict[Partition, list[Record]] = field(default_factory=lambda: {at: [] for at in SOURCES})
    parked: list[Record] = field(default_factory=list)
    state: list[Record] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    commits: dict[Partition, tuple[int, str]] = field(default_factory=dict)
    generation: int = 0
    commands: int = 0
    unheard: bool = False  # a transaction went through and its owner does not know: it may commit less, and park twice

    def publish(self, at: Partition, value: str, now_ms: int) -> int:
        """Append to a source topic; returns the offset."""
        log = self.sources[at]
        stamp = now_ms + sum(map(len, self.sources.values()))
        key = value.partition(":")[0].partition("@")[0]
        log.append(Record(*at, len(log), stamp, key.encode(), value.encode()))
        return len(log) - 1

    def fetch(self, positions: dict[Partition, int], most: int, now_ms: int) -> Fetched:
        """A hand-over of some records of each topic, stamped with the ends; the positions move on."""
        batches = []
        for at, log in self.sources.items():
            records = log[positions[at] : positions[at] + most]
            positions[at] += len(records)
            batches.append(Batch(at, records, positions[at]))
        ends = {at: len(log) for at, log in self.sources.items()}
        return Fetched(self.generation, batches, ends, {}, now_ms)

    def command(self, row_of: Callable[[str], bytes]) -> None:
        """An operator's command, by its name."""
        self.commands += 1
        name = f"c{self.commands}"
        self.state.append(Record(*STATE, len(self.state), 0, command_key(name), row_of(name)))

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

    def is_all_committed(self) -> bool:
        return all(self.start(at).offset == len(log) for at, log in self.sources.items())

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
class Append:
    """Receipts that wait for the model to let them through."""

    records: Sequence[Any]
    done: asyncio.Future[Appended]


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
        self.appends: deque[Append] = deque()
        self.holds_receipts = False  # an append waits for the model to let it through
        self.blocked = False  # a rebalance is under way: the Kafka thread refuses commits
        self.followed = 0

    def commit(self, epoch: int, offsets: Mapping[Partition, tuple[int, str]]) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if epoch == self.kafka.generation and not self.blocked:
            self.take_offsets(offsets)
            done.set_result(None)
        else:
            done.set_exception(KafkaFailed("not the present generation"))
        return done

    def take_offsets(self, offsets: Mapping[Partition, tuple[int, str]]) -> None:
        for at, (offset, metadata) in offsets.items():
            before = self.kafka.commits.get(at, (0, ""))[0]
            assert offset >= before or self.kafka.unheard, "a commit never moves back"
            self.kafka.commits[at] = (offset, metadata)
        receipted = {(one.topic, one.offset) for one in self.kafka.receipts}
        assert self.kafka.finished() <= receipted, "a record that a commit finishes has its receipt before the commit"

    async def write(self, records: Any, rows: Any, offsets: Any) -> list[int]:
        done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
        self.transactions.append(Transaction(records, rows, offsets, done))
        return await done

    async def append(self, records: Records) -> Appended:
        one = Append(records.records(), asyncio.get_running_loop().create_future())
        self.appends.append(one)
        if not self.holds_receipts:
            self.end_append("written")
        return await one.done

    def end_append(self, ending: str) -> None:
        """``unheard``: the receipts are there, and their acknowledgement was lost."""
        one = self.appends.popleft()
        if ending != "refused":
            self.kafka.receipts += receipts_in(one.records)
        if one.done.done():
            return  # the worker has given up waiting
        if ending == "written":
            one.done.set_result(Appended(frozenset(record.partition for record in one.records)))
        else:
            one.done.set_result(Appended(frozenset(), KafkaFailed("not acknowledged")))

    def apply(self, one: Transaction) -> list[int]:
        """Let a transaction through; returns the offsets of its parked records."""
        placed = [_append(self.kafka.parked, PARKS, record) for record in one.records]
        rows = one.rows(placed)
        self.kafka.receipts += receipts_in(rows)
        for row in (row for row in rows if row.partition.topic != RECEIPTS):
            is_trace = row.partition == PARKS  # of a discard
            _append(*((self.kafka.parked, PARKS) if is_trace else (self.kafka.state, STATE)), row)
        assert one.offsets.offsets, "only a transaction that carries offsets is refused to a former owner"
        self.take_offsets(one.offsets.offsets)
        discarded = {(one.topic, one.offset) for one in self.kafka.receipts if one.outcome == "discarded"}
        assert self.kafka.given_up() == discarded, "a discard's receipts are in its own transaction"
        return placed

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


def _append(log: list[Record], at: Partition, written: Any) -> int:
    log.append(Record(*at, len(log), 0, written.key, written.value, written.headers))
    return len(log) - 1
