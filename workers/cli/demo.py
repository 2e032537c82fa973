"""``relay demo``: everything on this machine, with sample orders."""

import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

import click

from workers.cli.operator import DECLINED, YES, agreed
from workers.cli.output import print_err

EXAMPLE = """Starts a real Apache Kafka, simulated vendors and all workers, publishes sample orders, takes each vendor
down in turn, and counts the orders at the vendors.

The first run fetches Kafka. The demo touches no other Kafka, registry or vendor, whatever the environment says.
With --on-this-kafka it uses the Kafka of KAFKA_BOOTSTRAP_SERVERS, after a question: under topics and groups of its own
prefix, which it removes at its end.

\b
Example:
  relay demo
  relay demo --keep
  relay demo --orders my-orders.jsonl --json
"""
_BY_SIGNAL = 128  # exit status of a process that ends on a signal: this and its number


@click.command(help=EXAMPLE)
@click.option("--keep", is_flag=True, help="Leave everything running until Ctrl-C.")
@click.option(
    "--orders",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Publish these instead: JSON lines of order-created events.",
)
@click.option("--on-this-kafka", is_flag=True, help="Use the Kafka of KAFKA_BOOTSTRAP_SERVERS instead of a new one.")
@YES
@click.option("--json", "as_json", is_flag=True, help="Print the closing report as JSON; progress goes to stderr.")
def demo(*, keep: bool, orders: Path | None, on_this_kafka: bool, yes: bool, as_json: bool) -> int:
    """Run the demo; exit status 0 when all counts agree."""
    begun = time.monotonic()
    click.echo("Order Relay demo: orders from Kafka to simulated vendors. Ctrl-C ends it at any moment.", err=as_json)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell script's background process ignores it
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    from workers.devkit.broker.broker import BrokerError
    from workers.devkit.demo.processes import DemoError

    try:
        given = _given_kafka(yes=yes) if on_this_kafka else None
        if on_this_kafka and given is None:
            print_err("nothing was started")
            return DECLINED
        return _run(keep=keep, as_json=as_json, orders=orders, given=given, begun=begun)
    except (BrokerError, DemoError) as error:
        raise click.ClickException(str(error)) from error


def _given_kafka(*, yes: bool) -> Any:
    """The user's Kafka; None when the user does not agree."""
    from workers.devkit.demo.own_names import reach_given_kafka

    given = reach_given_kafka(os.environ)
    places = f"topics and groups that begin with {given.prefix}, and removes them at its end"
    return given if agreed(f"The demo makes, at {given.address}, {places}. Go on?", yes=yes) else None


def _end(number: int, _: Any) -> NoReturn:
    raise SystemExit(_BY_SIGNAL + number)  # unwinds as Ctrl-C does, so that every process is ended


def _run(*, keep: bool, as_json: bool, begun: float, **chosen: Any) -> int:
    from contextlib import ExitStack

    from rich.console import Console

    from workers.devkit.demo.run import run_demo
    from workers.devkit.demo.screen import screen_for
    from workers.devkit.demo.summary import print_next, print_summary

    console = Console(stderr=as_json)
    with ExitStack() as ends:
        with screen_for(console, begun) as screen:
            running, report = run_demo(screen, ends, begun=begun, **chosen)
        print_summary(console, report)
        if as_json:
            click.echo(report.to_json())
        print_next(console, running, report, keep=keep)
        if keep:
            _wait(running)
        elif not report.right:
            raise click.ClickException(f"the counts differ; the logs are in {running.processes.folder}")
    return 0 if report.right else 1


def _wait(running: Any) -> None:
    """Return at Ctrl-C; raises `DemoError` when a process ends by itself."""
    try:
        while True:
            running.monitor.refresh()
            time.sleep(1)
    except KeyboardInterrupt:
        click.echo("\nstopping", err=True)
