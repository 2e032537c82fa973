"""What is to be parked, in order, with the fences that follow from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from workers.app.sink.state import SinkState
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import NO_KEY, Fence
from workers.core.parked.headers import Parking, parked_headers
from workers.core.parked.rows import fence_row
from workers.core.record import Partition
from workers.edges.kafka.transactions import Outgoing
from workers.edges.log import log

MOST_TOGETHER = 2_000  # writes of one partition number in one transaction
MOST_BYTES = 4 * 1024 * 1024  # of their values: the producer holds them once more


class Write(NamedTuple):
    """One record to be parked and its order's fence, or a fence alone, or another record alone.

    A record without ``parking`` was delivered; it finishes with the change of the fence that it brought.
    """

    number: int
    order_id: str | None  # None: it changes no fence
    entry: Entry | None = None
    parking: Parking | None = None
    other: Outgoing | None = None  # written with it: a delivery's mark, a command's row, the trace of a discard

    @property
    def size(self) -> int:
        """Bytes of the record that is to be parked."""
        return 0 if self.entry is None or self.parking is None else len(self.entry.record.value or b"")


@dataclass(frozen=True, slots=True)
class TransactionDraft:
    """One transaction's parked records and fences."""

    writes: tuple[Write, ...]
    fences: Mapping[tuple[int, str], Fence | None]  # by partition number and order; None: it has ended
    sink: str
    parks: str
    state: str
    now_ms: int

    def records(self) -> list[Outgoing]:
        """The parked records: original key and value, the reason in the headers."""
        return [
            Outgoing(
                Partition(self.parks, write.number),
                write.entry.record.key,
                write.entry.record.value,
                parked_headers(write.entry.record, self.sink, write.parking, self.now_ms, write.order_id),
            )
            for write in self.writes
            if write.entry is not None and write.parking is not None
        ]

    def rows(self, placed: Sequence[int]) -> list[Outgoing]:
        """The orders' rows in the parked state, their records at ``placed``."""
        fences = [
            Outgoing(Partition(self.state, number), order_id.encode(), None if fence is None else fence_row(fence))
            for (number, order_id), fence in self.placed(placed).items()
        ]
        return fences + [write.other for write in self.writes if write.other is not None]

    def placed(self, placed: Sequence[int]) -> dict[tuple[int, str], Fence | None]:
        """The fences with the places of their records taken in."""
        offsets = iter(placed)
        fences = dict(self.fences)
        for write in self.writes:
            offset = None if write.parking is None else next(offsets)
            if write.order_id is None or offset is None:
                continue
            fence = fences[write.number, write.order_id]
            fences[write.number, write.order_id] = None if fence is None else fence.at(offset)
        return fences


