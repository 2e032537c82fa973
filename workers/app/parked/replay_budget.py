"""How many orders' parked records may be in memory at once."""

from workers.app.parked.replay_run import ReplayRun


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
