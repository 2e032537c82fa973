"""Which creation times of a set to ask for: where something is open, what is new, and now and then everything."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from workers.core.poll.time_range import TimeRange, whole_seconds

_FILLED: Final = 0.8  # of an answer: rows that came meanwhile still fit


class RowTime(NamedTuple):
    """When a known row was created: between these two times, which are the same where the list shows it."""

    start_ms: int
    end_ms: int
    key: str
    is_wanted: bool  # something may have changed of it


@dataclass(frozen=True, slots=True)
class SetPlan:
    """The time ranges to ask for, the newest first, and the rows that they must show."""

    ranges: Sequence[TimeRange]
    times: Sequence[RowTime]  # sorted

    def expected(self, read: Iterable[TimeRange]) -> list[str]:
        """The keys of the known rows that were created in a range that was read; adjoining ranges are one."""
        return [key for one in merged(read) for key in self._inside(one)]

    def _inside(self, of: TimeRange) -> Iterator[str]:
        for place in range(bisect_left(self.times, (of.start_ms,)), len(self.times)):
            row = self.times[place]
            if row.start_ms > of.end_ms:
                return
            if row.end_ms <= of.end_ms:
                yield row.key


def partial_plan(times: Sequence[RowTime], new: TimeRange, at_once: int) -> SetPlan:
    """Ask for the windows of wanted rows, each of about one answer, and for the new rows."""
    times, ranges, place = sorted(times), [new], 0
    most = max(1, round(at_once * _FILLED))
    while (place := _next_wanted(times, place)) < len(times):
        after = min(len(times), place + most)
        wanted = [one for one in times[place:after] if one.is_wanted]
        ranges.append(whole_seconds(times[place].start_ms, max(one.end_ms for one in wanted) + 1))
        place = after
    return SetPlan(merged(ranges), times)


def full_plan(times: Sequence[RowTime], whole: TimeRange, at_once: int) -> SetPlan:
    """Ask for all of a time range, in pieces that each hold about one answer."""
    times = sorted(times)
    cuts = [one.start_ms for one in times[:: max(1, round(at_once * _FILLED))]]
    edges = [whole.start_ms, *(cut for cut in cuts if whole.start_ms < cut < whole.end_ms), whole.end_ms]
    pieces = (whole_seconds(start, end) for start, end in pairwise(edges))
    return SetPlan([one for one in reversed([*pieces]) if not one.is_empty], times)


def horizon_ms(times: Sequence[RowTime], first_ms: int) -> int:
    """From where on creation times are asked for: ``first_ms``, or the oldest row that is wanted or may be as young.

    Invariant: no row is younger than this by one bound and older by the other. Otherwise no reading would hold the
    whole of its range, and its deletion would never be found.
    """
    return min([first_ms, *(one.start_ms for one in times if one.is_wanted or one.end_ms >= first_ms)])


def _next_wanted(times: Sequence[RowTime], place: int) -> int:
    while place < len(times) and not times[place].is_wanted:
        place += 1
    return place


def merged(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """Those that overlap or adjoin as one, the newest first."""
    found: list[TimeRange] = []
    for one in sorted(ranges):
        if found and one.start_ms <= found[-1].end_ms:
            found[-1] = TimeRange(found[-1].start_ms, max(found[-1].end_ms, one.end_ms))
        else:
            found.append(one)
    return [one for one in reversed(found) if not one.is_empty]
