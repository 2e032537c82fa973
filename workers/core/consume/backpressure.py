"""Backpressure: how much may be fetched and unfinished at once, and which partitions to pause."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workers.core.record import Partition

AWAITED_MOST = 2  # times the bound of bytes, for one partition that a merge waits for
_RESUME_AT = 0.7  # of the bound: pausing and resuming at one line would flap


@dataclass(frozen=True, slots=True)
class MemoryUse:
    records: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class FetchBudget:
    """Bounds for all partitions of a worker together."""

    max_records: int
    max_bytes: int

    def to_pause(
        self, memory: Mapping[Partition, MemoryUse], paused: Collection[Partition], awaited: Collection[Partition]
    ) -> set[Partition]:
        """Return the partitions that are to be paused now; all others are to be fetched.

        Over the bound, those that use the most memory pause first, and stay paused until all together are well below
        it. A partition that a merge waits for is not paused, however much others use: the waiting record could never
        go. It is paused while it alone uses `AWAITED_MOST` times the bound of bytes: none of its records waits for
        another one, so they finish without a further fetch.
        """
        load = self._load(memory)
        wanted = set(paused) if load > _RESUME_AT else set()
        if load >= 1.0:
            wanted |= self._largest({at: one for at, one in memory.items() if at not in awaited}, 1.0 / len(memory))
        too_much = {at for at in awaited if at in memory and memory[at].bytes >= AWAITED_MOST * self.max_bytes}
        return wanted - set(awaited) | too_much

    def _load(self, memory: Mapping[Partition, MemoryUse]) -> float:
        records = sum(one.records for one in memory.values())
        size = sum(one.bytes for one in memory.values())
        return max(records / self.max_records, size / self.max_bytes)

    def _largest(self, memory: Mapping[Partition, MemoryUse], share: float) -> set[Partition]:
        """Every partition that uses its even share of the bound, or at least the one that uses the most.

        A share of the bound, not of the load: with a share of the load, what others use beyond the bound would let
        the small ones grow without end.
        """
        loads = {at: self._load({at: one}) for at, one in memory.items()}
        least = min(share, max(loads.values(), default=share))
        return {at for at, load in loads.items() if load >= least}
