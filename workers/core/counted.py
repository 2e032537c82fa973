"""Counts and durations in English sentences."""

from collections.abc import Iterable
from typing import Final

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_LARGEST_FIRST: Final = (("d", _DAY_S, 2), ("h", _HOUR_S, 2), ("min", _MINUTE_S, 3))  # (unit, seconds, least of it)
_EXACT_BELOW_S: Final = 10


def counted(count: int, noun: str) -> str:
    """``1 record``, ``2 records``, ``12,000 records``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def lasting(seconds: float) -> str:
    """A duration in the unit in which people say it: ``0.3 s``, ``99 s``, ``12 min``, ``3 h``, ``2 d``."""
    if seconds < _EXACT_BELOW_S:
        return f"{max(0.0, seconds):.1f} s"
    for unit, one, least in _LARGEST_FIRST:
        if seconds >= least * one:
            return f"{seconds / one:.0f} {unit}"
    return f"{seconds:.0f} s"


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as people write them: ``0-11, 14``."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, one)) for one in found)
