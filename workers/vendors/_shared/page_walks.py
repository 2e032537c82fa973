"""Reads what one page cannot hold, in walks over all pages: no smaller part of it can be requested."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

Identity: TypeAlias = Callable[[dict[str, Any]], Hashable]  # of a row: which order it shows

AGREE: Final = 2  # walks that must show the same orders
AGREE_UNSORTED: Final = 8  # the same when a walk shows an order twice: that order may hide another one
ENOUGH: Final = 30  # walks without a new order: enough, even if every walk shows an order twice
MOST_WALKS: Final = 60
MOST_PAGES: Final = 1000  # pages of one walk; a vendor that has more ignores the page number


class _Walk(NamedTuple):
    orders: frozenset[Hashable]
    rows: int


@dataclass(slots=True)
class PageWalks:
    """Several walks over the same pages, until they agree.

    Orders can only leave a second that is over. An order that leaves while we read pages shifts the others, and the
    page boundary then hides one of them, which the next walk shows. A vendor that sorts every page differently, but
    always in the same way, would hide the same order in each walk; so later walks move the page boundaries.
    """

    identity: Identity
    _rows: dict[Hashable, list[dict[str, Any]]] = field(default_factory=dict)  # of the last walk with the order
    _walks: list[_Walk] = field(default_factory=list)
    _last_new: int = 0  # number of the last walk that showed a new order

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add one walk's rows."""
        before = len(self._rows)
        found: defaultdict[Hashable, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            found[self.identity(row)].append(row)
        self._rows |= found
        self._walks.append(_Walk(frozenset(found), len(rows)))
        if len(self._rows) > before:
            self._last_new = len(self._walks)

    def page_size(self, most: int) -> int:
        """Page size of the next walk."""
        return max(most - max(0, self.count - AGREE + 1), most // 2, 1)

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        """Each order's rows from the last walk that showed it; several when that walk showed it more than once."""
        return chain.from_iterable(self._rows.values())

    @property
    def count(self) -> int:
        """How many walks were added."""
        return len(self._walks)

    @property
    def agree(self) -> bool:
        """Whether further walks would find nothing."""
        last = self._quiet[-AGREE_UNSORTED:]
        same = len(last) == AGREE_UNSORTED and last.count(last[0]) == AGREE_UNSORTED
        return self.is_sure or same or len(self._quiet) >= ENOUGH

    @property
    def is_sure(self) -> bool:
        """Whether no order can be hidden. An order that every walk shows twice may hide another one."""
        last = self._walks[-AGREE:]
        if len(last) == AGREE and all(one.orders == last[0].orders and len(one.orders) == one.rows for one in last):
            return True
        quiet = self._quiet[-AGREE_UNSORTED:]
        shown = frozenset[Hashable]().union(*(one.orders for one in quiet))
        return len(quiet) == AGREE_UNSORTED and len(shown) >= quiet[-1].rows

    @property
    def _quiet(self) -> Sequence[_Walk]:
        """The walks since the last new order."""
        return self._walks[self._last_new :]
