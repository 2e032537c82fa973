"""How much may be fetched and unfinished at once: which partitions to pause."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workers.core.record import Partition

_RESUME_AT = 0.7  # of the bound: pausing and resuming at one line would flap


@dataclass(frozen=True, slots=True)
class Held:
    """What one partition keeps in memory."""

    records: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Bounds for all partitions of a worker together."""

    max_records: int
    max_bytes: int

    def to_pause(
        self, held: Mapping[Partition, Held], paused: Collection[Partition], awaited: Collection[Partition]
    ) -> set[Partition]:
        """Return the partitions that are to be paused now; all others are to be fetched.

        Over the bound, those that hold the most pause first, and stay paused
        until all together are well below it. One that a merge waits for is
        never paused, however much it holds: its record could never go.
        """
        load = self._load(held)
        if load >= 1.0:
            wanted = self._largest(held)
        elif load > _RESUME_AT:
            wanted = set(paused)
        else:
            wanted = set()
        return wanted - set(awaited)

    def _load(self, held: Mapping[Partition, Held]) -> float:
        records = sum(one.records for one in held.values())
        size = sum(one.bytes for one in held.values())
        return max(records / self.max_records, size / self.max_bytes)

    def _largest(self, held: Mapping[Partition, Held]) -> set[Partition]:
        """Every partition that holds at least its even share: together they are what fills the window."""
        share = self._load(held) / max(1, len(held))
        return {at for at, one in held.items() if self._load({at: one}) >= share}
