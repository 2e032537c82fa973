"""``relay waiting [NAME...]``: lists the orders that wait in workers, the oldest first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from workers.cli.configured import read_configuration, sink_named
from workers.cli.names import SINK
from workers.cli.output import WIDTH, escape_control, print_err, show_json, show_lines, terminal_width
from workers.core.counted import counted, ranges

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.inspect.running.answers import Answer

AT = click.option(
    "--at",
    "addresses",
    multiple=True,
    metavar="HOST:PORT",
    help="A worker's RELAY_HTTP_ADDR; may be repeated (this host's).",
)
_MAX_ID: Final = 24  # columns of an order id; a longer one moves the rest of its row
_LEAST_WHY: Final = 20


@click.command(epilog="Example: relay waiting ecdp-sink --at relay-0:8080 --at relay-1:8080")
@click.argument("names", nargs=-1, type=SINK, metavar="[NAME]...")
@AT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a machine.")
def waiting(*, names: tuple[str, ...], addresses: tuple[str, ...], as_json: bool) -> int:
    """List the orders that wait, the oldest first: why, since when, and what they wait for.

    The workers at --at are asked; each shows 1,000 orders at most, with their total. An order waits from its
    publication; records that no worker has fetched yet are counted only, see `relay offsets`.
    """
    from workers.app.inspect.running.answers import ask_waiting

    configuration = read_configuration()
    pollers = [name for name in names if name in configuration.config.pollers]
    for name in pollers:
        print_err(f"relay: {name} is a poller, and no order waits in it; next: relay status {name}")
    wanted = [sink_named(configuration, name, "").name for name in names if name not in pollers]
    asks = wanted or not pollers
    answers = ask_waiting(asked_addresses(configuration, addresses)) if asks else []
    for answer in answers:
        if answer.fault is not None:
            print_err(f"relay: {answer.fault_line}")
    sinks = list(_sinks(answers, wanted))
    if not sinks and any(answer.fault is None for answer in answers):
        print_err(f"relay: no {' or '.join(wanted) or 'sink'} runs there")
    if as_json:
        show_json({"workers": sinks})
    else:
        show_lines(_lines(sinks, terminal_width() or WIDTH))
    return int(any(answer.fault is not None for answer in answers))


def asked_addresses(configuration: Configuration, addresses: Sequence[str]) -> list[str]:
    """Those of ``--at``, else this host's; raises `click.UsageError` where it has none."""
    from workers.app.inspect.running.answers import own_address

    here = own_address(configuration.settings.http)
    asked = list(addresses) or ([here] if here else [])
    if not asked:
        raise click.UsageError("RELAY_HTTP_ADDR is off: say with --at HOST:PORT which workers to ask.")
    return asked


def _sinks(answers: Iterable[Answer], wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each sink of each process."""
    for answer in answers:
        for name, found in (answer.workers or {}).items():
            if not wanted or name in wanted:
                yield {"worker": name, "instance": answer.instance, "at": answer.address} | found


def _lines(sinks: Sequence[dict[str, Any]], width: int) -> Iterator[str]:
    rows = sorted(((one, sink["worker"]) for sink in sinks for one in sink["orders"]), key=lambda row: row[0]["since"])
    yield from _table(list(_cells(rows)), width)
    for sink in sinks:
        yield from _wrapped(_totals(sink), width)
        for line in _stopped(sink["stopped"]):
            yield from _wrapped(line, width)


def _cells(rows: Iterable[tuple[dict[str, Any], str]]) -> Iterator[tuple[str, str, str, str]]:
    """While a gate is shut, hundreds of orders wait for the same."""
    above = None
    for one, worker in rows:
        reason = worker, why(one)
        yield _id(one), worker, _clock(one["since"]), "as above" if reason == above else reason[1]
        above = reason


def _stopped(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """One line for the partitions of a topic that have stopped for one reason."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        numbers.setdefault((row["topic"], row["reason"]), []).append(row["partition"])
    for (topic, reason), found in numbers.items():
        partitions = f"partition {found[0]}" if len(found) == 1 else f"{len(found)} partitions ({ranges(found)})"
        yield f"{topic}: {partitions} stopped: {reason}"


def _table(rows: Sequence[tuple[str, str, str, str]], width: int) -> Iterator[str]:
    if not rows:
        return
    ids = min(_MAX_ID, max(5, *(len(row[0]) for row in rows)))
    workers = max(4, *(len(row[1]) for row in rows))
    yield f"{'order':<{ids}}  {'sink':<{workers}}  {'since':<20}  why"
    for order_id, worker, since, text in rows:
        if len(order_id) > ids:  # it has lines of its own
            yield from textwrap.wrap(order_id, width)
        head = f"{'' if len(order_id) > ids else order_id:<{ids}}  {worker:<{workers}}  {since:<20}  "
        if len(head) + _LEAST_WHY > width:
            yield head.rstrip()
            head = "    "
        first, *more = textwrap.wrap(text, width - len(head)) or [""]
        yield head + first
        yield from (" " * len(head) + line for line in more)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="    ") or [""]


def _totals(sink: dict[str, Any]) -> str:
    """How many wait, with a verb for their number."""
    orders, more = sink["total"], sink["not_fetched"]
    text = f"{sink['worker']} ({sink['instance']}): {counted(orders, 'order')} {'waits' if orders == 1 else 'wait'}"
    text += f" with {counted(sink['records'], 'record')}" if orders else ""
    text += f"; the oldest {len(sink['orders']):,} are shown" if orders > len(sink["orders"]) else ""
    return text + (f"; {counted(more, 'record')} not fetched yet" if more else "")


def _id(row: dict[str, Any]) -> str:
    return escape_control(row["order_id"] or "(no id)")


def _clock(time: str) -> str:
    """An RFC 3339 time without its fraction."""
    return f"{time[:19]}Z"


def why(row: dict[str, Any]) -> str:
    """What a row of ``/status/waiting`` waits for, in one line."""
    text = escape_control(row["why"])
    since = f", since {row['why_since'][11:19]}" if row["why_since"] else ""
    until = f", until {row['until'][11:19]}" if row["until"] else ""
    kept = row.get("half_made_until")  # an older worker does not say it
    return text + since + until + (f"; half made at the vendor, which keeps it until {_clock(kept)}" if kept else "")
