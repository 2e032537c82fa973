"""``relay parked list | show | replay | discard``: orders that a vendor refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workers.cli import names
from workers.cli.configured import read_configuration, sink_named
from workers.cli.operator import BY, DECLINED, WHY, YES, agreed, operator, plain
from workers.cli.output import json_text, print_err, show_json, show_json_lines, show_line, show_lines, terminal_width
from workers.core.counted import counted

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import SinkSpec
    from workers.app.inspect.parked_orders import ParkedOrder
    from workers.app.inspect.parked_requests import MakeCommand, OrderResult, Requester, RequestTracker
    from workers.app.inspect.parked_show import ShownRecord
    from workers.cli.parked_format import RequestWording
    from workers.core.record import Partition

REASONS = ("rejected", "gave-up", "undecodable", "invalid", "unknown-order", "behind")
SINK = click.option(
    "--sink", "name", required=True, type=names.SINK, metavar="NAME", help="The worker that parked them."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line, for a machine.")
REASON = click.option(
    "--reason", type=click.Choice(REASONS), help="Only orders whose first record is parked for this reason."
)
PROGRESS_EVERY = 1_000  # orders


@dataclass(frozen=True, slots=True)
class Chosen:
    """The orders that a command is about."""

    configuration: Configuration
    sink: SinkSpec
    orders: list[ParkedOrder] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # named on the command line, but not parked
    ends: dict[Partition, int] = field(default_factory=dict)  # offsets of the parked state up to which it was read


@click.group(epilog="Example: relay parked list --sink ecdp-sink")
def parked() -> None:
    """Orders that a vendor refused: list, show, replay or discard them.

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
    """Print one row per parked order, the oldest first: records, since when, first reason and detail; then the totals.

    The totals say how many orders share a reason. On a terminal a long detail is wrapped; elsewhere a row is one line.
    """
    from workers.cli.parked_format import facts, rows, totals

    orders = sorted(_find(name, (), reason).orders, key=lambda order: (order.fence.since_ms, order.order_id))
    if as_json:
        show_json_lines([json_text(facts(order)) for order in orders])
        return 0
    show_lines(rows(orders, terminal_width()))
    show_lines(totals(orders, name))
    if orders:
        print_err(f"`relay parked show --sink {name} ORDER` shows an order and its request; then replay or discard it")
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

    The output holds the customer's data. Secrets are left out.
    """
    from workers.cli.parked_format import facts, order_lines

    chosen = _find(name, (order,))
    if chosen.missing:
        raise click.ClickException(f"{order} is not parked by {name}; `relay order {order}` shows its history")
    for found, records in _shown(chosen):
        if as_json:
            show_json(facts(found) | {"parked": [record.facts for record in records]})
        else:
            show_lines(order_lines(found, records))
    return 0


@parked.command(
    short_help="Have the running worker deliver parked orders again.",
    epilog="Example: relay parked replay --sink ecdp-sink --all --rate 20/s",
)
@click.argument("orders", nargs=-1, metavar="[ORDER...]")
@SINK
@click.option("--all", "everything", is_flag=True, help="All parked orders, or all of --reason.")
@REASON
@click.option("--rate", metavar="N/s", help="Replay N orders a second; without it, all at once.")
@click.option("--dry-run", is_flag=True, help="Print the requests that would be sent, and send none.")
@BY
@WHY
@JSON
def replay(
    *,
    orders: tuple[str, ...],
    name: str,
    everything: bool,
    reason: str | None,
    rate: str | None,
    dry_run: bool,
    by: str,
    why: str,
    as_json: bool,
) -> int:
    """Have the running worker deliver parked orders again, each in its sequence; print what became of each.

    An order that is refused again stays parked, with all its records and the new reason.
    If you interrupt the command, the worker goes on with what it has taken, and the rest is withdrawn.
    """
    from workers.app.inspect.parked_requests import replay_command
    from workers.cli.parked_format import DELIVERED

    if everything and orders:
        raise click.UsageError("Give either the orders to replay or --all, not both.")
    if not everything and not orders:
        raise click.UsageError("Give the orders to replay, or --all.")
    if reason is not None and not everything:
        raise click.UsageError("--reason selects among all orders: give --all as well.")
    a_second = None if rate is None else _rate(rate)
    chosen = _find(name, orders, reason)
    if dry_run:
        return _dry_run(chosen, as_json=as_json)
    return _request(chosen, replay_command(operator(by), plain(why)), DELIVERED, rate=a_second, as_json=as_json)


@parked.command(
    short_help="Give up on parked records: they are never delivered.",
    epilog="Example: relay parked discard --sink ecdp-sink A-1001 --why 'by phone'",
)
@click.argument("orders", nargs=-1, required=True, metavar="ORDER...")
@SINK
@click.option("--first-only", is_flag=True, help="Only the first parked record of each; the rest stays parked.")
@BY
@WHY
@YES
@JSON
def discard(
    *, orders: tuple[str, ...], name: str, first_only: bool, by: str, why: str, yes: bool, as_json: bool
) -> int:
    """Give up on parked records: they are never delivered, and later records of the order are.

    Who, when and why is kept in the parked topic and in the worker's log.
    If you interrupt the command, the worker goes on with what it has taken, and the rest is withdrawn.
    """
    from workers.app.inspect.parked_requests import discard_command
    from workers.cli.parked_format import DISCARDED, FIRST_DISCARDED

    chosen = _find(name, orders)
    records = sum(1 if first_only else order.fence.records for order in chosen.orders)
    given_up = f"{counted(records, 'record')} of {counted(len(chosen.orders), 'order')}"
    if chosen.orders and not agreed(f"Give up on {given_up} for good?", yes=yes):
        print_err("nothing was discarded")
        return DECLINED
    command = discard_command(operator(by), plain(why), first_only=first_only)
    return _request(chosen, command, FIRST_DISCARDED if first_only else DISCARDED, as_json=as_json)


def _sink(name: str) -> tuple[Configuration, SinkSpec]:
    configuration = read_configuration()
    return configuration, sink_named(configuration, name, "parks nothing")


def _find(name: str, order_names: tuple[str, ...], reason: str | None = None) -> Chosen:
    """The orders of these names; without names all, or all of a reason."""
    from workers.app.inspect.parked_orders import order_named, parked_orders
    from workers.edges.kafka.reader import open_reader

    chosen = Chosen(*_sink(name))
    wanted = {order_named(one): one for one in order_names}
    with open_reader(chosen.configuration.settings.kafka) as reader:
        for found in parked_orders(reader, chosen.sink):
            chosen.ends[found.partition] = found.end
            for order in found.orders.values():
                if order.order_id in wanted or (not order_names and reason in (None, order.fence.reason.value)):
                    chosen.orders.append(order)
    parked = {order.order_id for order in chosen.orders}
    chosen.missing.extend(name for order_id, name in wanted.items() if order_id not in parked)
    return chosen


def _shown(chosen: Chosen) -> Iterator[tuple[ParkedOrder, list[ShownRecord]]]:
    from workers.app.events.command_codec import open_codec
    from workers.app.inspect.parked_orders import read_parked, tracked_now
    from workers.app.inspect.parked_show import preview_sink, show_record
    from workers.edges.kafka.reader import open_reader

    vendor = preview_sink(chosen.sink, os.environ)
    configuration = chosen.configuration
    with open_codec(configuration) as codec, open_reader(configuration.settings.kafka) as reader:
        tracked = tracked_now(reader, codec, chosen.sink, chosen.orders)
        for order, records in read_parked(reader, chosen.sink, chosen.orders):
            over, known = order.fence.superseded, tracked.get(order.key)
            yield order, [show_record(codec, vendor, one, known, superseded=n < over) for n, one in enumerate(records)]


def _dry_run(chosen: Chosen, *, as_json: bool) -> int:
    from workers.cli.parked_format import request_lines

    for order, records in _shown(chosen):
        if as_json:
            keys = ("request", "not_sent", "undecodable")
            requests = [{key: one.facts[key] for key in keys if key in one.facts} for one in records]
            show_json({"order_id": order.name, "requests": requests})
        else:
            show_line(f"{order.name}: {counted(len(records), 'record')}")
            show_lines(line for one in records for line in request_lines(one.facts))
    return _report_missing(chosen, as_json=as_json)


def _request(
    chosen: Chosen, make: MakeCommand, wording: RequestWording, *, rate: float | None = None, as_json: bool
) -> int:
    """Ask the worker, and print what became of each order as soon as it is known."""
    from workers.app.inspect.parked_requests import Requester, new_tracker, request
    from workers.cli.parked_format import outcome_of
    from workers.edges.kafka.client import KafkaFailed

    status, succeeded, done = _report_missing(chosen, as_json=as_json), 0, 0
    requester = Requester(chosen.configuration.settings.kafka, chosen.sink, chosen.ends, rate, print_err)
    tracker = new_tracker()
    try:
        with closing(request(requester, chosen.orders, make, tracker)) as coming:
            for results in coming if chosen.orders else ():
                _show_results(results, wording, as_json=as_json)
                if (done + len(results)) // PROGRESS_EVERY > done // PROGRESS_EVERY and sys.stderr.isatty():
                    print_err(f"{done + len(results)} of {len(chosen.orders)} orders")
                done += len(results)
                succeeded += sum(outcome_of(result, wording)[0] for result in results)
    except (KeyboardInterrupt, KafkaFailed):
        if tracker.commands:
            _withdraw(requester, tracker, left=len(chosen.orders) - done)
        raise
    if not as_json:
        print_err(f"{succeeded} of {counted(len(chosen.orders) + len(chosen.missing), 'order')} {wording.gone}")
    return status if succeeded == len(chosen.orders) else 1


def _withdraw(requester: Requester, tracker: RequestTracker, left: int) -> None:
    """Take back what no worker has begun, and say what is still done; ``left``: orders without a result."""
    from workers.app.inspect.parked_withdrawal import withdraw
    from workers.edges.kafka.client import KafkaFailed

    name = requester.sink.name
    try:
        taken = withdraw(requester, tracker)
    except (KeyboardInterrupt, KafkaFailed):
        until = datetime.fromtimestamp(max(one.expires_ms for one in tracker.commands.values()) / 1000, UTC)
        print_err(f"not withdrawn: a worker of {name} that starts before {until:%H:%M:%S} UTC still does it")
        return
    if left > taken:
        print_err(f"withdrawn: nothing will be done for {counted(left - taken, 'order')}")
    if taken:
        goes_on = f"the worker goes on with {counted(taken, 'order')} that it has taken"
        print_err(f"{goes_on}; see 'relay parked list --sink {name}'")


def _show_results(results: list[OrderResult], wording: RequestWording, *, as_json: bool) -> None:
    """One line per order, all in one write: ten thousand writes would slow the command below the worker's rate."""
    from workers.cli.parked_format import outcome_of, result_facts, result_line

    if results:
        words = [(result, outcome_of(result, wording)[1]) for result in results]
        if as_json:
            show_json_lines([json_text(result_facts(*row)) for row in words])
        else:
            show_lines(result_line(*row) for row in words)


def _report_missing(chosen: Chosen, *, as_json: bool) -> int:
    for name in chosen.missing:
        show_json({"order_id": name, "result": "not-parked"}) if as_json else show_line(f"{name}  not parked")
    return 1 if chosen.missing else 0


def _rate(text: str) -> float:
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise click.UsageError("--rate must be a number of orders a second, such as 20/s.")
    return rate
