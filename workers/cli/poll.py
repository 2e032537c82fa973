"""``relay poll VENDOR``: previews the events of a time range, and publishes nothing."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

import click

from workers.cli.configured import poller_named, read_configuration, time_ms
from workers.cli.names import POLLER
from workers.cli.output import clear_progress, print_err, show_json_text, show_progress
from workers.core.counted import counted
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import PollerSpec
    from workers.core.poll.time_range import TimeRange


@click.command(epilog="Example: relay poll dcl --from 2026-11-22T06:00:00Z")
@click.argument("vendor", type=POLLER)
@click.option("--from", "start", required=True, metavar="TIME", help="RFC 3339, such as 2026-11-22T06:00:00Z.")
@click.option("--to", "end", metavar="TIME", help="RFC 3339; default: now.")
def poll(vendor: str, start: str, end: str | None) -> int:
    """Preview the events of the orders that the vendor modified in a time range, as JSON lines; publish nothing.

    A vendor that cannot list changes (e-Courier): the events of the orders that were first tracked in the time range.
    A vendor that lists what there is (E2CC, Komet Sales): of what was created or updated in it, and of all lists
    without times, as far as the lists show it: without details, which cost a request a row. A set that is not
    read is named on stderr.

    VENDOR is a vendor, or the name of its poller in topics.yaml. Events that the poller has published already are left
    out. The command only reads the poller's state, so the poller may be running.
    """
    spec = poller_named(read_configuration(), vendor)
    count = run_interruptibly(_print(read_configuration([spec.name]), spec, _time_range(start, end)))
    print_err(f"{counted(count, 'event')}; nothing was published")
    return 0


def _time_range(start: str, end: str | None) -> TimeRange:
    from workers.core.poll.time_range import whole_seconds

    found = whole_seconds(time_ms("--from", start), time_ns() // 1_000_000 if end is None else time_ms("--to", end))
    if found.is_empty:
        raise click.UsageError("--to must be later than --from.")
    return found


async def _print(configuration: Configuration, spec: PollerSpec, time_range: TimeRange) -> int:
    import orjson

    from workers.app.config.configuration import UnreadSet
    from workers.app.events.command_codec import codec_in_loop
    from workers.app.inspect.pollers import preview
    from workers.app.poll.vendor_reads import PollFailed

    count = 0
    try:
        async with codec_in_loop(configuration) as codec:
            show_progress(f"reading the state of {spec.name}, and asking the vendor")
            async for event in preview(configuration, spec, codec, time_range):
                clear_progress()
                if isinstance(event, UnreadSet):
                    print_err(f"{spec.name}: {event}")
                    continue
                show_json_text(orjson.dumps(event).decode())
                count += 1
    except PollFailed as error:
        printed = counted(count, "event")
        raise click.ClickException(f"{spec.name}: {error}; {printed} printed before") from error
    finally:
        clear_progress()
    return count
