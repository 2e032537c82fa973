"""``relay check [NAME...]``: whether the configuration is right, and all that it names answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from workers.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.errors import ConfigError
    from workers.app.inspect.connectivity import Reached


@click.command(epilog="Example: relay check --offline && relay check ecdp-sink")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--offline", is_flag=True, help="Only look at the configuration; reach nothing.")
@click.option("--json", "as_json", is_flag=True, help="The same facts for a machine.")
def check(names: tuple[str, ...], offline: bool, as_json: bool) -> int:
    """Validate the configuration of the named workers, or of all, and reach what it names.

    Every fault is told in one run, with its place. Kafka, the registry and each vendor are
    asked by one harmless read. Exit status 2: the configuration is wrong; 1: something that
    it names does not answer as it should.
    """
    from workers.app.config.errors import ConfigError

    try:
        configuration = _configuration(names)
    except ConfigError as error:
        return _wrong(error, as_json=as_json)
    if offline:
        return _valid(configuration, as_json=as_json)
    return _reached(configuration, as_json=as_json)


def _configuration(names: tuple[str, ...]) -> Configuration:
    import os

    from workers.app.config.configuration import load_configuration

    return load_configuration(os.environ, names or None)


def _wrong(error: ConfigError, *, as_json: bool) -> int:
    if as_json:
        show_json({"faults": [{"place": fault.place, "message": fault.message} for fault in error.faults]})
    for fault in () if as_json else error.faults:
        say(f"relay: {fault}")
    return 2


def _valid(configuration: Configuration, *, as_json: bool) -> int:
    workers = list(configuration.credentials)
    if as_json:
        show_json({"faults": [], "workers": workers})
    else:
        click.echo(f"the configuration is valid: {', '.join(workers)}; {len(configuration.topology.topics)} topics")
    return 0


def _reached(configuration: Configuration, *, as_json: bool) -> int:
    import asyncio

    from workers.app.inspect.connectivity import reach

    found = asyncio.run(reach(configuration, configuration.credentials))
    if as_json:
        show_json({"faults": [], "reached": [_facts(one) for one in found]})
    else:
        show_table(("what", "where", "", "says"), [_row(one) for one in found])
    return 0 if all(one.ok for one in found) else 1


def _facts(one: Reached) -> dict[str, object]:
    return {"what": one.what, "where": one.where, "ok": one.ok, "says": one.says}


def _row(one: Reached) -> tuple[str, str, str, str]:
    return one.what, one.where, "ok" if one.ok else "FAILED", one.says
