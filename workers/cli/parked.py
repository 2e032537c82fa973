"""``relay parked list | show | replay | discard``: orders that a vendor refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from workers.cli.output import fit, say, show_json

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import SinkSpec
    from workers.app.inspect.parked_orders import ParkedOrder
    from workers.app.inspect.parked_requests import Asked, Result
    from workers.app.inspect.parked_show import Shown
    from workers.core.record import Partition

REASONS = ("rejected", "gave-up", "undecodable", "invalid", "unknown-order", "behind")
SINK = click.option("--sink", "name", required=True, metavar="NAME", help="The worker that parked them.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for a machine.")
REASON = click.option("--reason", type=click.Choice(REASONS), help="Only orders whose first record is parked for it.")
YES = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
EVERY = 1_000  # orders between two lines of progress


@dataclass(frozen=True, slots=True)
class Chosen:
    """The orders that a command is about."""

    configuration: Configuration
    sink: SinkSpec
    orders: list[ParkedOrder] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # named, and not parked
    ends: dict[Partition, int] = field(default_factory=dict)  # of the parked state, as it was read


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of the worker, and how its results are called."""

    make: Asked
    gone: str  # nothing of the order is parked any more
    stays: str  # something still is
    stays_well: bool = False  # and that was asked
    rate: float | None = None


@click.group(epilog="Example: relay parked list --sink ecdp-sink")
def parked() -> None:
    """Orders that a vendor refused: see them, understand them, put them back.

    Later records of a parked order are parked behind it, so that its sequence is kept.
    """


@parked.command(
    "list",
    short_help="Print one row per parked order.",
    epilog="Example: relay parked list --sink ecdp-sink --reason rejected",
)
@SINK
@REASON
@JSON
def list_(name: str, reason: str | None, as_json: bool) -> int:
    """Print one row per parked order: records, since when, first reason and detail."""
    from workers.app.inspect.parked_orders import parked_orders
    from workers.cli.parked_format import HEADINGS, facts, row
    from workers.edges.kafka.reader import open_reader

    configuration, sink = _sink(name)
    count = 0
    with open_reader(configuration.settings.kafka) as reader:
        for share in parked_orders(reader, sink):
            for order in share.orders.values():
                if reason in (None, order.fence.reason.value):
                    if not count and not as_json:
                        click.echo(HEADINGS)
                    show_json(facts(order)) if as_json else click.echo(fit(row(order)))
                    count += 1
    if not as_json:
        say(f"{count} orders parked by {name}")
    return 0


@parked.command(
    short_help="Print an order's parked records and their requests.",
    epilog="Example: relay parked show --sink ecdp-sink A-1001",
)
@click.argument("order")
@SINK
@JSON
def show(order: str, name: str, as_json: bool) -> int:
    """Print an order's parked records, decoded, each with the request that would be sent now.

    It shows the customer's data, to this terminal alone. Secrets are left out.
    """
    from workers.cli.parked_format import facts, order_lines

    chosen = _find(name, (order,))
    if chosen.missing:
        raise click.ClickException(f"{order} is not parked by {name}; `relay order {order}` tells its history")
    for found, records in _shown(chosen):
        if as_json:
            show_json(facts(found) | {"parked": [record.facts for record in records]})
        else:
            click.echo("\n".join(order_lines(found, records)))
    return 0


