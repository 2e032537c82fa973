"""``relay status [NAME...]``: one look at running workers."""

from __future__ import annotations

from dataclasses import asdict

import click

from workers.cli.configured import read_configuration
from workers.cli.names import WORKER
from workers.cli.output import print_err, show_json, show_line, show_table
from workers.cli.status_format import COLUMNS, absent_lines, fault_lines, row, summary
from workers.cli.waiting import AT, asked_addresses


@click.command(epilog="Example: relay status --at relay-0:8080 --at relay-1:8080")
@click.argument("names", nargs=-1, type=WORKER, metavar="[NAME]...")
@AT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a machine.")
def status(*, names: tuple[str, ...], addresses: tuple[str, ...], as_json: bool) -> int:
    """Show how the workers at --at are: state, records done since the start, lag, age of the oldest record that waits
    (of a poller: how far it is behind), requests in flight, parked orders, gate. Exit status 1: something is wrong,
    and a line says what and which command tells more.
    """
    from workers.app.inspect.running.answers import ask_status
    from workers.app.inspect.running.look import looks_of

    answers = ask_status(asked_addresses(read_configuration(), addresses))
    looks = looks_of(answers, names)
    faults = [*fault_lines(looks, answers), *absent_lines(names, looks)]
    if as_json:
        show_json({"workers": [asdict(look) for look in looks], "faults": faults})
    elif looks:
        show_table(COLUMNS, [row(look) for look in looks])
        show_line(summary(looks))
    for line in faults:
        print_err(f"relay: {line}")
    return int(bool(faults))
