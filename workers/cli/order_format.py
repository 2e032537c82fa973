"""The text of ``relay order``: a verdict, then a timeline, within the terminal's width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from workers.cli.output import escape_control
from workers.core.counted import counted
from workers.edges.avro.json_text import time_text

if TYPE_CHECKING:
    from workers.app.inspect.order_timeline import Timeline, TimelineEntry

_MAX_BY: Final = 16  # columns of a worker's or vendor's name; a longer one moves its row
_LEAST_WHAT: Final = 20
NOT_SHOWN: Final[Mapping[str, str]] = {}


def order_lines(
    timeline: Timeline, verdict: str, width: int, addresses: Mapping[str, str] = NOT_SHOWN
) -> Iterator[str]:
    """``addresses``: where each trace is shown; they stay whole, for a click."""
    yield from _wrapped(verdict, width, "")
    yield ""
    names = min(_MAX_BY, max(len(entry.by) for entry in timeline.entries))
    day = ""
    for entry in timeline.entries:
        at = str(time_text(entry.at_ms))
        if at[:10] != day:
            day = at[:10]
            yield f"{day} UTC"
        yield from _row(entry, at[11:23], names, width)
    for sink, fence in timeline.parked.items():
        records = counted(fence.records, "record")
        yield from _wrapped(f"{records} parked: relay parked show --sink {sink} {timeline.order_id}", width, "    ")
    for trace_id in dict.fromkeys(entry.trace_id for entry in timeline.entries if entry.trace_id):
        yield f"trace {trace_id}  {addresses.get(trace_id, '')}".rstrip()


def _row(entry: TimelineEntry, clock: str, names: int, width: int) -> Iterator[str]:
    head = f"{clock}  {escape_control(entry.by):<{names}}  "
    if len(head) + _LEAST_WHAT > width:
        yield from _wrapped(head.rstrip(), width, "    ")
        head = "    "
    yield from _wrapped(f"{head}{entry.what}  {entry.where}@{entry.offset}", width, " " * len(head))


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    """Words stay whole where they fit; ids and vendors' words come from outside."""
    return textwrap.wrap(escape_control(text), width, subsequent_indent=indent, break_on_hyphens=False) or [""]