@parked.command(
    short_help="Have the running worker deliver parked orders again.",
    epilog="Example: relay parked replay --sink ecdp-sink --all --rate 20/s",
)
@click.argument("orders", nargs=-1, metavar="[ORDER...]")
@SINK
@click.option("--all", "everything", is_flag=True, help="All parked orders, or all of --reason.")
@REASON
@click.option("--rate", metavar="N/s", help="Ask for so many orders a second; without it, for all at once.")
@click.option("--dry-run", is_flag=True, help="Print the requests that would be sent, and send none.")
@JSON
def replay(
    *,
    orders: tuple[str, ...],
    name: str,
    everything: bool,
    reason: str | None,
    rate: str | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Have the running worker deliver parked orders again, in order; wait, and print what became of each.

    An order that is refused again stays parked, with all its records and the new reason.
    Interrupted, the worker goes on with what it has taken; the command may be given again.
    """
    from workers.app.inspect.parked_requests import replays

    if everything == bool(orders):
        raise click.UsageError("Give the orders to replay, or --all.")
    if reason is not None and not everything:
        raise click.UsageError("--reason chooses among all: give --all as well.")
    wish = Wish(replays(), "delivered", "parked again", rate=None if rate is None else _rate(rate))
    chosen = _find(name, orders, reason)
    return _dry_run(chosen, as_json=as_json) if dry_run else _ask(chosen, wish, as_json=as_json)


@parked.command(
    short_help="Give up on parked records: they are never delivered.",
    epilog="Example: relay parked discard --sink ecdp-sink A-1001 --why 'by phone'",
)
@click.argument("orders", nargs=-1, required=True, metavar="ORDER...")
@SINK
@click.option("--first-only", is_flag=True, help="Only the first parked record of each; the rest stays parked.")
@click.option("--why", default="", metavar="TEXT", help="Kept beside the discarded records, with your name.")
@YES
@JSON
def discard(*, orders: tuple[str, ...], name: str, first_only: bool, why: str, yes: bool, as_json: bool) -> int:
    """Give up on parked records: they are never delivered, and later ones of the order go on.

    Who, when and why is kept in the parked topic and in the worker's log.
    """
    from workers.app.inspect.parked_requests import discards

    chosen = _find(name, orders)
    records = sum(1 if first_only else order.fence.records for order in chosen.orders)
    if chosen.orders and not yes:
        _confirm(f"Give up on {records} records of {len(chosen.orders)} orders for good?")
    make = discards(_user(), why, first_only=first_only)
    return _ask(chosen, Wish(make, "discarded", "first discarded", stays_well=first_only), as_json=as_json)


def _sink(name: str) -> tuple[Configuration, SinkSpec]:
    import os

    from workers.app.config.configuration import load_configuration, sink_named

    configuration = load_configuration(os.environ)
    if name in configuration.config.pollers:
        raise click.UsageError(f"{name} is a poller and parks nothing.")
    return configuration, sink_named(configuration, name)


def _find(name: str, names: tuple[str, ...], reason: str | None = None) -> Chosen:
    """The orders of these names; without names all, or all of a reason."""
    from workers.app.inspect.parked_orders import order_named, parked_orders
    from workers.edges.kafka.reader import open_reader

    chosen = Chosen(*_sink(name))
    wanted = {order_named(one): one for one in names}
    with open_reader(chosen.configuration.settings.kafka) as reader:
        for share in parked_orders(reader, chosen.sink):
            chosen.ends[share.at] = share.end
            for order in share.orders.values():
                if order.order_id in wanted or (not names and reason in (None, order.fence.reason.value)):
                    chosen.orders.append(order)
    found = {order.order_id for order in chosen.orders}
    chosen.missing.extend(name for order_id, name in wanted.items() if order_id not in found)
    return chosen


def _shown(chosen: Chosen) -> Iterator[tuple[ParkedOrder, list[Shown]]]:
    import os

    from workers.app.events.command_codec import open_codec
    from workers.app.inspect.parked_orders import parked_stories
    from workers.app.inspect.parked_show import preview_sink, shown
    from workers.edges.kafka.reader import open_reader

    vendor = preview_sink(chosen.sink, os.environ)
    configuration = chosen.configuration
    with open_codec(configuration) as codec, open_reader(configuration.settings.kafka) as reader:
        for order, stories in parked_stories(reader, chosen.sink, chosen.orders):
            over = order.fence.superseded
            yield order, [shown(codec, vendor, story, superseded=n < over) for n, story in enumerate(stories)]


def _dry_run(chosen: Chosen, *, as_json: bool) -> int:
    from workers.cli.parked_format import request_lines

    for order, records in _shown(chosen):
        if as_json:
            keys = ("request", "not_sent", "undecodable")
            requests = [{key: one.facts[key] for key in keys if key in one.facts} for one in records]
            show_json({"order_id": order.name, "requests": requests})
        else:
            click.echo(f"{order.name}: {len(records)} records")
            click.echo("\n".join(line for one in records for line in request_lines(one.facts)))
    return _say_missing(chosen, as_json=as_json)


def _ask(chosen: Chosen, wish: Wish, *, as_json: bool) -> int:
    """Ask the worker, and print what became of each order as soon as it is known."""
    from workers.app.inspect.parked_requests import Asking, ask
    from workers.cli.parked_format import became

    status, well, told = _say_missing(chosen, as_json=as_json), 0, 0
    asking = Asking(chosen.configuration.settings.kafka, chosen.sink, chosen.ends, wish.rate, say)
    try:
        for results in ask(asking, chosen.orders, wish.make) if chosen.orders else ():
            _show_results(results, wish, as_json=as_json)
            if (told + len(results)) // EVERY > told // EVERY and sys.stderr.isatty():
                say(f"{told + len(results)} of {len(chosen.orders)} orders")
            well, told = well + sum(became(result, wish)[0] for result in results), told + len(results)
    except KeyboardInterrupt:
        say(f"the worker goes on with what it has taken; see 'relay parked list --sink {chosen.sink.name}'")
        raise
    if not as_json:
        say(f"{well} of {len(chosen.orders) + len(chosen.missing)} orders {wish.gone}")
    return status if well == len(chosen.orders) else 1


def _show_results(results: list[Result], wish: Wish, *, as_json: bool) -> None:
    """One line per order, those that came together in one write: ten thousand writes take the worker's time."""
    import json

    from workers.cli.parked_format import became, result_facts, result_line

    if results:
        words = [(result, became(result, wish)[1]) for result in results]
        lines = [json.dumps(result_facts(*row), ensure_ascii=False) if as_json else result_line(*row) for row in words]
        click.echo("\n".join(lines))


def _say_missing(chosen: Chosen, *, as_json: bool) -> int:
    for name in chosen.missing:
        show_json({"order_id": name, "result": "not-parked"}) if as_json else click.echo(f"{name}  not parked")
    return 1 if chosen.missing else 0


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise click.UsageError("--rate wants a number of orders a second, such as 20/s.")
    return rate


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: give --yes.")
    click.confirm(question, abort=True, err=True)


def _user() -> str:
    import os

    return os.environ.get("USER") or os.environ.get("LOGNAME") or "unknown"
