"""``relay dev-kafka``: a Kafka on this machine, for trying."""

import signal
import time
from typing import Any, Final

import click

from workers.cli.output import print_err, show_line

_LOOK_EVERY_S: Final = 0.5
_BY_SIGNAL: Final = 128  # exit status of a process that ends on a signal: this and its number


@click.command("dev-kafka", epilog="Example: relay dev-kafka --port 9092")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9092,
    show_default=True,
    help="Port to listen on, on loopback only; 0 picks a free one.",
)
def dev_kafka(port: int) -> int:
    """Run a single-node Apache Kafka in the foreground until Ctrl-C; nothing has to be installed.

    The first run fetches Kafka. The line that it prints leads the other commands to it: paste it into their terminals.
    Topics and records are gone when it ends.
    """
    from workers.devkit.broker.broker import Broker
    from workers.devkit.broker.errors import BrokerError, PortTakenError

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell script's background process ignores it
    try:
        with Broker.start(port=port, announce=print_err) as broker:
            show_line(f"export KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap} RELAY_REPLICATION_FACTOR=1")
            print_err("Apache Kafka runs until Ctrl-C; its topics and records go with it")
            _watch(broker)
    except PortTakenError as error:
        raise click.ClickException(f"{error}; or choose another --port, 0 for any") from error
    except BrokerError as error:
        raise click.ClickException(str(error)) from error
    return 0


def _end(number: int, _: Any) -> None:
    raise SystemExit(_BY_SIGNAL + number)  # unwinds as Ctrl-C does, so that Kafka is ended


def _watch(broker: Any) -> None:
    """Return at Ctrl-C; raises `click.ClickException` when Kafka ends by itself."""
    from workers.devkit import child

    try:
        while broker.process.poll() is None:
            time.sleep(_LOOK_EVERY_S)
    except KeyboardInterrupt:
        print_err("stopping")
        return
    raise click.ClickException(f"Kafka has ended: {child.last_words(broker.log)[:300]}")
