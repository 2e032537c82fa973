"""``relay vendor NAME COMMAND``: what a vendor's folder offers besides its workers. No vendor is known here by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from workers.cli.configured import read_configuration
from workers.cli.names import WORKER
from workers.cli.operator import BY, DECLINED, WHY, YES, agreed, operator, plain
from workers.cli.output import show_json, show_table
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.core.delivery.outcome import Outcome
    from workers.core.events import Created
    from workers.vendors.commands import Given, Shown, VendorCommand

FOLDERS: Final = Path(__file__).parents[1] / "vendors"
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the whole answer as one JSON object.")

ACCOUNT: Final = click.option("--worker", metavar="NAME", type=WORKER, help="Whose account, if there are several.")
ARGUMENTS: Final[Mapping[str, Callable[..., Any]]] = {
    "order_id": click.argument("order_id"),
    "event": click.argument("file", type=click.File("rb"), default="-"),
}


class VendorFolders(click.Group):
    """The vendors whose folder has commands; imports only the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        return sorted(file.parent.name for file in FOLDERS.glob("[a-z]*/commands.py"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        from workers.vendors.commands import load_commands

        commands = load_commands(cmd_name)
        return click.Group(
            cmd_name,
            commands=[_command(cmd_name, each) for each in commands],
            help=f"What {cmd_name} offers besides its workers.",
            epilog=f"Example: {commands[0].example}",
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Vendors"):
            formatter.write_dl([(name, f"relay vendor {name} --help") for name in self.list_commands(ctx)])


@click.group(cls=VendorFolders, epilog="Example: relay vendor ecourier quote order.json")
def vendor() -> None:
    """Use what a vendor offers besides its workers, with the account of one of them."""


def _command(name: str, command: VendorCommand) -> click.Command:
    """The click command of a vendor's command; its options depend on what it takes and whether it changes something."""

    def call(**given: Any) -> int:
        return run_command(name, command, **given)

    made: Callable[..., int] = call
    for option in (BY, WHY, YES) if command.changes else ():
        made = option(made)
    decorated = ARGUMENTS[command.takes](ACCOUNT(JSON(made)))
    text = f"{command.meaning}\n\n{command.details}"
    return click.command(command.name, help=text, epilog=f"Example: {command.example}")(decorated)


def run_command(
    name: str,
    command: VendorCommand,
    *,
    as_json: bool,
    worker: str | None = None,
    order_id: str = "",
    file: BinaryIO | None = None,
    by: str = "",
    why: str = "",
    yes: bool = False,
) -> int:
    """Run a vendor's command with a worker's account, and show its answer."""
    from workers.vendors.commands import Given, Shown

    chosen, configuration = _configuration(name, command, worker)
    event = None if file is None else _event(configuration, chosen, file)
    given = Given(order_id if event is None else event.order_id, event)
    if command.changes:
        if not why.strip():
            raise click.UsageError("Give the reason: --why TEXT.")
        if not agreed(f"{command.changes.format(given.order_id).capitalize()}?", yes=yes):
            return DECLINED
    facts = {"vendor": name, "command": command.name, "order_id": given.order_id}
    if command.changes:  # before the request: an interrupted command may have changed something, too
        _write_down(configuration, "vendor_command", **facts, by=operator(by), why=plain(why))
    found = run_interruptibly(_ask(configuration, chosen, command, given))
    if command.changes:
        outcome = "done" if isinstance(found, Shown) else type(found).__name__.lower()
        _write_down(configuration, "vendor_command_ended", **facts, outcome=outcome)
    if not isinstance(found, Shown):
        raise click.ClickException(_refusal(_title(name), command.name, found))
    if as_json:
        show_json(found.document)
    else:
        show_table(found.columns, found.rows)
    return 0


def _configuration(name: str, command: VendorCommand, worker: str | None) -> tuple[str, Configuration]:
    """Read topics.yaml, find the worker, and read only that worker's variables; raises `ConfigError`."""
    from workers.app.config.errors import ConfigError, Fault

    config = read_configuration().config
    specs = config.sinks if command.side == "sink" else config.pollers
    names = [each for each, spec in specs.items() if spec.vendor == name]
    if not names:
        message = f"no {command.side} has 'vendor: {name}'; `{command.name}` needs the account of one"
        raise ConfigError([Fault(str(config.file), message)])
    if worker is None and len(names) > 1:
        raise click.UsageError(f"there are several workers for {_title(name)}: give --worker {' or '.join(names)}.")
    if worker is not None and worker not in names:
        raise click.UsageError(f"'{worker}' is no {command.side} of {_title(name)}; there are: {', '.join(names)}.")
    chosen = worker or names[0]
    return chosen, read_configuration([chosen])


def _title(name: str) -> str:
    from workers.vendors.contract import load

    return load(name).title


def _event(configuration: Configuration, worker: str, file: BinaryIO) -> Created:
    """Read the event by the schema of the worker's topic of creates; a fault is named by its field."""
    import orjson

    from workers.app.events.schemas import read_schemas
    from workers.core.event_kinds import ORDER_CREATED
    from workers.core.events import Created
    from workers.edges.avro.event_json import InvalidEvent, from_json

    schemas = read_schemas(configuration.config)
    todays = (schemas[topic].today for topic in configuration.config.sinks[worker].consumes)
    tree = next(schema.tree for schema in todays if schema.name == ORDER_CREATED.record)
    try:
        content: Any = from_json(tree, orjson.loads(file.read()))
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise click.ClickException(f"{file.name}: not one JSON object: {error.msg} at {place}") from error
    except InvalidEvent as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    return Created(content["order"]["order_id"], content)


async def _ask(configuration: Configuration, worker: str, command: VendorCommand, given: Given) -> Shown | Outcome:
    from workers.app.inspect.connectivity import ask_vendor

    spec, credentials = configuration.config.workers[worker], configuration.credentials[worker]
    return await ask_vendor(spec, credentials, command.flow(spec.options, credentials, given))


def _write_down(configuration: Configuration, action: str, **values: str) -> None:
    """One line of the log, which this command writes to stderr."""
    from workers.edges.log import log, set_up

    set_up("info", configuration.settings.log_format)
    log.info(action, **values)


def _refusal(title: str, verb: str, outcome: Outcome) -> str:
    """Why there is no answer, and what to do."""
    from workers.core.delivery.outcome import Delivered, Denied, Rejected, Skipped, Throttled, UnknownOrder

    match outcome:
        case Skipped(reason):
            said = f"there is nothing to {verb}: {reason} in this order."
        case UnknownOrder(detail):
            said = f"{title} has no such order: {detail}"
        case Rejected(detail):
            said = f"{title} does not {verb} this order: {detail}"
        case Denied(reason):
            said = f"{title} refuses our account: {reason}; `relay check` shows more"
        case Throttled():
            said = f"{title} is throttling us; try again later."
        case Delivered():
            said = f"{title} gave no answer that can be shown."
        case _:
            said = f"{title}: {outcome.reason}; try again, and see `relay check`"
    return said
