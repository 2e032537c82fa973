"""``relay quote FILE``: the former name of `relay vendor ecourier quote`, for this release."""

from __future__ import annotations

from typing import BinaryIO, Final

import click

from workers.cli.names import SINK
from workers.cli.output import print_err

VENDOR, COMMAND = "ecourier", "quote"
NEW_NAME: Final = f"relay vendor {VENDOR} {COMMAND}"


@click.command(epilog="Example: relay quote order.json --json")
@click.argument("file", type=click.File("rb"))
@click.option("--sink", metavar="NAME", type=SINK, help="The worker whose account asks, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as one JSON object, for a machine.")
def quote(file: BinaryIO, sink: str | None, as_json: bool) -> int:
    """Ask e-Courier for a price: now `relay vendor ecourier quote`.

    The next release has only the new name. FILE holds one order-created event as JSON; - reads it from standard input.
    """
    from workers.cli.vendor import run_command
    from workers.vendors.commands import load_commands

    print_err(f"relay: `relay quote` is now `{NEW_NAME}`; the next release has only the new name")
    [command] = [each for each in load_commands(VENDOR) if each.name == COMMAND]
    return run_command(VENDOR, command, as_json=as_json, worker=sink, file=file)
