"""How the demo is shown: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, Self

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workers.core.counted import counted
from workers.devkit.demo.monitor import SinkView

_LINE_EVERY_S: Final = 2.0
_COLOURS = {"open": "green", "probing": "yellow", "shut": "red"}


class Screen(AbstractContextManager["Screen"], Protocol):
    """Shows the progress of the demo."""

    def step(self, text: str) -> None:
        """Show a step of the demo."""

    def show(self, sinks: Sequence[SinkView], published: int, planned: int, events: Mapping[str, int]) -> None:
        """Show the present counts; ``events``: those published, by poller."""


@dataclass
class LiveScreen:
    """Steps scroll by above a table that is updated in place."""

    console: Console
    live: Live
    begun: float  # of the clock `time.monotonic`

    @classmethod
    def on(cls, console: Console, begun: float) -> LiveScreen:
        return cls(console, Live(console=console, refresh_per_second=8, transient=True), begun)

    def step(self, text: str) -> None:
        self.console.print(f"[dim]{time.monotonic() - self.begun:5.1f}s[/]  {text}", highlight=False)

    def show(self, sinks: Sequence[SinkView], published: int, planned: int, events: Mapping[str, int]) -> None:
        bar = ProgressBar(total=max(planned, 1), completed=published, width=40)
        back = "; ".join(_poller_lines(events))
        self.live.update(Group(f"published {published} of {planned}", bar, _table(sinks), Text(back)))

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()


@dataclass
class PlainScreen:
    """A line per step, and a line of counts every two seconds while they change."""

    console: Console
    begun: float
    said: str = ""
    said_at: float = 0.0

    def step(self, text: str) -> None:
        self._say(text)

    def show(self, sinks: Sequence[SinkView], published: int, planned: int, events: Mapping[str, int]) -> None:
        line = "; ".join(
            [f"published {published} of {planned}", *(_line(sink) for sink in sinks), *_poller_lines(events)]
        )
        if line != self.said and time.monotonic() - self.said_at >= _LINE_EVERY_S:
            self.said, self.said_at = line, time.monotonic()
            self._say(line)

    def _say(self, text: str) -> None:
        line = f"{time.monotonic() - self.begun:5.1f}s  {text}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def screen_for(console: Console, begun: float) -> Screen:
    """Give the live table on a terminal, plain lines elsewhere; seconds are counted from ``begun``."""
    return LiveScreen.on(console, begun) if console.is_terminal else PlainScreen(console, begun)


def _line(sink: SinkView) -> str:
    at_vendor, delivered = counted(sink.at_vendor, "order"), counted(sink.delivered, "record")
    counts = f"{at_vendor} at {sink.vendor}, {delivered} delivered, {sink.parked} parked"
    return f"{sink.name}: {counts}, {sink.in_flight} in flight, {sink.lag} waiting, gate {sink.gate}"


def _poller_lines(events: Mapping[str, int]) -> list[str]:
    return [f"{name}: {counted(count, 'event')} published" for name, count in events.items()]


def _table(sinks: Sequence[SinkView]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("sink")
    for heading in ("at vendor", "delivered", "parked", "in flight", "waiting"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("gate")
    for sink in sinks:
        numbers = (sink.at_vendor, sink.delivered, sink.parked, sink.in_flight, sink.lag)
        gate = f"[{_COLOURS.get(sink.gate, 'white')}]{sink.gate}[/]"
        table.add_row(sink.name, *(str(number) for number in numbers), gate)
    return table