class WriteQueue:
    """The writes that wait for their transaction, by partition number, each queue in order.

    A fence holds in memory from the moment its record is queued, so that nothing of the order can pass it; the
    record's offset is committed only by the transaction that parks it.
    """

    def __init__(self, state: SinkState) -> None:
        self._state = state
        self._queues: dict[int, deque[Write]] = {}
        self._orders: Counter[tuple[int, str]] = Counter()  # how many writes of each order wait, by partition number

    def park(self, entry: Entry, parking: Parking) -> None:
        """Queue a record; later records of its order are parked behind it from now on, if it fences."""
        shard = self._state.shard_of(entry)
        if shard is None:
            return  # given away since: its next owner comes to the same end
        order_id = entry.order_id or NO_KEY
        fence = shard.fences.get(order_id)
        shard.fences[order_id] = (
            self._first(entry, parking)
            if fence is None
            else fence.with_one_more(creates_order=entry.creates_order, blocks_following=parking.blocks_following)
        )
        self._add(Write(shard.number, order_id, entry, parking))
        if shard.fences[order_id].records == self._state.spec.max_parked_per_order:
            log.error(
                "parked_order_full",
                worker=self._state.spec.name,
                order_id=order_id,
                records=shard.fences[order_id].records,
            )

    def _first(self, entry: Entry, parking: Parking) -> Fence:
        now_ms = self._state.wall_ms()
        return Fence(
            parking.reason,
            parking.detail,
            now_ms,
            1,
            creates_order=entry.creates_order,
            non_blocking=not parking.blocks_following,
        )

    def park_again(self, number: int, order_id: str, entry: Entry, parking: Parking) -> None:
        """Queue a copy of a parked record that was refused again, with the new reason; its fence knows already."""
        self._add(Write(number, order_id, entry, parking))

    def fence_changed(self, number: int, order_id: str, delivered: Entry | None = None) -> None:
        """Queue the order's fence as it stands in memory, or its end; ``delivered`` finishes with it, not before."""
        self._add(Write(number, order_id, delivered))

    def tracked(self, number: int, entry: Entry, mark: Outgoing) -> None:
        """Queue a delivered record's mark; the record finishes with it, not before."""
        self._add(Write(number, None, entry, other=mark))

    def say(self, number: int, other: Outgoing, order_id: str | None = None) -> None:
        """Queue another record, with the fence of ``order_id`` as it stands in memory."""
        self._add(Write(number, order_id, other=other))

    def take(self, numbers: Collection[int]) -> list[Write]:
        """The next writes of these partition numbers; they stay queued until `done`."""
        return [write for number in numbers for write in _together(self._queues.get(number, ()))]

    def done(self, writes: Sequence[Write]) -> None:
        """These have been written: the first of their queues."""
        for write in writes:
            queue = self._queues.get(write.number)
            if queue and queue[0] is write:
                queue.popleft()
                if write.order_id is not None:
                    self._less((write.number, write.order_id))

    def forget(self) -> None:
        """The partitions are given away: what has not been written is still uncommitted."""
        self._queues.clear()
        self._orders.clear()
        self._state.unfencing.clear()

    @property
    def numbers(self) -> list[int]:
        """Partition numbers with something to write."""
        return [number for number, queue in self._queues.items() if queue]

    def crowded(self, numbers: Collection[int]) -> bool:
        """Whether more waits for one of these partition numbers than a transaction takes."""
        return any(len(self._queues.get(number, ())) >= MOST_TOGETHER for number in numbers)

    def holds(self, number: int, order_id: str) -> bool:
        """Whether something of this order waits to be written to this partition number."""
        return (number, order_id) in self._orders

    def draft(self, writes: Sequence[Write]) -> TransactionDraft:
        """What a transaction is to write; a copy, since the transaction has a thread of its own."""
        spec, now_ms = self._state.spec, self._state.wall_ms()
        fences = {
            (write.number, write.order_id): self._state.shards[write.number].fences.get(write.order_id)
            for write in writes
            if write.order_id is not None
        }
        return TransactionDraft(tuple(writes), fences, spec.name, spec.parks, spec.parked_state, now_ms)

    def _add(self, write: Write) -> None:
        self._queues.setdefault(write.number, deque()).append(write)
        if write.order_id is not None:
            place = write.number, write.order_id
            self._orders[place] += 1
            if write.order_id not in self._state.shards[write.number].fences:
                self._state.unfencing.add(place)

    def _less(self, place: tuple[int, str]) -> None:
        self._orders[place] -= 1
        if not self._orders[place]:
            del self._orders[place]
            self._state.unfencing.discard(place)


def _together(queue: Iterable[Write]) -> Iterator[Write]:
    size = 0
    for write in islice(queue, MOST_TOGETHER):
        yield write
        size += write.size
        if size >= MOST_BYTES:
            return


def with_places(fence: Fence, placed: Fence) -> Fence:
    """The present fence with the places that a transaction has acknowledged; it may have grown meanwhile.

    A redelivery may have moved ``first`` on meanwhile: put back, it would deliver again after a restart.
    """
    return replace(fence, first=placed.first if fence.first is None else fence.first, last=placed.last)
