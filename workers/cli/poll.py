"""``relay poll VENDOR``: previews the events of a time range, and publishes nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from workers.cli.output import print_err

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import PollerSpec
    from workers.core.poll.time_range import TimeRange


@click.command(epilog="Example: relay poll dcl --from 2026-11-22T06:00:00Z")
@click.argument("vendor")
@click.option("--from", "start", required=True, metavar="TIME", help="RFC 3339, such as 2026-11-22T06:00:00Z.")
@click.option("--to", "end", metavar="TIME", help="RFC 3339; default: now.")
def poll(vendor: str, start: str, end: str | None) -> int:
    """Preview the events of the orders that the vendor modified in a time range, as JSON lines; publish nothing.

    A vendor that cannot list changes (e-Courier): the events of the orders that were first tracked in the time range.

    VENDOR is a vendor, or the name of its poller in topics.yaml. Events that the poller has published already are left
    out. The command only reads the poller's state, so the poller may be running.
    """
    import asyncio
    import os

    from workers.app.config.configuration import load_configuration

    name = poller_name(vendor)
    configuration = load_configuration(os.environ, [name])
    count = asyncio.run(_print(configuration, configuration.config.pollers[name], _time_range(start, end)))
    print_err(f"{count} events; nothing was published")
    return 0


def poller_name(wanted: str) -> str:
    """The name of the poller, given its name or its vendor; raises `ConfigError` when there is none."""
    import os

    from workers.app.config.configuration import load_configuration
    from workers.app.config.errors import ConfigError, Fault, did_you_mean

    config = load_configuration(os.environ).config
    names = [name for name, spec in config.pollers.items() if wanted in {name, spec.vendor}]
    if len(names) == 1:
        return names[0]
    if names:
        raise ConfigError([Fault(str(config.file), f"{wanted} has several pollers: {', '.join(names)}; name one")])
    known = [*config.pollers, *(spec.vendor for spec in config.pollers.values())]
    raise ConfigError([Fault(str(config.file), f"no poller '{wanted}' in this file{did_you_mean(wanted, known)}")])


def time_ms(option: str, text: str) -> int:
    """Milliseconds since 1970; raises click's UsageError."""
    from workers.edges.avro.json_text import time_millis

    millis = time_millis(text)
    if millis is None:
        raise click.UsageError(f"{option} wants a time such as 2026-11-22T06:00:00Z.")
    return millis


def _time_range(start: str, end: str | None) -> TimeRange:
    from time import time_ns

    from workers.core.poll.time_range import whole_seconds

    found = whole_seconds(time_ms("--from", start), time_ns() // 1_000_000 if end is None else time_ms("--to", end))
    if found.is_empty:
        raise click.UsageError("--to must be later than --from.")
    return found


async def _print(configuration: Configuration, spec: PollerSpec, time_range: TimeRange) -> int:
    import orjson

    from workers.app.events.command_codec import codec_in_loop
    from workers.app.inspect.poll_preview import preview
    from workers.app.poll.vendor_reads import PollFailed

    count = 0
    try:
        async with codec_in_loop(configuration) as codec:
            async for event in preview(configuration, spec, codec, time_range):
                sys.stdout.buffer.write(orjson.dumps(event) + b"\n")
                sys.stdout.buffer.flush()
                count += 1
    except PollFailed as error:
        raise click.ClickException(f"{spec.name}: {error}; {count} events were printed before") from error
    return count
