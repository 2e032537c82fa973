"""``relay run NAME...``: runs workers of topics.yaml in this process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from workers.cli.names import WORKER

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.settings import Settings
    from workers.edges.log_actions import Action

FAILED, WRONG_CONFIGURATION = 1, 2


@click.command(epilog="Example: ECDP_API_KEY_FILE=/run/secrets/ecdp relay run ecdp-sink")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", type=WORKER)
def run(names: tuple[str, ...]) -> int:
    """Run one or more workers until SIGTERM or Ctrl-C, then drain: finish what is in flight, commit, leave the group.

    A second signal exits at once. Logs go to stderr, as text on a terminal and as JSON elsewhere
    (RELAY_LOG_FORMAT); health, metrics and status are served at RELAY_HTTP_ADDR (127.0.0.1:8080).
    """
    from workers.app.config.configuration import load_configuration
    from workers.app.config.errors import ConfigError
    from workers.app.config.settings import read_settings
    from workers.app.runtime.process import WorkerFailed, run_workers

    wanted = tuple(dict.fromkeys(names))
    try:
        configuration = load_configuration(os.environ, wanted)
    except ConfigError as error:
        settings, _ = read_settings(os.environ)
        if settings.log_format != "json":
            raise
        for fault in error.faults:
            _log_error(settings, "configuration_fault", place=fault.place, detail=fault.message)
        return WRONG_CONFIGURATION
    try:
        run_workers(wanted, configuration, os.environ)
    except WorkerFailed as error:
        return _failed(configuration, "worker_failed", f"{', '.join(wanted)} ended: {error}", error)
    except OSError as error:
        address = configuration.settings.http
        where = f"{address.host}:{address.port}" if address else "off"
        what_to_do = "set RELAY_HTTP_ADDR to a free HOST:PORT, or off"
        why = os.strerror(error.errno) if error.errno else str(error)  # `strerror` has a tuple in it
        said = f"cannot listen on {where} ({why}); {what_to_do}"
        return _failed(configuration, "cannot_listen", said, error)
    return 0


def _failed(configuration: Configuration, action: Action, said: str, error: Exception) -> int:
    """The last words are the most important line: where the log is JSON, a line that is none would be dropped."""
    if configuration.settings.log_format != "json":
        raise click.ClickException(said) from error
    _log_error(configuration.settings, action, detail=said)
    return FAILED


def _log_error(settings: Settings, action: Action, **values: str) -> None:
    from workers.edges.log import log, set_up

    set_up(settings.log_level, settings.log_format)
    log.error(action, **values)
