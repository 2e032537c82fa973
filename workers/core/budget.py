"""A vendor's budget of requests: how many of a day are left, who may use them, and how often polls fit into them.

Each process that sends writes its own row, with what it has spent; the sum of all rows is what the account has spent.
A row has one writer, so no count is lost when two processes spend at the same time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

import orjson

SLOTS: Final = 24  # parts of a period, whose requests are counted together
_SHARE: Final = 0.9  # of what is left polls use at most: a pass may take more requests than the ones before it
_RECENT: Final = 4  # part of a period by which the others' rate is judged
_MOST_STRETCH: Final = 12.0


class Use(Enum):
    """What a request is for."""

    READ = "read"  # a poll, or a command that only reads
    WRITE = "write"  # it changes something at the vendor, or is needed for that


@dataclass(frozen=True, slots=True)
class BudgetPolicy:
    requests: int  # in any period
    per_ms: int  # the period
    reserve: int  # of the requests, those that only writes may use

    @property
    def slot_ms(self) -> int:
        return max(1, self.per_ms // SLOTS)

    def most(self, use: Use) -> int:
        """How many requests of a period this use may have spent, together with all others."""
        return self.requests - (self.reserve if use is Use.READ else 0)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process has spent: a row of the state topic."""

    slots: Mapping[int, int] = field(default_factory=dict)  # requests, by the beginning of the slot, ms since 1970

    def plus(self, requests: int, now_ms: int, policy: BudgetPolicy) -> Self:
        """With so many more (negative: given back), and without the slots that no longer count."""
        slot = now_ms // policy.slot_ms * policy.slot_ms
        kept = {start: count for start, count in self.slots.items() if _counts(start, now_ms, policy)}
        return type(self)(kept | {slot: max(0, kept.get(slot, 0) + requests)})

    def is_over(self, now_ms: int, policy: BudgetPolicy) -> bool:
        """Whether nothing of it counts any more: its row may be deleted."""
        return not any(_counts(start, now_ms, policy) for start in self.slots)

    def pack(self) -> bytes:
        return orjson.dumps({str(start): count for start, count in self.slots.items()})


def unpack_spent(body: bytes) -> Spent:
    """Read a packed row; raises `ValueError` for any other bytes."""
    try:
        return Spent({int(start): int(count) for start, count in orjson.loads(body).items()})
    except (AttributeError, TypeError) as error:
        raise ValueError("not a row of spent requests") from error


@dataclass(slots=True, eq=False)
class Budget:
    """All rows of an account."""

    policy: BudgetPolicy
    spenders: dict[str, Spent] = field(default_factory=dict)  # by the spender's name

    def spent(self, now_ms: int) -> int:
        """Requests of the period that ends now; of a slot that has partly left the period, all."""
        counts = (item for one in list(self.spenders.values()) for item in one.slots.items())
        return sum(count for start, count in counts if _counts(start, now_ms, self.policy))

    def left(self, use: Use, now_ms: int) -> int:
        """How many requests this use may send now; 0: none."""
        return max(0, self.policy.most(use) - self.spent(now_ms))

    def wait_ms(self, use: Use, now_ms: int) -> int:
        """How long until this use may send a request, when no other process spends meanwhile; 0: it may now."""
        over = self.spent(now_ms) - self.policy.most(use) + 1
        for back_ms, count in self._coming_back(now_ms):
            if over <= 0:
                break
            over -= count
            if over <= 0:
                return back_ms
        return 0 if over <= 0 else self.policy.per_ms

    def stretch(self, requests_per_ms: float, now_ms: int, own: str) -> float:
        """By what factor a poller's beats must be longer that would send so many requests; 1: they fit.

        ``own``: what the names of the poller's spenders begin with. What is left lasts until more of it comes back,
        and the others go on as in the last hours, so polls become rarer before they would have to stop. A poll that
        finds nothing left waits for the next request that comes back: a longer stretch would sleep far beyond it.
        """
        rate = _SHARE * (self._even_rate(now_ms) - self._recent_rate(now_ms, own))
        return max(1.0, min(_MOST_STRETCH, requests_per_ms / rate)) if rate > 0 else _MOST_STRETCH

    def _recent_rate(self, now_ms: int, own: str) -> float:
        """Requests a millisecond that all others have sent in the last part of a period."""
        since_ms = now_ms - self.policy.per_ms // _RECENT
        others = (one for name, one in list(self.spenders.items()) if not name.startswith(own))
        counts = (count for one in others for start, count in one.slots.items() if start >= since_ms)
        return sum(counts) * _RECENT / self.policy.per_ms

    def _even_rate(self, now_ms: int) -> float:
        """Reads a millisecond that use up nothing before something of it comes back, within a period from now."""
        left, rates = self.left(Use.READ, now_ms), list[float]()
        for back_ms, count in self._coming_back(now_ms):
            rates.append(left / max(1, back_ms))
            left += count
        return min([*rates, left / self.policy.per_ms])

    def _coming_back(self, now_ms: int) -> list[tuple[int, int]]:
        """(in how many milliseconds, so many requests), the next ones first."""
        slots = sorted(item for one in list(self.spenders.values()) for item in one.slots.items())
        ends = ((start + self.policy.slot_ms + self.policy.per_ms - now_ms, count) for start, count in slots)
        return [(back_ms, count) for back_ms, count in ends if back_ms > 0]


def _counts(start_ms: int, now_ms: int, policy: BudgetPolicy) -> bool:
    """Whether a slot's requests are, at least partly, of the period that ends now."""
    return start_ms + policy.slot_ms + policy.per_ms > now_ms
