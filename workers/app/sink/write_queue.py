"""The writes of one partition number that wait for their transaction, and what the transaction writes for them."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from workers.app.events.receipts import ReceiptDraft
from workers.app.sink.wakeups import Wakeups
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import Fence, OrderKey
from workers.core.parked.headers import Parking, parked_headers
from workers.core.parked.rows import fence_row
from workers.core.receipt import Receipt
from workers.core.record import Partition, Record
from workers.edges.kafka.transactions import Outgoing


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How much of one partition number goes into one transaction."""

    writes: int = 2_000
    value_bytes: int = 4 * 1024 * 1024  # of the parked records: the producer keeps them once more


class Write(NamedTuple):
    """What one change writes: a parked record, an order's fence, another record, or several of these."""

    order_id: str | None = None  # its fence's row is written as the fence is by then, or its end; None: no fence's
    entry: Entry | None = None  # is finished by its writes: parked here, or delivered and noted here
    parking: Parking | None = None  # why the entry's record is parked; None: the entry was delivered
    extra_record: Outgoing | None = None  # a tracked order's row, a command's row, the trace of a discard
    receipts: Sequence[Receipt] = ()  # that are true with this write only: those of a discard
    waiting: asyncio.Future[None] | None = None  # a flight that goes on once the write is acknowledged, or given away

    @property
    def size_bytes(self) -> int:
        """Bytes of the value that is parked."""
        return 0 if self.entry is None or self.parking is None else len(self.entry.record.value or b"")


class WriteQueue:
    """First in, first out: a transaction takes the first writes, and removes them once it is acknowledged.

    Invariant: `Entry.pending_writes` is the number of queued writes that name the entry. An entry that was finished
    before would be committed without what its end has to write, and lost if the process died.
    """

    def __init__(self, wakeups: Wakeups, limits: WriteLimits | None = None) -> None:
        self._wakeups = wakeups
        self._limits = limits or WriteLimits()
        self._queue: deque[Write] = deque()
        self._orders: Counter[str] = Counter()  # queued writes by order
        self.blocked_until = 0.0  # monotonic: its last transaction failed, and is not tried again before
        self.try_alone = False  # it was part of a transaction that failed: which part was at fault is to be found out

    def append(self, write: Write) -> None:
        """Queue a write; the commits are woken."""
        if write.entry is not None:
            write.entry.pending_writes += 1
        if write.order_id is not None:
            self._orders[write.order_id] += 1
        self._queue.append(write)
        self._wakeups.write_soon()

    def next_writes(self) -> list[Write]:
        """What one transaction takes; it stays queued until `acknowledge`."""
        return list(self._within_limits())

    def acknowledge(self, writes: Sequence[Write]) -> list[Entry]:
        """The first writes of the queue have been written. Returns the entries that wait for no other write."""
        finished = []
        for write in writes:
            taken = self._queue.popleft()
            assert taken is write, "writes are acknowledged in the order they were queued in"
            if write.order_id is not None:
                self._forget(write.order_id)
            _go_on(write)
            if write.entry is not None:
                write.entry.pending_writes -= 1
                if not write.entry.pending_writes:
                    finished.append(write.entry)
        return finished

    def given_away(self) -> None:
        """Another process has the partition now, and comes to the same ends.

        Invariant: no flight waits for a write that is never acknowledged. Otherwise it would keep its place among the
        requests in flight for ever.
        """
        for write in self._queue:
            _go_on(write)
            if write.entry is not None:
                write.entry.given_away()

    def entries(self) -> Iterator[Entry]:
        """Those that wait to be parked, in their sequence."""
        return (write.entry for write in self._queue if write.entry is not None and write.parking is not None)

    def has_writes_of(self, order_id: str) -> bool:
        """Whether a write of this order waits: where its records lie is not known yet."""
        return order_id in self._orders

    @property
    def exceeds_one_transaction(self) -> bool:
        """Whether more waits than one transaction takes."""
        return len(self._queue) >= self._limits.writes

    def __len__(self) -> int:
        return len(self._queue)

    def _within_limits(self) -> Iterator[Write]:
        size = 0
        for write in islice(self._queue, self._limits.writes):
            yield write
            size += write.size_bytes
            if size >= self._limits.value_bytes:
                return

    def _forget(self, order_id: str) -> None:
        self._orders[order_id] -= 1
        if not self._orders[order_id]:
            del self._orders[order_id]


@dataclass(frozen=True, slots=True)
class TransactionDraft:
    """What one transaction writes; a copy, since the producer's thread reads it."""

    writes: Mapping[int, Sequence[Write]]  # by partition number
    fences: Mapping[OrderKey, Fence | None]  # None: it has been lifted
    sink: str
    parks: str
    state: str
    now_ms: int
    receipts: ReceiptDraft | None = None  # of all that the transaction's commit finishes

    def records(self) -> list[Outgoing]:
        """The parked records: original key and value, the reason in the headers."""
        return [
            Outgoing(
                Partition(self.parks, number),
                write.entry.record.key,
                write.entry.record.value,
                parked_headers(_on_its_trace(write.entry), self.sink, write.parking, self.now_ms, write.order_id),
            )
            for number, writes in self.writes.items()
            for write in writes
            if write.entry is not None and write.parking is not None
        ]

    def rows(self, offsets: Sequence[int]) -> list[Outgoing]:
        """The fences' rows in the parked state, the parked records at these offsets; extra records; receipts."""
        fences = [
            Outgoing(
                Partition(self.state, key.partition_number),
                key.order_id.encode(),
                None if fence is None else fence_row(fence),
            )
            for key, fence in self.written_fences(offsets).items()
        ]
        extra = [write.extra_record for writes in self.writes.values() for write in writes]
        receipts = [] if self.receipts is None else self.receipts.records()
        return fences + [record for record in extra if record is not None] + receipts

    def end(self, failure: str | None = None) -> None:
        """It is written, or not."""
        if self.receipts is not None:
            self.receipts.span.end(failure)

    def written_fences(self, offsets: Sequence[int]) -> dict[OrderKey, Fence | None]:
        """The fences with the offsets of their parked records."""
        left = iter(offsets)
        fences = dict(self.fences)
        for number, writes in self.writes.items():
            for write in writes:
                offset = None if write.parking is None else next(left)
                if write.order_id is None or offset is None:
                    continue
                key = OrderKey(number, write.order_id)
                fence = fences[key]
                fences[key] = fence and fence.with_record_at(offset)
        return fences


def _go_on(write: Write) -> None:
    if write.waiting is not None and not write.waiting.done():  # the flight may have been cancelled
        write.waiting.set_result(None)


def _on_its_trace(entry: Entry) -> Record:
    return entry.record._replace(headers=entry.span.forwarded(entry.record.headers))
