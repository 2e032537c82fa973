"""``relay poll VENDOR``: what a stretch of the vendor's time would give, without publishing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from workers.cli.output import say

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import PollerSpec
    from workers.core.poll.time_range import TimeRange


@click.command(epilog="Example: relay poll dcl --from 2026-11-22T06:00:00Z")
@click.argument("vendor")
@click.option("--from", "start", required=True, metavar="TIME", help="RFC 3339, such as 2026-11-22T06:00:00Z.")
@click.option("--to", "end", metavar="TIME", help="Up to here; left out: up to now.")
@click.option("--dry-run", is_flag=True, help="Always so: this command publishes nothing.")
def poll(vendor: str, start: str, end: str | None, dry_run: bool) -> int:
    """Print the events that the vendor's orders modified in that time would give, as JSON lines.

    Where the vendor tells of no changes (e-Courier): those that a look at the orders would give that were first
    tracked in that time.

    VENDOR is a vendor, or the name of its poller in topics.yaml. What the poller has published already
    is no change. Its state is only read: it may be running.
    """
    del dry_run
    import asyncio
    import os

    from workers.app.config.configuration import load_configuration

    name = poller_name(vendor)
    configuration = load_configuration(os.environ, [name])
    count = asyncio.run(_print(configuration, configuration.config.pollers[name], _span(start, end)))
    say(f"{count} events; nothing was published")
    return 0


def poller_name(wanted: str) -> str:
    """The poller of that name or of that vendor; raises `ConfigError` when there is none."""
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
    raise ConfigError([Fault(str(config.file), f"no poller '{wanted}' in it{did_you_mean(wanted, known)}")])


def time_ms(option: str, text: str) -> int:
    """Milliseconds since 1970; raises click's UsageError."""
    from workers.edges.avro.json_text import time_millis

    millis = time_millis(text)
    if millis is None:
        raise click.UsageError(f"{option} wants a time such as 2026-11-22T06:00:00Z.")
    return millis


def _span(start: str, end: str | None) -> TimeRange:
    from time import time_ns

    from workers.core.poll.time_range import span

    found = span(time_ms("--from", start), time_ns() // 1_000_000 if end is None else time_ms("--to", end))
    if found.is_empty:
        raise click.UsageError("--to must be later than --from.")
    return found


async def _print(configuration: Configuration, spec: PollerSpec, span: TimeRange) -> int:
    import orjson

    from workers.app.events.command_codec import codec_in_loop
    from workers.app.inspect.poll_preview import preview
    from workers.app.poll.vendor_reads import PollFailed

    count = 0
    try:
        async with codec_in_loop(configuration) as codec:
            async for event in preview(configuration, spec, codec, span):
                sys.stdout.buffer.write(orjson.dumps(event) + b"\n")
                sys.stdout.buffer.flush()
                count += 1
    except PollFailed as error:
        raise click.ClickException(f"{spec.name}: {error}; {count} events were printed before") from error
    return count
