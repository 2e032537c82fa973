"""Finds the command that was asked for, runs it, and turns errors into one line and an exit status.

Each command is the click command of its own name in ``workers/cli/<name>.py`` (``dev-kafka``: ``dev_kafka``),
imported only when it is used: `--help` must not wait for Kafka's client.
"""

import errno
import os
import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from workers.cli.main import INTERRUPTED
from workers.cli.output import print_err

DONE, FAILED, WRONG_USAGE = 0, 1, 2

COMMANDS = {
    "demo": "Try everything on this machine: Kafka, simulated vendors, workers, orders.",
    "run": "Run workers of topics.yaml until SIGTERM or Ctrl-C.",
    "check": "Validate the configuration; test Kafka, the registry and the vendors.",
    "topics": "Compare topics.yaml and schemas/ with the cluster, and apply them.",
    "publish": "Send events, given as JSON, to a topic.",
    "tail": "Show a topic's records as JSON lines.",
    "order": "Show where an order is: a verdict, then its timeline.",
    "status": "Show how workers are: lag, gate, parked orders, what is wrong.",
    "top": "Watch workers live.",
    "waiting": "List the orders that wait in workers, and what for.",
    "sample": "Print a valid example event for a topic.",
    "vendor": "Use what a vendor offers besides its workers: a quote, a delete.",
    "quote": "The former name of `relay vendor ecourier quote`.",
    "parked": "List, show, replay or discard the orders that a vendor refused.",
    "offsets": "Show a worker's committed offsets, or move them.",
    "poll": "Preview the events that a time range of a vendor would publish.",
    "poller": "Reset a poller's cursor to an earlier time.",
    "simulate": "Run a vendor's simulator, with faults on demand.",
    "dev-kafka": "Run a Kafka on this machine for trying, until Ctrl-C.",
    "completion": "Print the shell's completion script: bash, zsh or fish.",
}
"""Every command with its line in ``relay --help``, in the order in which a new user needs them."""


class LazyCommands(click.Group):
    """Knows its commands by name, and imports only the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        return [name for name in COMMANDS if find_spec(_module(name))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = getattr(import_module(_module(cmd_name)), cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            raise click.NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


def _module(command: str) -> str:
    return f"workers.cli.{command.replace('-', '_')}"


def show_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        click.echo(f"relay {version('order-relay')}")
        ctx.exit()


@click.group(
    cls=LazyCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog="Example: relay sample order-created | relay publish order-created -",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show the version."
)
def relay() -> None:
    """Deliver order events from Kafka to vendors, in sequence per order, without loss.

    `relay COMMAND --help` (or `relay help COMMAND`) has an example of each command.
    """


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status: 0 done, 1 failed, 2 wrong usage or configuration."""
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    try:
        with relay.make_context("relay", arguments) as ctx:
            status: Any = relay.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        return _refused(error)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as error:  # noqa: BLE001 - the last place where an error can become one line
        return _failed(error)
    return status if isinstance(status, int) else DONE


def print_error(message: str) -> None:
    """Print one line on stderr."""
    print_err(f"relay: {' '.join(message.split())}")


def _refused(error: click.ClickException) -> int:
    match error:
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True)
        case click.UsageError(ctx=click.Context() as ctx):
            message = error.format_message()
            print_error(f"{message}{'' if message.endswith(('.', '?')) else '.'} See '{ctx.command_path} --help'.")
        case _:
            print_error(error.format_message())
    return error.exit_code


def _interrupted() -> int:
    if sys.stderr.isatty():
        click.echo(err=True)  # the terminal has echoed ^C into the line
    print_error("interrupted")
    return INTERRUPTED


def _closed_pipe() -> int:
    _drop_output()  # the reader (`| head`) has closed the pipe
    return DONE


def _drop_output() -> None:
    """Python flushes stdout once more at exit, and would print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(error: Exception) -> int:
    from workers.app.config.errors import ConfigError
    from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
    from workers.edges.avro.schema_tree import SchemaError
    from workers.edges.kafka.client import KafkaFailed

    match error:
        case ConfigError(faults=faults):
            lines, status = [str(fault) for fault in faults], WRONG_USAGE
        case SchemaError():
            lines, status = [str(error)], WRONG_USAGE
        case KafkaFailed() | RegistryRefused() | RegistryUnavailable():
            lines, status = [str(error)], FAILED
        case OSError(errno=errno.ENOSPC):
            _drop_output()
            lines, status = [f"cannot write: {error.strerror}; free some space, and give the command again"], FAILED
        case _:
            lines, status = [_unexpected(error)], FAILED
    for line in lines:
        print_error(line)
    return status


def _unexpected(error: Exception) -> str:
    """Name the place, not the error's text, which may hold secrets or personal data."""
    if os.environ.get("RELAY_LOG_LEVEL") == "debug":
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"unexpected {type(error).__name__} at {place}; RELAY_LOG_LEVEL=debug prints the traceback; please report it"
