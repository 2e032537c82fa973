"""``relay run NAME...``: runs workers of topics.yaml in this process."""

import os

import click

from workers.cli.names import WORKER


@click.command(epilog="Example: ECDP_API_KEY_FILE=/run/secrets/ecdp relay run ecdp-sink")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", type=WORKER)
def run(names: tuple[str, ...]) -> int:
    """Run one or more workers until SIGTERM or Ctrl-C, then drain: finish what is in flight, commit, leave the group.

    A second signal exits at once. Logs go to stderr; health, metrics and status are served at
    RELAY_HTTP_ADDR (127.0.0.1:8080).
    """
    from workers.app.config.configuration import load_configuration
    from workers.app.runtime.process import WorkerFailed, run_workers

    wanted = tuple(dict.fromkeys(names))
    configuration = load_configuration(os.environ, wanted)
    try:
        run_workers(wanted, configuration, os.environ)
    except WorkerFailed as error:
        raise click.ClickException(f"{', '.join(wanted)} ended: {error}") from error
    except OSError as error:
        address = configuration.settings.http
        where = f"{address.host}:{address.port}" if address else "off"
        what_to_do = "set RELAY_HTTP_ADDR to a free HOST:PORT, or off"
        raise click.ClickException(f"cannot listen on {where} ({error.strerror or error}); {what_to_do}") from error
    return 0
