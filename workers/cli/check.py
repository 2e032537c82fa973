"""``relay check [NAME...]``: validates the configuration, and checks that everything it names answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workers.cli.output import print_err, show_json, show_table

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.errors import ConfigError
    from workers.app.inspect.connectivity import CheckResult


@click.command(epilog="Example: relay check --offline && relay check ecdp-sink")
@click.argument("names", nargs=-1, metavar="[NAME...]")
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
        configuration = _configuration(names)
    except ConfigError as error:
        return _wrong(error, as_json=as_json)
    if offline:
        return _valid(configuration, as_json=as_json)
    return _connect(configuration, as_json=as_json)


def _configuration(names: tuple[str, ...]) -> Configuration:
    import os

    from workers.app.config.configuration import load_configuration

    return load_configuration(os.environ, names or None)


def _wrong(error: ConfigError, *, as_json: bool) -> int:
    if as_json:
        show_json({"faults": [{"place": fault.place, "message": fault.message} for fault in error.faults]})
    for fault in () if as_json else error.faults:
        print_err(f"relay: {fault}")
    return 2


def _valid(configuration: Configuration, *, as_json: bool) -> int:
    workers = list(configuration.credentials)
    if as_json:
        show_json({"faults": [], "workers": workers})
    else:
        click.echo(f"the configuration is valid: {', '.join(workers)}; {len(configuration.config.topics)} topics")
    return 0


def _connect(configuration: Configuration, *, as_json: bool) -> int:
    import asyncio

    from workers.app.inspect.connectivity import check_all

    found = asyncio.run(check_all(configuration, configuration.credentials))
    if as_json:
        show_json({"faults": [], "reached": [_facts(result) for result in found]})
    else:
        show_table(("system", "address", "", "message"), [_row(result) for result in found])
    return 0 if all(result.ok for result in found) else 1


def _facts(result: CheckResult) -> dict[str, object]:
    return {"what": result.what, "where": result.where, "ok": result.ok, "says": result.message}


def _row(result: CheckResult) -> tuple[str, str, str, str]:
    return result.what, result.where, "ok" if result.ok else "FAILED", result.message
