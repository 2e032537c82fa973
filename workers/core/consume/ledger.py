"""Which offset of one partition may be committed when records finish out of order."""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

from workers.core.consume.commit_metadata import FinishedOffsets, MetadataLimit, encode, fits
from workers.core.record import CommitPoint, Partition


class Ledger:
    """One assigned partition, from assignment to revocation.

    A record is *unfinished* from `open` (in fetch order) until `finish` (in any
    order). Everything below `position` that is not unfinished needs no more
    work: it was delivered, parked, skipped, or never was a record (compaction,
    transaction markers). `committable` is the lowest unfinished offset, or
    `position`. On revocation the ledger is dropped with its partition: a late
    result holds this object, not the partition's number, so it can commit
    nothing for the next owner.
    """

    def __init__(self, start: int, finished: FinishedOffsets | None = None, limit: MetadataLimit | None = None) -> None:
        self._limit = limit or MetadataLimit()
        self.start = start  # the first offset that this owner may have sent
        self.position = start  # the offset after the last one seen
        self._finished_before = finished
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._finished_end = start  # the offset after the highest one that is known to have finished

    def open(self, offset: int) -> bool:
        """Take note of a fetched record; False when it finished under a former owner and must not be sent again."""
        # A commit may already have passed what lies below: opening it there would lose it or move the commit back.
        assert offset >= self.position, f"offset {offset} opened after position {self.position} was reached"
        self.position = offset + 1
        if self._finished_before is not None and offset in self._finished_before:
            self._finished_end = self.position
            return False
        self._unfinished[offset] = None
        return True

    def finish(self, offset: int) -> bool:
        """Nothing more to do for this record; True the first time, finishing twice is the same as once."""
        if offset not in self._unfinished:
            return False
        del self._unfinished[offset]
        self._finished_end = max(self._finished_end, offset + 1)
        return True

    def reached(self, position: int) -> None:
        """The fetch position has moved past what is no record (transaction markers, compacted offsets)."""
        self.position = max(self.position, position)

    @property
    def committable(self) -> int:
        """The offset to commit."""
        # Never past an unfinished record: a commit beyond it would lose it at the next restart.
        return next(iter(self._unfinished), self.position)

    @property
    def unfinished(self) -> int:
        """How many records are unfinished."""
        return len(self._unfinished)

    def commit_point(self, at: Partition, also_finished: frozenset[int] = frozenset()) -> CommitPoint:
        """What to commit for the partition, as if ``also_finished`` had finished, too.

        The metadata says which records have finished beyond the offset, cut to what fits: a restart repeats only what
        it does not say.
        """
        unfinished: Iterable[int] = self._unfinished
        if also_finished:
            unfinished = [offset for offset in unfinished if offset not in also_finished]
        base = next(iter(unfinished), self.position)
        carried, end = self._carried(), max(self._finished_end, base, max(also_finished, default=-1) + 1)
        if carried is not None:
            end = self.position
        # What was opened after the last finished record, thousands of records in a backlog, needs no bit.
        text = encode(at, base, end, unfinished, carried, limit=self._limit.characters)
        return CommitPoint(base, text)

    def _carried(self) -> FinishedOffsets | None:
        """What finished under the former owner beyond our position: not fetched yet, and still true."""
        before = self._finished_before
        return before if before is not None and before.end > self.position else None

    @property
    def fits(self) -> bool:
        """Whether all that has finished beyond `committable` fits the commit's metadata."""
        limit = self._limit.characters
        return fits(self.committable, self.position, self._unfinished, self._carried(), limit=limit)

    def __repr__(self) -> str:
        first = list(islice(self._unfinished, 1))
        place = f"committable={self.committable} position={self.position}"
        return f"<Ledger {place} unfinished={len(self._unfinished)} first={first}>"
