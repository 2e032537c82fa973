"""One order's replay: which of its parked records have been read, and how many orders' may be in memory at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from workers.app.parked.command_progress import CommandProgress
from workers.app.sink.shard import Shard
from workers.core.consume.lanes import Entry
from workers.core.parked.fence import OrderKey
from workers.core.parked.headers import ParkedOriginal


class ReplayState(Enum):
    """READING and SENDING take turns; the others are ends."""

    READING = "reading"  # its next parked records are to be read
    SENDING = "sending"  # the first of its read records is in its lane
    DONE = "done"  # nothing of the order is parked any more
    REFUSED = "refused"  # a record was refused again: it stays parked, with all that follow
    GONE = "gone"  # the parked records are not in the parked topic: they were deleted


class ReadRecord(NamedTuple):
    """A parked record that has been read and not delivered yet."""

    place: int  # its offset in the parked topic
    entry: Entry


@dataclass(slots=True, eq=False)
class ReplayRun:
    """Many runs wait to be read: such a run is little more than its order's name."""

    shard: Shard
    order_id: str
    command: str | None = None  # id of the command that asked for it; None: the order's create has been delivered
    waiting: tuple[CommandProgress, ...] = ()  # commands that end with it
    resumed: bool = False  # a former owner began it: the record that it sent last may have been applied
    state: ReplayState = ReplayState.READING
    read_to: int = -1  # the last offset of the parked topic that has been read
    records_found: bool = False  # a parked record was found, or the fence says that none is left
    size_bytes: int = 0  # of memory, for the records that have been read
    records: list[ReadRecord] = field(default_factory=list)
    about: Mapping[str, str] | None = None  # ids of log lines: of the record that was delivered last
    seen: dict[tuple[str, int], None] = field(default_factory=dict)  # source topic and offset; smaller than a set

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.shard.number, self.order_id)

    @property
    def head(self) -> Entry | None:
        """The record in its lane."""
        return self.records[0].entry if self.records else None

    def unread(self) -> tuple[int, int]:
        """The (first, last) offsets in the parked topic between which its unread records lie."""
        fence = self.shard.fences[self.order_id]
        return max(fence.first or 0, self.read_to + 1), fence.last or 0

    def is_read_to_the_end(self) -> bool:
        """Whether nothing more lies parked, and nothing is queued to be parked."""
        last = self.shard.fences[self.order_id].last
        return last is not None and last <= self.read_to and not self.shard.writes.has_writes_of(self.order_id)

    def take(self, original: ParkedOriginal, entry: Entry) -> None:
        """A parked record has been read.

        A transaction whose acknowledgement was lost ran twice, so two records of one source are one. The later one
        counts: a new owner that begins behind the earlier one must not find it after the records that followed it.
        """
        source = original.source.topic, original.source.offset
        if source in self.seen and not self._remove(original):
            return  # delivered already
        self.seen[source] = None
        self.records.append(ReadRecord(original.place, entry))
        self.size_bytes += entry.size

    def read_up_to(self, wanted: tuple[int, int], reached: int, *, found: bool) -> None:
        """A pass over the ``wanted`` (first, last) offsets came as far as ``reached``."""
        first, last = wanted
        self.records_found = self.records_found or found or first > last
        self.read_to = max(self.read_to, min(last, reached))
        if self.records:
            self.state = ReplayState.SENDING

    def drop_head(self) -> None:
        self.size_bytes -= self.records.pop(0).entry.size
        if not self.records:
            self.state = ReplayState.READING

    def _remove(self, original: ParkedOriginal) -> bool:
        """Remove the earlier copy of a record; False when it has been delivered."""
        for row in self.records:
            if row.entry.record == original.source:
                self.records.remove(row)
                self.size_bytes -= row.entry.size
                return True
        return False


class ReplayBudget:
    """What each run keeps in memory, and how much room is left. All other runs wait as names alone."""

    def __init__(self, max_runs: int, max_bytes: int, least_share: float) -> None:
        """``least_share``: of both bounds must be free before more is read; a pass for less would read the partition
        once more for few orders.
        """
        self._max_runs = max_runs
        self._max_bytes = max_bytes
        self._least_runs = max_runs * least_share
        self._least_bytes = max_bytes * least_share
        self._runs: dict[ReplayRun, int] = {}
        self._bytes = 0

    def acquire(self, run: ReplayRun) -> None:
        """Count what the run keeps in memory now, in the place of what it kept before."""
        self._bytes += run.size_bytes - self._runs.get(run, 0)
        self._runs[run] = run.size_bytes

    def release(self, run: ReplayRun) -> None:
        """The run keeps no records any more; once or twice is the same."""
        self._bytes -= self._runs.pop(run, 0)

    @property
    def room_bytes(self) -> int:
        return self._max_bytes - self._bytes

    def room(self) -> int:
        """How many more runs may be read now; 0 when that are too few to be worth a pass."""
        room = self._max_runs - len(self._runs)
        return room if room >= self._least_runs and self.room_bytes >= self._least_bytes else 0
