"""Rows whose details the vendor cannot show: each is asked for alone, and is given up after some passes."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from workers.core.poll.vendor_set import SetRow

MAX_DETAIL_FAILURES: Final = 5  # of one row: then its event says what the list shows
SUSPECT_FAILURES: Final = 2  # of one row: then it is asked for alone, after the others
MAX_SUSPECT_FAULTS: Final = 3  # in one pass: then no further suspect is asked for


@dataclass(slots=True, eq=False)
class FailingRows:
    """Counts for each row in how many passes its details failed while those of another row were read.

    Invariant: a failure counts only in a pass that has read the details of another row. Otherwise an outage of the
    vendor would pass for the fault of each row that changes meanwhile, and all would be published without details.
    """

    _failed: Counter[str] = field(default_factory=Counter)
    _lacking: set[str] = field(default_factory=set)  # rows that this pass has asked for in vain
    _is_any_read: bool = False  # by this pass
    _suspect_faults: int = 0  # in this pass

    def begin(self) -> None:
        self._lacking.clear()
        self._is_any_read, self._suspect_faults = False, 0

    def batches(self, rows: Sequence[SetRow], at_once: int) -> Iterator[list[SetRow]]:
        """The rows in the sequence in which they are asked for: a row that has failed holds no other one back."""
        new = [row for row in rows if not self._failed[row.key]]
        failed_once = [row for row in rows if 0 < self._failed[row.key] < SUSPECT_FAILURES]
        for same in (new, failed_once):
            yield from (same[start : start + at_once] for start in range(0, len(same), at_once))
        suspects = [row for row in rows if self.is_suspect(row.key)]
        yield from ([row] for row in sorted(suspects, key=lambda row: self._failed[row.key]))

    def is_suspect(self, key: str) -> bool:
        """Whether it is asked for alone."""
        return self._failed[key] >= SUSPECT_FAILURES

    def is_given_up(self, key: str) -> bool:
        return self._failed[key] >= MAX_DETAIL_FAILURES

    @property
    def asks_suspects(self) -> bool:
        return self._suspect_faults < MAX_SUSPECT_FAULTS

    def answered(self, asked: Sequence[SetRow], found: Collection[str]) -> None:
        """The vendor has answered for these rows, without a throttle or a denial; ``found``: the keys it has shown."""
        lacking = {row.key for row in asked} - set(found)
        self._is_any_read |= bool(found)
        self._lacking |= lacking
        self._suspect_faults += sum(self.is_suspect(key) for key in lacking)
        for key in found:
            self._failed.pop(key, None)

    @property
    def wants_witness(self) -> bool:
        """Whether only another row could show that the vendor works."""
        return not self._is_any_read and not all(map(self.is_given_up, self._lacking))

    def witnessed(self) -> None:
        """The vendor has shown the details of a row that was asked for as a witness."""
        self._is_any_read = True

    def end(self) -> None:
        """The pass has ended."""
        if self._is_any_read:
            self._failed.update(self._lacking)
