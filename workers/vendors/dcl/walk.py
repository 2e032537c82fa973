"""A full second of changes: more orders than a page holds, and no smaller window to ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeAlias

_Order: TypeAlias = tuple[str, str]  # account and number

AGREE: Final = 2  # walks that must show the same
AGREE_UNSORTED: Final = 8  # the same for a vendor that shows an order twice in a walk: it may hide another
ENOUGH: Final = 30  # walks that show nothing new, whatever else they show: a vendor may repeat orders always
MOST_WALKS: Final = 60
MOST_PAGES: Final = 1000  # of a walk: one more, and it is a vendor that ignores which page is asked for


@dataclass(slots=True)
class Walks:
    """Several walks over the same pages, until they agree.

    Orders only leave a second that is past; one that leaves while pages are read shifts the others, and
    hides one at a page's boundary. The next walk shows it. Should it not, for a vendor may sort each page anew but
    always alike, the boundaries are moved.
    """

    _rows: dict[_Order, list[dict[str, Any]]] = field(default_factory=dict)  # what the last walk with it showed of each
    _walks: list[tuple[frozenset[_Order], int]] = field(default_factory=list)  # orders and rows of each walk
    _grown: int = 0  # number of the last walk that showed something new

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take one walk's rows."""
        before = len(self._rows)
        found: defaultdict[_Order, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            found[str(row.get("account_number")), str(row.get("order_number"))].append(row)
        self._rows |= found
        self._walks.append((frozenset(found), len(rows)))
        if len(self._rows) > before:
            self._grown = len(self._walks)

    def page_size(self, most: int) -> int:
        """How many rows to ask for in the pages of the next walk."""
        return max(most - max(0, self.count - AGREE + 1), most // 2, 1)

    @property
    def looks(self) -> Iterator[dict[str, Any]]:
        """The last look at each order; more than one where a walk shows it more than once."""
        return chain.from_iterable(self._rows.values())

    @property
    def count(self) -> int:
        """How many walks there were."""
        return len(self._walks)

    @property
    def agree(self) -> bool:
        """Whether nothing more is to be found by walking on."""
        last = self._quiet[-AGREE_UNSORTED:]
        same = len(last) == AGREE_UNSORTED and last.count(last[0]) == AGREE_UNSORTED
        return self.is_sure or same or len(self._quiet) >= ENOUGH

    @property
    def is_sure(self) -> bool:
        """Whether nothing can be hidden. Not so where orders are always shown twice: each may stand for another."""
        last = self._walks[-AGREE:]
        if len(last) == AGREE and all(orders == last[0][0] and len(orders) == rows for orders, rows in last):
            return True
        quiet = self._quiet[-AGREE_UNSORTED:]
        seen = frozenset[_Order]().union(*(orders for orders, _ in quiet))
        return len(quiet) == AGREE_UNSORTED and len(seen) >= quiet[-1][1]

    @property
    def _quiet(self) -> Sequence[tuple[frozenset[_Order], int]]:
        """The last walks, which have shown nothing new."""
        return self._walks[self._grown :]
