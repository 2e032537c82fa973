"""``relay quote FILE``: asks e-Courier what an order's delivery would cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from workers.cli.configured import read_configuration
from workers.cli.names import SINK
from workers.cli.output import show_json, show_table
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.core.delivery.outcome import Outcome
    from workers.core.events import Created
    from workers.vendors.ecourier.existing_order import ExistingOrder

VENDOR: Final = "ecourier"
PRICE: Final = "AmountCharged"


@click.command(epilog="Example: relay quote order.json --json")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--sink",
    metavar="NAME",
    type=SINK,
    help="The worker whose account asks, if topics.yaml has several for e-Courier.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as one JSON object, for a machine.")
def quote(file: BinaryIO, sink: str | None, as_json: bool) -> int:
    """Ask e-Courier what the delivery of one order would cost; nothing is created.

    FILE holds one order-created event as JSON; - reads it from standard input.
    """
    from workers.vendors.ecourier.existing_order import ExistingOrder

    name, configuration = _configuration(sink)
    created = _event(configuration, name, file)
    found = run_interruptibly(_ask(configuration, name, created))
    if not isinstance(found, ExistingOrder):
        raise click.ClickException(_refusal(found))
    if as_json:
        show_json(found.fields)
    else:
        rows = sorted(_rows(found.fields), key=lambda row: row[0] != PRICE)  # the price is the answer: it goes first
        show_table(("field", "value"), rows)
    return 0


def _configuration(sink: str | None) -> tuple[str, Configuration]:
    """Read topics.yaml, find the worker, and read only that worker's variables; raises `ConfigError`."""
    from workers.app.config.errors import ConfigError, Fault

    config = read_configuration().config
    names = [name for name, spec in config.sinks.items() if spec.vendor == VENDOR]
    if not names:
        message = f"no worker has 'vendor: {VENDOR}'; a quote needs the account of one"
        raise ConfigError([Fault(str(config.file), message)])
    if sink is None and len(names) > 1:
        raise click.UsageError(f"there are several workers for e-Courier: give --sink {' or '.join(names)}.")
    if sink is not None and sink not in names:
        raise click.UsageError(f"'{sink}' is no worker for e-Courier; there are: {', '.join(names)}.")
    name = sink or names[0]
    return name, read_configuration([name])


def _event(configuration: Configuration, name: str, file: BinaryIO) -> Created:
    """Read the event by the schema of the worker's topic of creates; a fault is named by its field."""
    import orjson

    from workers.app.events.schemas import read_schemas
    from workers.core.event_kinds import ORDER_CREATED
    from workers.core.events import Created
    from workers.edges.avro.event_json import InvalidEvent, from_json

    schemas = read_schemas(configuration.config)
    todays = (schemas[topic].today for topic in configuration.config.sinks[name].consumes)
    tree = next(schema.tree for schema in todays if schema.name == ORDER_CREATED.record)
    try:
        content: Any = from_json(tree, orjson.loads(file.read()))
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise click.ClickException(f"{file.name}: not one JSON object: {error.msg} at {place}") from error
    except InvalidEvent as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    return Created(content["order"]["order_id"], content)


async def _ask(configuration: Configuration, name: str, created: Created) -> ExistingOrder | Outcome:
    from workers.app.inspect.connectivity import ask_vendor
    from workers.vendors.ecourier.sink import EcourierSink

    spec, credentials = configuration.config.sinks[name], configuration.credentials[name]
    return await ask_vendor(spec, credentials, EcourierSink(spec.options, credentials).quote(created))


def _refusal(outcome: Outcome) -> str:
    """Why there is no quote, and what to do."""
    from workers.core.delivery.outcome import Delivered, Denied, Rejected, Skipped, Throttled, UnknownOrder

    match outcome:
        case Skipped(reason):
            return f"there is nothing to quote: {reason} in this order."
        case Rejected(detail) | UnknownOrder(detail):
            return f"e-Courier does not quote this order: {detail}"
        case Denied(reason):
            return f"e-Courier refuses our account: {reason}; `relay check` shows more"
        case Throttled():
            return "e-Courier is throttling us; try again later."
        case Delivered():
            return "e-Courier gave no quote."
        case _:
            return f"e-Courier: {outcome.reason}; try again, and see `relay check`"


def _rows(fields: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Name every text by its path in the answer: ``Stops.Stop[2].City``."""
    for name, value in fields.items():
        whole = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            yield from _rows(value, whole)
        elif isinstance(value, list):
            numbered = {f"{name}[{number}]": each for number, each in enumerate(value, start=1)}
            yield from _rows(numbered, path)
        elif value not in {None, ""}:
            yield whole, str(value)
