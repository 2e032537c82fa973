"""What a worker's log says of stopped partitions: one line for all of a topic that stop together for one reason."""

from dataclasses import dataclass, field
from typing import Final

from workers.core.counted import counted, ranges
from workers.core.record import Partition
from workers.edges.log import log

TOGETHER_WITHIN_S: Final = 1.0


@dataclass(slots=True, eq=False)
class StopLog:
    """`write_due` is to be asked now and then."""

    worker: str
    _unsaid: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # by topic and reason
    _since: float = 0.0  # of the first of them, monotonic

    def stopped(self, at: Partition, reason: str, now: float) -> None:
        """An operator has to decide about this partition."""
        if not self._unsaid:
            self._since = now
        self._unsaid.setdefault((at.topic, reason), []).append(at.number)

    def write_due(self, now: float) -> None:
        """Log what has stopped, once no more is likely to come."""
        if not self._unsaid or now - self._since < TOGETHER_WITHIN_S:
            return
        for (topic, reason), numbers in self._unsaid.items():
            detail = stop_text(self.worker, topic, numbers, reason)
            log.error("partition_stopped", worker=self.worker, topic=topic, partitions=sorted(numbers), detail=detail)
        self._unsaid.clear()


def stop_text(worker: str, topic: str, numbers: list[int], reason: str) -> str:
    """What has stopped, why, and who decides."""
    what = f"{topic}/{numbers[0]}" if len(numbers) == 1 else f"{counted(len(numbers), 'partition')} of {topic}"
    which = "" if len(numbers) == 1 else f" ({ranges(numbers)})"
    return f"{what}{which} stopped: {reason}; decide with 'relay offsets {worker} --to ...'"
