"""Rows to records: a list may show a record in one row, or in one row a line; in which sequence, is not documented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import orjson

from workers.core.poll.time_range import SECOND_MS, TimeRange
from workers.core.poll.vendor_set import SetRow
from workers.vendors._shared.event_size import raw_json, without_deep_fields
from workers.vendors._shared.local_time import PossibleInstants, occurs_twice
from workers.vendors.e2cc.api import CREATED, instant, text_of
from workers.vendors.e2cc.options import E2ccOptions

Row: TypeAlias = dict[str, Any]

MARGIN_MS: Final = 7_200_000  # E2CC is asked for a second more, and for an hour more where the clocks change
MAX_CONTENT_BYTES: Final = 400_000  # of the lines in an event: Kafka would refuse a larger one

# Notes, counted in /status.
NO_NUMBER: Final = "rows_without_number"
OUTSIDE: Final = "outside_window"  # rows that were created at another time than the one asked for
UNCREATED: Final = "rows_without_creation_time"
NOT_ASKED: Final = "rows_not_asked_for"  # rows of another record than the one asked for
SHOWN_TWICE: Final = "rows_shown_twice"
LINES_CUT_SHORT: Final = "lines_cut_short"
UNSAFE: Final = "numbers_without_details"  # a record's number is no plain number, so that none is asked for by it


@dataclass(frozen=True, slots=True)
class Making:
    """What rows are made into records with, and what was noticed meanwhile."""

    options: E2ccOptions
    zone: ZoneInfo
    notes: Counter[str] = field(default_factory=Counter)

    def raw(self, content: Mapping[str, Any]) -> str | None:
        return raw_json(content, self.notes) if self.options.raw else None


@dataclass(frozen=True, slots=True)
class ListedSet:
    """How one of E2CC's lists is read."""

    path: str
    fields: Sequence[str]  # that are compared
    key: Callable[[Row], str | None]  # of a row's record; None: the row has none
    made: Callable[[Sequence[Row], Making], SetRow]  # of the rows of one record

    has_created: bool = False  # it is asked for by creation time

    @property
    def asked_fields(self) -> tuple[str, ...]:
        return (*self.fields, CREATED) if self.has_created else tuple(self.fields)


def by_record(rows: Iterable[Row], key: Callable[[Row], str | None], notes: Counter[str]) -> dict[str, list[Row]]:
    """The rows of each record, in a sequence of ours; rows that say the same count once."""
    found: dict[str, list[Row]] = {}
    for row in (without_deep_fields(row, notes) for row in rows):
        number = key(row)
        if number is None:
            notes[NO_NUMBER] += 1
        elif row not in found.setdefault(number, []):
            found[number].append(row)
    for same in found.values():
        same.sort(key=lambda row: (_line(row), orjson.dumps(row, option=orjson.OPT_SORT_KEYS)))
    return found


def united(rows: Sequence[Row], names: Iterable[str]) -> dict[str, Any]:
    """One record's fields; a field in which its rows differ has the values of all of them."""
    head = rows[0]
    if len(rows) == 1:
        return {name: head[name] for name in names if name in head}
    values = {name: [row.get(name) for row in rows] for name in names}
    return {
        name: some[0] if all(one == some[0] for one in some) else some
        for name, some in values.items()
        if any(one is not None for one in some)
    }


def created_at(row: Mapping[str, Any], making: Making) -> PossibleInstants | None:
    return instant(row, CREATED, making.zone, making.notes)


def is_outside(row: Mapping[str, Any], within: TimeRange, making: Making) -> bool:
    """Whether the row was created at another time than asked for; a row that does not say when was asked for.

    Invariant: in the hour that occurs twice both instants count. Otherwise a row of its second time is found only when
    the hour before is read again.
    """
    at = created_at(row, making)
    if at is None or within.start_ms <= at.earlier_ms <= within.end_ms:
        return False
    return not (within.start_ms <= at.later_ms <= within.end_ms and occurs_twice(at, making.zone))


def is_far_outside(row: Mapping[str, Any], within: TimeRange, making: Making) -> bool:
    """Whether E2CC does not apply the bounds of the request."""
    at = created_at(row, making)
    if at is None:
        return False
    return at.later_ms < within.start_ms - MARGIN_MS or at.earlier_ms > within.end_ms + MARGIN_MS + SECOND_MS


def fitting(lines: Sequence[Row], notes: Counter[str]) -> list[Row]:
    """As many lines as an event can hold. What is compared covers all of them, so that any change makes an event."""
    left, held = MAX_CONTENT_BYTES, list[Row]()
    for line in lines:
        left -= 100 + sum(len(text.encode()) for text in line.values() if isinstance(text, str))
        if left < 0:
            notes[LINES_CUT_SHORT] += 1
            break
        held.append(line)
    return held


def _line(row: Mapping[str, Any]) -> int:
    text = text_of(row, "lineNbr")
    return int(text) if text.isdecimal() else 0
