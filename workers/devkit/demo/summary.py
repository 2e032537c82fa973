"""The report of the demo, for people."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.core.counted import counted
from workers.devkit.demo.pollers import PollerReport
from workers.devkit.demo.report import Parked, Report, SinkReport
from workers.devkit.demo.start import Demo

_MAX_DETAIL: Final = 120  # characters


def print_summary(console: Console, report: Report) -> None:
    """Print the outcomes of all records, by sink, and whether the counts agree."""
    for sink in report.sinks:
        console.print()
        console.print(_checks(sink))
        console.print(f" {_counts(sink)}\n", highlight=False)
        if sink.parked:
            console.print(_parked(sink))
    for poller in report.pollers:
        console.print(f"\n {_poller(poller)}", highlight=False)
    first = f"The first order was delivered after {report.first_delivered:.1f} s; " if report.first_delivered else ""
    verdict = "[green]It adds up.[/]" if report.right else "[red]It does not add up.[/]"
    console.print(f"{verdict} {first}all of it after {report.seconds:.1f} s.", highlight=False)


def _poller(poller: PollerReport) -> str:
    counts = ", ".join(f"{counted(count, 'event')} in {topic}" for topic, count in poller.events.items())
    said = f"{poller.name}: {counted(poller.orders, 'order')} at {poller.vendor}; {counts}"
    if poller.right:
        return f"{said}: each change was published once, and the last stage of every order is that at {poller.vendor}"
    return f"{said}; [red]{poller.wrong} orders were not published as {poller.vendor} has them[/]"


def _checks(sink: SinkReport) -> Table:
    view = sink.view
    published = f"{counted(sink.records, 'record')} of {counted(sink.orders, 'order')}"
    title = f"{view.name}: {published}; {counted(view.at_vendor, 'order')} at {view.vendor}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(f"counted at {view.vendor} and in Kafka")
    for heading in ("wanted", "found", ""):
        table.add_column(heading, justify="right")
    for check in sink.checks:
        table.add_row(check.what, str(check.wanted), str(check.found), "ok" if check.right else "[red]no[/]")
    return table


def _counts(sink: SinkReport) -> str:
    view = sink.view
    ends = f"{counted(view.delivered, 'record')} delivered, {view.parked} parked, {view.skipped} skipped"
    return f"{ends}; {view.retries} retries, {view.duplicates} with an unknown outcome"


def _parked(sink: SinkReport) -> Table:
    title = f"parked in {sink.parks}: {counted(len(sink.parked), 'record')}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("order", "records", "reason", "detail"):
        table.add_column(heading, justify="right" if heading == "records" else "left", overflow="fold")
    counts = Counter(record.order_id for record in sink.parked)
    firsts = _causes(sink.parked)
    for order_id, first in sorted(firsts.items()):
        detail = first.detail[:_MAX_DETAIL]
        table.add_row(_shown(order_id), str(counts[order_id]), first.reason, _shown(detail))
    return table


def _shown(text: str) -> str:
    """A terminal executes what is not printable, and rich what is in brackets."""
    return escape("".join(char if char.isprintable() else "?" for char in text))


def _causes(parked: Sequence[Parked]) -> dict[str, Parked]:
    """Return the first parked record of each order that has a cause of its own; `behind` names none."""
    causes: dict[str, Parked] = {}
    for record in parked:
        if record.order_id not in causes or causes[record.order_id].reason == "behind":
            causes[record.order_id] = record
    return causes


def print_next(console: Console, demo: Demo, report: Report, *, keep: bool) -> None:
    """Print commands to go on with; with ``keep``, the addresses too."""
    if keep:
        _print_addresses(console, demo)
    else:
        console.print("\nNothing is left running. To look around, keep it: relay demo --keep, and in another terminal:")
    for command in _commands(report, demo.prefix):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def _print_addresses(console: Console, demo: Demo) -> None:
    console.print("\nRunning until Ctrl-C:")
    parts = [f"Kafka {demo.bootstrap}"]
    parts.append(f"{demo.monitor.workers.name} {demo.monitor.workers.url}/status")
    simulators = {
        part.name: part for part in (*demo.monitor.simulators.values(), *(one for _, one in demo.pollers.values()))
    }
    parts += [f"{part.name} {part.url} (knobs: {part.control}/_sim/faults)" for part in simulators.values()]
    for part in parts:
        console.print(f"  {part}", markup=False, highlight=False, soft_wrap=True)
    given = " ".join(f"{name}={value}" for name, value in demo.exports.items())
    console.print("In another terminal:")
    if shutil.which("relay") is None:  # `make demo` runs it from the virtual environment
        console.print(
            f"  export PATH={Path(sys.executable).parent}:$PATH", markup=False, highlight=False, soft_wrap=True
        )
    console.print(f"  export {given}", markup=False, highlight=False, soft_wrap=True)


def _commands(report: Report, prefix: str) -> Iterator[str]:
    for sink in report.sinks:
        yield _explained(f"relay parked list --sink {sink.view.name}", "what is parked, and why")
        yield _explained(f"relay offsets {sink.view.name}", "how far it has read")
    for topic in dict.fromkeys(topic for poller in report.pollers for topic in poller.events):
        yield _explained(f"relay tail {topic} --from-beginning", "what changed at the vendors")
    created = f"{prefix}order-created"
    yield _explained(f"relay sample {created} | relay publish {created} -", "an order more")


def _explained(command: str, why: str) -> str:
    return f"{command:58}  # {why}"
