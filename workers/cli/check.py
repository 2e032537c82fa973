"""``relay check [NAME...]``: validates the configuration, and checks that everything it names answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workers.cli.configured import read_configuration
from workers.cli.names import WORKER
from workers.cli.output import print_err, show_json, show_line, show_table
from workers.core.counted import counted
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.errors import ConfigError


@click.command(epilog="Example: relay check --offline && relay check ecdp-sink")
@click.argument("names", nargs=-1, metavar="[NAME...]", type=WORKER)
@click.option("--offline", is_flag=True, help="Only validate the configuration; connect to nothing.")
@click.option("--json", "as_json", is_flag=True, help="The same results for a machine.")
def check(names: tuple[str, ...], offline: bool, as_json: bool) -> int:
    """Validate the configuration of the named workers, or of all, and connect to what it names.

    One run reports every fault, with file, line and column, or with the variable. Kafka, the
    registry and each vendor get one harmless read. Exit status 2: the configuration is wrong;
    1: something that it names does not answer as it should.
    """
    from workers.app.config.errors import ConfigError

    try:
        configuration = read_configuration(names or None)
    except ConfigError as error:
        return _wrong(error, names, as_json=as_json)
    if offline:
        return _valid(configuration, as_json=as_json)
    return _connect(configuration, as_json=as_json)


def _wrong(error: ConfigError, names: tuple[str, ...], *, as_json: bool) -> int:
    if as_json:
        show_json({"faults": [{"place": fault.place, "message": fault.message} for fault in error.faults]})
        return 2
    for fault in error.faults:
        print_err(f"relay: {fault}")
    if not names and (complete := _complete()):
        print_err(f"relay: complete: {', '.join(complete)}; 'relay check {complete[0]}' checks that one alone")
    return 2


def _complete() -> list[str]:
    """The workers that have no fault, where all faults are about vendors' variables of others."""
    from workers.app.config.errors import ConfigError as Refused

    try:
        every = list(read_configuration().config.workers)
    except Refused:
        return []
    found = []
    for name in every:
        try:
            read_configuration([name])
        except Refused:
            continue
        found.append(name)
    return found


def _valid(configuration: Configuration, *, as_json: bool) -> int:
    workers = list(configuration.credentials)
    if as_json:
        show_json({"faults": [], "workers": workers})
    else:
        topics = counted(len(configuration.config.topics), "topic")
        show_line(f"the configuration is valid: {', '.join(workers)}; {topics}")
    return 0


def _connect(configuration: Configuration, *, as_json: bool) -> int:
    from workers.app.inspect.connectivity import check_all

    found = run_interruptibly(check_all(configuration, configuration.credentials))
    if as_json:
        reached = [{"what": one.what, "where": one.where, "ok": one.ok, "says": one.message} for one in found]
        show_json({"faults": [], "reached": reached})
    else:
        rows = [(one.what, one.where, "ok" if one.ok else "FAILED", one.message) for one in found]
        show_table(("system", "address", "result", "message"), rows)
    return 0 if all(result.ok for result in found) else 1
