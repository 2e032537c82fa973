"""The end of the demo, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workers.devkit.demo.account import Account, Parked, SinkAccount
from workers.devkit.demo.news import News
from workers.devkit.demo.start import Demo, settings_of

_LONGEST_DETAIL = 120


def print_summary(console: Console, account: Account) -> None:
    """Print what became of all records, per sink, and whether it adds up."""
    for sink in account.sinks:
        console.print()
        console.print(_checks(sink))
        console.print(f" {_counts(sink)}\n", highlight=False)
        if sink.parked:
            console.print(_parked(sink))
    for news in account.news:
        console.print(f"\n {_news(news)}", highlight=False)
    first = f"The first order was delivered after {account.first_delivered:.1f} s; " if account.first_delivered else ""
    verdict = "[green]It adds up.[/]" if account.right else "[red]It does not add up.[/]"
    console.print(f"{verdict} {first}all of it after {account.seconds:.1f} s.", highlight=False)


def _news(news: News) -> str:
    counts = ", ".join(f"{count} events in {topic}" for topic, count in news.events.items())
    said = f"{news.name}: {news.orders} orders at {news.vendor}; {counts}"
    if news.right:
        return f"{said}: each change was told once, and every order stands as {news.vendor} has it"
    return f"{said}; [red]{news.wrong} orders were not told as {news.vendor} has them[/]"


def _checks(sink: SinkAccount) -> Table:
    view = sink.view
    title = f"{view.name}: {sink.records} records of {sink.orders} orders; {view.at_vendor} orders at {view.vendor}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(f"counted at {view.vendor} and in Kafka")
    for heading in ("wanted", "found", ""):
        table.add_column(heading, justify="right")
    for check in sink.checks:
        table.add_row(check.what, str(check.wanted), str(check.found), "ok" if check.right else "[red]no[/]")
    return table


def _counts(sink: SinkAccount) -> str:
    view = sink.view
    ends = f"{view.delivered} records delivered, {view.parked} parked, {view.skipped} skipped"
    return f"{ends}; {view.retries} retries, {view.duplicates} with an unknown outcome"


def _parked(sink: SinkAccount) -> Table:
    table = Table(
        title=f"parked in {sink.parks}: {len(sink.parked)} records", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in ("order", "records", "reason", "detail"):
        table.add_column(heading, justify="right" if heading == "records" else "left", overflow="fold")
    counts = Counter(record.order_id for record in sink.parked)
    firsts = _causes(sink.parked)
    for order_id, first in sorted(firsts.items()):
        detail = first.detail[:_LONGEST_DETAIL]
        table.add_row(escape(order_id), str(counts[order_id]), first.reason, escape(detail))
    return table


def _causes(parked: Sequence[Parked]) -> dict[str, Parked]:
    """Of each order the record that began it; those behind it say nothing new."""
    causes: dict[str, Parked] = {}
    for record in parked:
        if record.order_id not in causes or causes[record.order_id].reason == "behind":
            causes[record.order_id] = record
    return causes


def print_next(console: Console, demo: Demo, account: Account, *, keep: bool) -> None:
    """Print what to look at now; with ``keep``, where everything answers."""
    if keep:
        _print_addresses(console, demo)
    else:
        console.print("\nNothing is left running. To look around, keep it: relay demo --keep, and in another terminal:")
    for command in _commands(account):
        console.print(f"  {command}", markup=False, highlight=False, soft_wrap=True)


def _print_addresses(console: Console, demo: Demo) -> None:
    console.print("\nRunning until Ctrl-C:")
    parts = [f"Kafka {demo.bootstrap}"]
    parts.append(f"{demo.watch.workers.name} {demo.watch.workers.url}/status")
    parts += [f"{part.name} {part.url} (knobs: {part.control}/_sim/faults)" for part in demo.watch.simulators.values()]
    for part in parts:
        console.print(f"  {part}", markup=False, highlight=False, soft_wrap=True)
    given = " ".join(f"{name}={value}" for name, value in settings_of(demo.bootstrap).items())
    console.print("In another terminal:")
    console.print(f"  export {given}", markup=False, highlight=False, soft_wrap=True)


def _commands(account: Account) -> Iterator[str]:
    for sink in account.sinks:
        yield _explained(f"relay tail {sink.parks} --from-beginning", "what is parked, and why")
        yield _explained(f"relay offsets {sink.view.name}", "how far it has read")
    for topic in dict.fromkeys(topic for news in account.news for topic in news.events):
        yield _explained(f"relay tail {topic} --from-beginning", "what changed at the vendors")
    yield _explained("relay sample order-created | relay publish order-created -", "an order more")


def _explained(command: str, why: str) -> str:
    return f"{command:58}  # {why}"
