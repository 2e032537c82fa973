"""One order's parked records on their way back to the vendor."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.app.sink.shard import Shard
from workers.core.consume.lanes import Entry
from workers.core.parked.headers import ParkedOriginal


@dataclass(slots=True, eq=False)
class ReplayRun:
    """One order's redelivery. Many wait to be read: they hold no more than their names."""

    shard: Shard
    order_id: str
    command: str | None = None  # who asked; None: the order's create
    resumed: bool = False  # a former owner began it: what it sent last may have been applied
    read_to: int = -1  # the last offset of the parked topic that has been read
    met: bool = False  # what the fence says is there was there, or it says that nothing is left
    entries: list[tuple[int, Entry]] = field(default_factory=list)  # with their places in the parked topic
    seen: dict[tuple[str, int], None] = field(default_factory=dict)  # source coordinates; an empty set is larger

    @property
    def place(self) -> tuple[int, str]:
        """(partition number, order): one order, and records without a key, may be parked in several partitions."""
        return self.shard.number, self.order_id

    def span(self) -> tuple[int, int]:
        """The (first, last) offsets in the parked topic between which its unread records lie."""
        fence = self.shard.fences[self.order_id]
        return max(fence.first or 0, self.read_to + 1), fence.last or 0

    def take(self, original: ParkedOriginal, entry: Entry) -> int:
        """Queue a parked record; returns by how many bytes the run has grown."""
        place = original.source.topic, original.source.offset
        grown = entry.size
        if place in self.seen:
            removed = self._take_away(original)
            if removed is None:
                return 0  # delivered already
            grown -= removed
        self.seen[place] = None
        self.entries.append((original.place, entry))
        return grown

    def _take_away(self, original: ParkedOriginal) -> int | None:
        """Remove an earlier copy: a transaction whose end was lost ran twice, and two records of one source are one.

        The later copy counts: a new owner that begins behind the earlier one must not meet it after what followed.
        Returns the copy's size; None when it is not queued any more.
        """
        for row in self.entries:
            if row[1].record == original.source:
                self.entries.remove(row)
                return row[1].size
        return None
