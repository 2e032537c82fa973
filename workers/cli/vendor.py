"""``relay vendor NAME COMMAND``: what a vendor's folder offers besides its workers. No vendor is known here by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from workers.cli.configured import read_configuration
from workers.cli.names import WORKER
from workers.cli.operator import BY, DECLINED, WHY, YES, agreed, operator, plain
from workers.cli.output import show_file, show_json, show_line, show_table
from workers.cli.secret_file import SecretText, secret_file, secret_options
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.core.delivery.outcome import Outcome
    from workers.core.events import Created
    from workers.edges.log_actions import Action
    from workers.vendors.commands import BudgetNow, Given, Parameter, Shown, VendorCommand

FOLDERS: Final = Path(__file__).parents[1] / "vendors"
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print the whole answer as one JSON object.")

ACCOUNT: Final = click.option("--worker", metavar="NAME", type=WORKER, help="Whose account, if there are several.")
ARGUMENTS: Final[Mapping[str, Callable[..., Any]]] = {
    "order_id": click.argument("order_id"),
    "event": click.argument("file", type=click.File("rb"), default="-"),
    "nothing": lambda call: call,
}
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"type": str},
    "texts": {"type": str, "multiple": True},
    "count": {"type": click.IntRange(min=1)},
    "secret": {"type": SecretText()},
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
        return _group(cmd_name, cmd_name, commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Vendors"):
            formatter.write_dl([(name, f"relay vendor {name} --help") for name in self.list_commands(ctx)])


@click.group(cls=VendorFolders, epilog="Example: relay vendor ecourier quote order.json")
def vendor() -> None:
    """Use what a vendor offers besides its workers, with the account of one of them."""


def _group(vendor_name: str, name: str, commands: Sequence[VendorCommand], depth: int = 0) -> click.Group:
    """The click group of these commands; those of several words are in groups of their own."""
    made: list[click.Command] = []
    for word, some in groupby(commands, key=lambda each: each.name.split()[depth]):
        inside = list(some)
        whole = len(inside[0].name.split()) == depth + 1
        made.append(_command(vendor_name, inside[0]) if whole else _group(vendor_name, word, inside, depth + 1))
    of = f"the {name} of {vendor_name}" if depth else vendor_name
    text = f"Commands for {of}." if depth else f"What {vendor_name} offers besides its workers."
    return click.Group(name, commands=made, help=text, epilog=f"Example: {commands[0].example}")


def _command(name: str, command: VendorCommand) -> click.Command:
    """The click command of a vendor's command; its options depend on what it takes and whether it changes something."""

    def call(**given: Any) -> int:
        return run_command(name, command, **given)

    made: Callable[..., int] = call
    for option in (BY, WHY, YES) if command.changes else ():
        made = option(made)
    for parameter in reversed(command.parameters):
        made = _parameter(parameter)(made)
    if command.secret_file is not None:
        made = secret_options(command.secret_file.default)(made)
    decorated = ARGUMENTS[command.takes](ACCOUNT(JSON(made)))
    text = f"{command.meaning}\n\n{command.details}"
    return click.command(command.name.split()[-1], help=text, epilog=f"Example: {command.example}")(decorated)


def _parameter(parameter: Parameter) -> Callable[..., Any]:
    kind = KINDS[parameter.kind]
    if parameter.is_argument:
        return click.argument(parameter.name, required=parameter.required, **kind)
    option = f"--{parameter.name.replace('_', '-')}"
    return click.option(option, parameter.name, required=parameter.required, help=parameter.meaning, **kind)


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
    out: Path | None = None,
    show: bool = False,
    **values: Any,
) -> int:
    """Run a vendor's command with a worker's account, and show its answer."""
    from workers.vendors.commands import Given, Shown

    chosen, configuration = _configuration(name, command, worker)
    event = None if file is None else _event(configuration, chosen, file)
    given = Given(order_id if event is None else event.order_id, event, values)
    if not _agreed(command, given, why=why, yes=yes):
        return DECLINED
    with ExitStack() as ends:
        kept = None
        if out is not None and command.secret_file is not None:
            replaced = command.secret_file.replaces(configuration.credentials[chosen], given)
            kept = ends.enter_context(secret_file(out, replaced))
        found = _changed(name, command, configuration, chosen, given, by=by, why=why)
        if not isinstance(found, Shown):
            raise click.ClickException(_refusal(_title(name), command, found))
        if kept is not None and found.secret is not None:
            kept.write(found.secret)
    _show(found, out, as_json=as_json, show=show)
    return 0


