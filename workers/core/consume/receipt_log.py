"""The receipts of one partition number that no broker has acknowledged yet."""

from typing import NamedTuple

from workers.core.receipt import Receipt


class Unwritten(NamedTuple):
    """The receipts that are to be written, and what `ReceiptLog.written` is called with once they are."""

    receipts: list[Receipt]
    up_to: int


class ReceiptLog:
    """First in, first out. A commit may finish only records whose receipts were in `unwritten` before it, and written.

    Two writers may write the same receipts at one time, a plain commit and a release: that repeats them, and loses
    none, because each says how far it came.
    """

    def __init__(self) -> None:
        self._receipts: list[Receipt] = []
        self._written = 0  # of all that were ever appended

    def append(self, receipt: Receipt) -> None:
        self._receipts.append(receipt)

    def unwritten(self) -> Unwritten:
        """A copy: more is appended while it is written."""
        return Unwritten(list(self._receipts), self._written + len(self._receipts))

    def written(self, up_to: int) -> None:
        """All in-sync replicas have acknowledged the receipts up to there."""
        if up_to > self._written:
            del self._receipts[: up_to - self._written]
            self._written = up_to

    def __len__(self) -> int:
        return len(self._receipts)
