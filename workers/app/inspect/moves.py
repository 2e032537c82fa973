"""What a move of a sink's committed offsets would do to records: pass over unfinished ones, repeat finished ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from workers.app.events.command_codec import OpenCodec
from workers.app.events.receipts import ReceiptWriter, receipt_records
from workers.core.consume.commit_metadata import FinishedOffsets, encode
from workers.core.receipt import Receipt
from workers.core.record import CommitPoint, Partition, Record
from workers.edges.avro.codec import UnknownSchema
from workers.edges.avro.reader import Undecodable
from workers.edges.avro.registry import RegistryUnavailable
from workers.edges.kafka.client_patches.fetches import DamagedError
from workers.edges.kafka.publisher import Publisher
from workers.edges.kafka.reader import PartitionReader

NAMED_ORDERS = 10


@dataclass(frozen=True, slots=True)
class OffsetMove:
    """One partition's committed offset, and where it is to be."""

    partition: Partition
    commit: CommitPoint | None
    start: int  # the oldest record in the log
    end: int
    target: int

    @property
    def before(self) -> int:
        """The next record that the group would read."""
        return self.start if self.commit is None else self.commit.offset

    @property
    def changes(self) -> bool:
        return self.target != self.before

    @property
    def finished(self) -> FinishedOffsets | None:
        """What has finished beyond the commit."""
        if self.commit is None:
            return None
        return FinishedOffsets.parse(self.partition, self.commit.offset, self.commit.metadata)

    def has_finished(self, offset: int, beyond: FinishedOffsets | None) -> bool:
        """Whether the group has finished a record. A commit beyond the log's end says nothing of the records in it."""
        if self.commit is None or self.commit.offset > self.end:
            return False
        return offset < self.commit.offset or (beyond is not None and offset in beyond)

    @property
    def metadata(self) -> str:
        """What has finished beyond the target stays finished, unless the move goes back to have it delivered again."""
        beyond = self.finished
        if beyond is None or self.target < self.before or beyond.end <= self.target:
            return ""
        return encode(self.partition, self.target, self.target, (), beyond)


@dataclass(slots=True)
class Affected:
    """Records that a move is about, and their orders."""

    records: int = 0
    orders: set[str] = field(default_factory=set)
    first: list[str] = field(default_factory=list)  # orders, at most `NAMED_ORDERS`

    def add(self, order_id: str) -> None:
        self.records += 1
        if order_id not in self.orders:
            self.orders.add(order_id)
            if len(self.first) < NAMED_ORDERS:
                self.first.append(order_id)


@dataclass(slots=True)
class Consequences:
    """What the moves would do."""

    passed_over: Affected = field(default_factory=Affected)  # unfinished: never delivered
    again: Affected = field(default_factory=Affected)  # finished: delivered a second time
    unreadable: list[str] = field(default_factory=list)  # where Kafka gives no record: what was there is unknown

    @property
    def any(self) -> bool:
        return bool(self.passed_over.records or self.again.records or self.unreadable)


ReportProgress = Callable[[Partition, int, int], None]
"""Reports a long read: partition, records read, records in all."""


def consequences(
    reader: PartitionReader, codec: OpenCodec, moves: Iterable[OffsetMove], report: ReportProgress
) -> Consequences:
    """Read what lies between the old and the new offsets; raises kafka-python's errors."""
    found = Consequences()
    for move in moves:
        beyond, passing = move.finished, _passed(move)
        try:
            for record in _records(reader, move, _touched(move), report):
                finished = move.has_finished(record.offset, beyond)
                if record.offset in passing and not finished:
                    found.passed_over.add(order_of(codec, record))
                elif record.offset >= move.target and finished and move.target < move.before:
                    found.again.add(order_of(codec, record))
        except DamagedError as error:
            found.unreadable.append(f"{error.partition}@{error.offset}")
    return found


def write_passed_over(
    reader: PartitionReader, codec: OpenCodec, moves: Iterable[OffsetMove], publisher: Publisher, note: "PassingNote"
) -> None:
    """Write a receipt for each record that is passed over, before any commit passes it; raises kafka's errors."""
    codec.prepare(note.topic)
    for move in moves:
        beyond, passing = move.finished, _passed(move)
        at = Partition(note.topic, move.partition.number)
        try:
            for batch in reader.stretch(move.partition, passing.start, passing.stop) if passing else ():
                unfinished = [one for one in batch if not move.has_finished(one.offset, beyond)]
                receipts = [note.receipt(order_of(codec, one), one) for one in unfinished]
                for row in receipt_records(codec.codec, at, note.writer, receipts, note.now_ms) if receipts else ():
                    publisher.send(at.topic, row.key, row.value, row.headers, partition=at.number)
        except DamagedError:
            continue  # the question has named the place
    publisher.finish()


@dataclass(frozen=True, slots=True)
class PassingNote:
    """Who passes records over, when and why."""

    topic: str  # of the sink's receipts
    writer: ReceiptWriter
    now_ms: int  # since 1970
    reason: str

    def receipt(self, order_id: str, record: Record) -> Receipt:
        return Receipt(order_id, record.topic, record.offset, self.now_ms, "passed_over", self.reason)


def order_of(codec: OpenCodec, record: Record) -> str:
    """The order that the sinks take a record for: by its value, or by its key where no id can be read."""
    try:
        return codec.order_id(record.topic, record.value or b"", record.headers)
    except (Undecodable, UnknownSchema, RegistryUnavailable, KeyError, ValueError):
        return (record.key or b"(no key)").decode("utf-8", "replace")


def _passed(move: OffsetMove) -> range:
    """The offsets that the group would have read next, and does not read."""
    begin = move.start if move.before > move.end else max(move.start, move.before)
    return range(begin, max(begin, min(move.target, move.end)))


def _touched(move: OffsetMove) -> range:
    """The offsets whose records must be looked at."""
    passing = _passed(move)
    if move.target >= move.before:
        return passing
    beyond = move.finished
    last = max(min(move.before, move.end), 0 if beyond is None else min(beyond.end, move.end))
    begin = max(move.start, min(move.target, passing.start if passing else move.target))
    return range(begin, max(begin, last, passing.stop))


def _records(reader: PartitionReader, move: OffsetMove, offsets: range, report: ReportProgress) -> Iterator[Record]:
    if not offsets:
        return
    for batch in reader.stretch(move.partition, offsets.start, offsets.stop):
        yield from batch
        if batch:
            report(move.partition, batch[-1].offset + 1 - offsets.start, len(offsets))
