"""The fences of one partition number: which orders' later records are parked, too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workers.app.sink.write_queue import Write, WriteQueue
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import NO_KEY, Fence, ParkReason
from workers.core.parked.headers import DETAIL, REASON, Parking, header_text
from workers.core.receipt import Receipt
from workers.core.record import Record
from workers.edges.kafka.transactions import Outgoing


class Fences(Mapping[str, Fence]):
    """By order id. Only this class changes them, and each change queues the order's row: no change is ever kept
    from the next owner.

    A fence blocks from the moment that its record's write is queued, so that no later record of the order passes.
    """

    def __init__(self, writes: WriteQueue) -> None:
        self._writes = writes
        self._fences: dict[str, Fence] = {}
        self._being_lifted: set[str] = set()

    def __getitem__(self, order_id: str) -> Fence:
        return self._fences[order_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fences)

    def __len__(self) -> int:
        return len(self._fences)

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._fences

    def get(self, order_id: str, default: Any = None) -> Any:
        return self._fences.get(order_id, default)

    def is_being_lifted(self, order_id: str) -> bool:
        """Whether the fence has been lifted in memory and the transaction that removes its row is not acknowledged.

        If we sent a record of the order now and died, the next owner would find the fence and replay the parked
        records after it.
        """
        return order_id in self._being_lifted

    def load(self, order_id: str, fence: Fence | None) -> None:
        """As its row in Kafka has it: the one change that queues no row."""
        if fence is None:
            self._fences.pop(order_id, None)
        else:
            self._fences[order_id] = fence

    def block(self, entry: Entry, parking: Parking, now_ms: int) -> Fence:
        """Park a record. From now on later records of its order are parked behind it, if it blocks."""
        order_id = entry.order_id or NO_KEY
        fence = self._fences.get(order_id)
        if fence is None:
            fence = Fence(
                parking.reason,
                parking.detail,
                now_ms,
                1,
                creates_order=entry.creates_order,
                non_blocking=not parking.blocks_following,
            )
        else:
            fence = fence.with_one_more(creates_order=entry.creates_order, blocks_following=parking.blocks_following)
        self._set(fence, Write(order_id, entry, parking))
        return fence

    def note_create_delivered(self, entry: Entry) -> None:
        """The create that a parked order lacked has been delivered; its offset is committed with this row.

        If it were committed first and we died in between, the parked records would stay for good.
        """
        self._set(replace(self._fences[entry.order_id], create_delivered=True), Write(entry.order_id, entry))

    def supersede(self, entry: Entry) -> None:
        """All that is parked of the order is older than this delivered record: a replay would undo it."""
        fence = self._fences[entry.order_id]
        if fence.superseded < fence.records:
            self._set(replace(fence, superseded=fence.records), Write(entry.order_id, entry))

    def advance(self, order_id: str, place: int) -> None:
        """Its first record has been delivered; the next one lies at ``place`` in the parked topic, or beyond."""
        self._set(self._fences[order_id].without_first(place), Write(order_id))

    def refuse(
        self, order_id: str, parking: Parking, place: int, command: str | None, entry: Entry | None = None
    ) -> None:
        """Its first record, at ``place``, cannot be delivered: all stay parked for this reason.

        ``entry``: a copy of the record is parked, with the new reason.
        """
        fence = self._fences[order_id].refused(parking.reason, parking.detail, place, command)
        copy = None if entry is None else replace(parking, replays=fence.replays)
        self._set(fence, Write(order_id, entry, copy))

    def lift(self, order_id: str, trace: Outgoing | None = None, receipts: Sequence[Receipt] = ()) -> None:
        """Nothing of the order is parked any more; ``trace``, ``receipts``: of a discard."""
        del self._fences[order_id]
        self._being_lifted.add(order_id)
        self._writes.append(Write(order_id, extra_record=trace, receipts=receipts))

    def give_up_first(
        self, order_id: str, second: Record, command: str, trace: Outgoing, receipts: Sequence[Receipt] = ()
    ) -> None:
        """An operator gave up its first record; ``second``, the next one as it lies parked, now leads."""
        fence = replace(
            self._fences[order_id].without_first(second.offset),
            reason=ParkReason(header_text(second, REASON) or ""),
            detail=header_text(second, DETAIL) or "",
            create_delivered=False,
            replays=0,
            command=command,
        )
        self._set(fence, Write(order_id, extra_record=trace, receipts=receipts))

    def acknowledge(self, writes: Sequence[Write], written: Mapping[str, Fence | None]) -> list[Entry]:
        """A transaction has written these rows. Returns the entries that wait for no other write."""
        for order_id, fence in written.items():
            present = self._fences.get(order_id)
            if fence is not None and present is not None:
                self._fences[order_id] = present.with_acknowledged(fence)
        finished = self._writes.acknowledge(writes)
        if self._being_lifted:
            self._being_lifted -= {order_id for order_id in written if not self._writes.has_writes_of(order_id)}
        return finished

    def _set(self, fence: Fence, write: Write) -> None:
        assert write.order_id is not None
        self._fences[write.order_id] = fence
        self._writes.append(write)
