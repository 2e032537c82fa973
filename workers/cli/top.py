"""``relay top [NAME...]``: running workers, live."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from workers.cli.configured import read_configuration
from workers.cli.names import WORKER
from workers.cli.output import escape_control, print_err, show_line, show_lines, show_table
from workers.cli.status_format import COLUMNS, absent_lines, fault_lines, row, span, summary
from workers.cli.waiting import AT, asked_addresses

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workers.app.inspect.running.answers import Answer
    from workers.app.inspect.running.look import Look

STALE_AFTER_S: Final = 5.0
_AGE_EVERY_S: Final = 0.5  # until a terminal shows the numbers with their new age
_RATE: Final = COLUMNS.index("done")
_HEAD: Final = (*COLUMNS[:_RATE], "rate/s", *COLUMNS[_RATE + 1 :], "age")


class _Seen(NamedTuple):
    """The newest answer of a worker."""

    look: Look
    at_s: float  # monotonic
    rate: float | None  # None: there is no earlier answer to compare with


@dataclass(slots=True)
class Watched:
    """The workers of all answers so far: one that does not answer any more keeps its last numbers, and their age."""

    addresses: Sequence[str]
    names: Sequence[str]
    seen: dict[tuple[str, str], _Seen] = field(default_factory=dict)
    answers: Sequence[Answer] = ()

    def look(self) -> None:
        """Ask all of them."""
        from workers.app.inspect.running.answers import ask_status

        self.take(ask_status(self.addresses), time.monotonic())

    def take(self, answers: Sequence[Answer], now_s: float) -> None:
        from workers.app.inspect.running.look import looks_of, rate

        self.answers = answers
        for look in looks_of(answers, self.names):
            before = self.seen.get(look.key)
            found = None if before is None else rate(before.look, look, now_s - before.at_s)
            self.seen[look.key] = _Seen(look, now_s, found)

    def rows(self) -> Iterator[tuple[str, ...]]:
        now_s = time.monotonic()
        for one in self.seen.values():
            cells = list(row(one.look))
            cells[_RATE] = "-" if one.rate is None else f"{one.rate:,.1f}"
            yield (*cells, span(now_s - one.at_s))

    def faults(self) -> list[str]:
        absent = absent_lines(self.names, self.looks)
        return [*fault_lines(self.looks, self.answers), *absent]

    @property
    def looks(self) -> list[Look]:
        return [one.look for one in self.seen.values()]


@click.command(epilog="Example: relay top --at relay-0:8080 --at relay-1:8080")
@click.argument("names", nargs=-1, type=WORKER, metavar="[NAME]...")
@AT
@click.option("--every", type=click.FloatRange(min=0.2), default=2.0, show_default=True, help="Seconds between looks.")
@click.option("--max", "most", type=click.IntRange(min=1), help="End after so many looks.")
def top(*, names: tuple[str, ...], addresses: tuple[str, ...], every: float, most: int | None) -> int:
    """Watch the workers at --at until Ctrl-C: records finished a second, lag, age of the oldest record that waits (of
    a poller: how far it is behind), requests in flight, parked orders, gate, age of each row's numbers.

    Without a terminal each look is a table of plain lines. Exit status 1: something was wrong at the last look.
    """
    watched = Watched(asked_addresses(read_configuration(), addresses), names)
    with suppress(KeyboardInterrupt):  # the way to end it
        _watch(watched, every, most)
    faults = watched.faults()
    for line in faults:
        print_err(f"relay: {line}")
    return int(bool(faults))


def _watch(watched: Watched, every_s: float, most: int | None) -> None:
    """Look again and again; a terminal shows how the numbers grow old meanwhile."""
    show = _live if sys.stdout.isatty() else _plain
    with show(watched) as shown:
        for number in count(1):
            watched.look()
            shown()
            if number == most:
                return
            until_s = time.monotonic() + every_s
            while (left_s := until_s - time.monotonic()) > 0:
                time.sleep(min(_AGE_EVERY_S, left_s))
                if show is _live:
                    shown()


@contextmanager
def _plain(watched: Watched) -> Iterator[Callable[[], None]]:
    def shown() -> None:
        show_line(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        show_table(_HEAD, list(watched.rows()))
        show_lines(watched.faults())

    yield shown


@contextmanager
def _live(watched: Watched) -> Iterator[Callable[[], None]]:
    from rich.live import Live

    with Live(auto_refresh=False, screen=True) as live:
        yield lambda: live.update(_screen(watched), refresh=True)


def _screen(watched: Watched) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in _HEAD:
        table.add_column(column, overflow="fold")
    for cells, one in zip(watched.rows(), watched.seen.values(), strict=True):
        is_old = time.monotonic() - one.at_s >= STALE_AFTER_S
        style = "dim" if is_old else "red" if one.look.faults else ""
        table.add_row(*(Text(escape_control(cell)) for cell in cells), style=style)
    clock = time.strftime("%H:%M:%SZ", time.gmtime())
    head = Text(f"relay top   {clock}   {summary(watched.looks)}   Ctrl-C ends", style="bold")
    return Group(head, table, *(Text(escape_control(line), style="red") for line in watched.faults()))
