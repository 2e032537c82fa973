"""Finds the bad items of a batch that a vendor accepts or refuses only as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from workers.core.delivery.outcome import Delivered, Denied, Outcome, Rejected, Throttled, Unavailable, Unknown
from workers.vendors.contract import Flow

T = TypeVar("T")

TOO_LARGE: Final = 413
MAX_FAULTS_IN_A_ROW: Final = 2  # failed requests; after these the vendor counts as down


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the items, by index. Parts are on a stack: the other half of a split part is directly below it."""

    members: Sequence[int]
    has_twin: bool = False  # refused together with the part below: if this one is accepted, that one has a bad item
    blamed: bool = False  # certainly has a bad item: split it without sending it


def bisect(
    items: Sequence[T],
    send: Callable[[Sequence[T]], Flow[Outcome]],
    *,
    alone: Callable[[T], bool] = lambda _: False,
) -> Flow[list[Outcome]]:
    """Send all items in one request, and halve refused parts until only bad items are refused.

    ``send`` returns one outcome for all its items. With k bad items of n it is called about 2k log2(n) times.
    An accepted item is never sent again. Items that are ``alone`` come last, each in a request of its own.
    When the vendor stops answering, answered items keep their outcomes and the others count as not sent.
    """
    outcomes: dict[int, Outcome] = {}
    parts = _first_parts([alone(item) for item in items])
    faults = 0
    while parts:
        part = parts.pop()
        if part.blamed and len(part.members) > 1:
            parts += _halves(part.members, sure=True)
            continue
        outcome = yield from send([items[index] for index in part.members])
        faults = faults + 1 if isinstance(outcome, Unavailable | Unknown) else 0
        if isinstance(outcome, Rejected) and len(part.members) > 1:
            parts += _halves(part.members, sure=outcome.status != TOO_LARGE)
            continue
        outcomes |= dict.fromkeys(part.members, outcome)
        if part.has_twin and isinstance(outcome, Delivered) and not outcome.found:
            parts[-1] = replace(parts[-1], blamed=True)
        if _ends(outcome, faults):
            outcomes |= {index: _unsent(outcome) for left in parts for index in left.members}
            break
    return [outcomes[index] for index in range(len(items))]


def _first_parts(alone: Sequence[bool]) -> list[_Part]:
    together = [index for index, apart in enumerate(alone) if not apart]
    parts = [_Part([index]) for index, apart in enumerate(alone) if apart]
    return [*reversed(parts), _Part(together)] if together else parts[::-1]


def _halves(members: Sequence[int], *, sure: bool) -> list[_Part]:
    """Both halves, the left one on top. ``sure``: one of them has a bad item; not so after "request too large"."""
    middle = (len(members) + 1) // 2
    return [_Part(members[middle:]), _Part(members[:middle], has_twin=sure)]


def _ends(outcome: Outcome, faults: int) -> bool:
    """Whether the vendor as a whole accepts nothing now, so that nothing more should be sent.

    A single failed request does not count: one poison item may have caused it, and must not block the others.
    """
    unreachable = isinstance(outcome, Unavailable) and outcome.status is None
    return unreachable or isinstance(outcome, Throttled | Denied) or faults >= MAX_FAULTS_IN_A_ROW


def _unsent(outcome: Outcome) -> Outcome:
    return Unavailable(f"not sent: {outcome.reason}", outcome.status) if isinstance(outcome, Unknown) else outcome
