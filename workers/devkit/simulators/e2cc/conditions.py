"""E2CC's raw filter expression, of which the page shows one example, and its filters by equality."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

EASTERN: Final = ZoneInfo("America/New_York")
PARAMETERS: Final = frozenset(("page", "pageSize", "fields", "conditions", "custom"))
_ONE: Final = re.compile(r"CreatedDateTime (gt|ge|lt|le) datetime'([0-9T:.-]+)'")
_EVER: Final = 1 << 60


class NotUnderstoodError(ValueError):
    """E2CC fails at the expression."""


class Created(NamedTuple):
    """From when to when, both included; milliseconds."""

    first_ms: int = 0
    last_ms: int = _EVER


def created_of(expression: str, *, only_gt: bool) -> Created:
    """Read ``CreatedDateTime gt datetime'2025-12-01' and ...``; ``only_gt``: nothing but the page's own example."""
    found = Created()
    for part in expression.split(" and ") if expression else ():
        match = _ONE.fullmatch(part.strip())
        if match is None or (only_gt and (" and " in expression or match[1] != "gt")):
            raise NotUnderstoodError(part)
        at = _instant(match[2])
        found = {
            "gt": found._replace(first_ms=max(found.first_ms, at + 1)),
            "ge": found._replace(first_ms=max(found.first_ms, at)),
            "lt": found._replace(last_ms=min(found.last_ms, at - 1)),
            "le": found._replace(last_ms=min(found.last_ms, at)),
        }[match[1]]
    return found


def equalities(asked: Mapping[str, str]) -> dict[str, str]:
    """The wanted value of each field, by its camelCase name; a filter that is not in PascalCase counts for nothing."""
    return {
        name[0].lower() + name[1:]: value
        for name, value in asked.items()
        if name not in PARAMETERS and name[:1].isupper()
    }


def fits(row: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(str(row.get(name)) == value for name, value in wanted.items())


def wall_time(at_ms: int) -> str:
    """As E2CC shows it: on its own clock, without an offset."""
    local = datetime.fromtimestamp(at_ms / 1000, EASTERN).replace(tzinfo=None)
    return local.isoformat(timespec="milliseconds")


def wall_day(at_ms: int) -> str:
    return wall_time(at_ms)[:10] + "T00:00:00"


def _instant(text: str) -> int:
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotUnderstoodError(text) from error
    return int(given.replace(tzinfo=EASTERN).timestamp() * 1000)