def _show(found: Shown, out: Path | None, *, as_json: bool, show: bool) -> None:
    """The answer; of a secret, the name of its file, and with ``show`` itself."""
    secret = {} if found.secret is None else {"file": str(out), **({"key": found.secret} if show else {})}
    if as_json:
        show_json(found.document | secret if secret else found.document)
        return
    if found.content is not None:
        show_file(found.content)
        return
    show_table(found.columns, found.rows)
    for label, text in secret.items():
        show_line(f"{label}: {text}")


def _agreed(command: VendorCommand, given: Given, *, why: str, yes: bool) -> bool:
    """Whether a command that changes something may do so."""
    if command.changes and command.needs_reason and not why.strip():
        raise click.UsageError("Give the reason: --why TEXT.")
    if not command.changes or not command.asks:
        return True
    question = command.changes.format(command.subject(given))
    return agreed(f"{question[0].upper()}{question[1:]}?", yes=yes)


def _changed(
    name: str, command: VendorCommand, configuration: Configuration, worker: str, given: Given, *, by: str, why: str
) -> Shown | Outcome:
    """Run the command; what it changes is written down before the request: an interrupted one may have changed it."""
    from workers.vendors.commands import Shown

    facts = {"vendor": name, "command": command.name, f"{command.noun}_id": command.subject(given)}
    if command.changes:
        _write_down(configuration, "vendor_command", **facts, by=operator(by), why=plain(why))
    found = run_interruptibly(_ask(configuration, worker, command, given))
    if command.changes:
        outcome = "done" if isinstance(found, Shown) else type(found).__name__.lower()
        _write_down(configuration, "vendor_command_ended", **facts, outcome=outcome)
    return found


def _configuration(name: str, command: VendorCommand, worker: str | None) -> tuple[str, Configuration]:
    """Read topics.yaml, find the worker, and read only that worker's variables; raises `ConfigError`."""
    from workers.app.config.errors import ConfigError, Fault

    config = read_configuration().config
    side = "worker" if command.side == "any" else command.side
    of_side = {"sink": set(config.sinks), "poller": set(config.pollers), "worker": set(config.workers)}[side]
    names = [each for each, spec in config.workers.items() if each in of_side and spec.vendor == name]
    if not names:
        message = f"no {side} has 'vendor: {name}'; `{command.name}` needs the account of one"
        raise ConfigError([Fault(str(config.file), message)])
    accounts = {config.workers[each].credentials for each in names} if command.side == "any" else names
    if worker is None and len(accounts) > 1:
        raise click.UsageError(f"there are several workers for {_title(name)}: give --worker {' or '.join(names)}.")
    if worker is not None and worker not in names:
        raise click.UsageError(f"'{worker}' is no {side} of {_title(name)}; there are: {', '.join(names)}.")
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
    from workers.core.budget import Use

    spec, credentials = configuration.config.workers[worker], configuration.credentials[worker]
    use = Use.WRITE if command.changes else Use.READ
    if command.shows_budget:
        given = replace(given, budget=await _budget(configuration, worker))
    flow = command.flow(spec.options, credentials, given)
    return await ask_vendor(configuration, spec, flow, use=use)


async def _budget(configuration: Configuration, worker: str) -> BudgetNow:
    from workers.app.inspect.connectivity import read_budget

    found = await read_budget(configuration, configuration.config.pollers[worker])
    if found is None:
        raise click.ClickException(f"{worker} has no `budget` in topics.yaml: its requests are not counted.")
    return found


def _write_down(configuration: Configuration, action: Action, **values: str) -> None:
    """One line of the log, which this command writes to stderr."""
    from workers.edges.log import log, set_up

    set_up("info", configuration.settings.log_format)
    log.info(action, **values)


def _refusal(title: str, command: VendorCommand, outcome: Outcome) -> str:
    """Why there is no answer, and what to do."""
    from workers.core.delivery.outcome import Delivered, Denied, Rejected, Skipped, Throttled, UnknownOrder

    verb, noun = command.name.split()[-1], command.noun
    match outcome:
        case Skipped(reason):
            said = f"there is nothing to {verb}: {reason} in this {noun}."
        case UnknownOrder(detail):
            said = f"{title} has no such {noun}: {detail}"
        case Rejected(detail):
            said = f"{title} does not {verb} this {noun}: {detail}"
        case Denied(reason):
            said = f"{title} refuses our account: {reason}; `relay check` shows more"
        case Throttled():
            said = f"{title} is throttling us; try again later."
        case Delivered():
            said = f"{title} gave no answer that can be shown."
        case _:
            said = f"{title}: {outcome.reason}; try again, and see `relay check`"
    return said
