"""``relay poller reset NAME --to TIME``: moves a poller's cursor back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workers.cli.configured import poller_named, read_configuration, time_ms
from workers.cli.names import POLLER
from workers.cli.output import print_err, show_json, show_line
from workers.edges.aio import run_interruptibly

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import PollerSpec
    from workers.app.inspect.pollers import MovedShard, Reset, UnmovedShard


@click.group(no_args_is_help=True, epilog="Example: relay poller reset dcl-poller --to 2026-11-20T00:00:00Z")
def poller() -> None:
    """Change what a poller reads."""


@poller.command(
    short_help="Move a poller's cursor back.", epilog="Example: relay poller reset dcl-poller --to 2026-11-20T00:00:00Z"
)
@click.argument("name", type=POLLER)
@click.option("--to", required=True, metavar="TIME", help="RFC 3339, such as 2026-11-20T00:00:00Z.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reset(name: str, to: str, as_json: bool) -> int:
    """Move a poller's cursor back: it reads again from there, and publishes only what it has not published yet.

    A poller of single orders (e-Courier) reads all of them again, a poller of sets (E2CC, Komet Sales) all its sets.
    The poller may be running: it continues from the new cursor after its next write, within 30 s, or its `every` if
    that is longer.
    """
    from workers.app.inspect.pollers import place_of
    from workers.edges.avro.json_text import time_text

    to_ms = time_ms("--to", to)
    configuration = read_configuration()
    spec = poller_named(configuration, name)
    moved, unmoved = run_interruptibly(_reset(configuration, spec, to_ms))
    if as_json:
        rows = [_place(m) | {"before": time_text(m.before_ms), "after": time_text(m.after_ms)} for m in moved]
        unmoved_rows = [_place(one) | {"why": one.why} for one in unmoved]
        show_json({"worker": spec.name, "moved": rows, "unmoved": unmoved_rows})
        return 0
    for move in moved:
        show_line(f"{place_of(move)}: {time_text(move.before_ms)} -> {time_text(move.after_ms)}")
    for one in unmoved:
        show_line(f"{place_of(one)} stays: it {one.why}")
    print_err(f"{spec.name} reads again from {to}; nothing that it has published is published again")
    return 0


def _place(one: MovedShard | UnmovedShard) -> dict[str, Any]:
    return {"shard": one.shard} | ({"set": one.set_name} if one.set_name else {})


async def _reset(configuration: Configuration, spec: PollerSpec, to_ms: int) -> Reset:
    from workers.app.events.command_codec import codec_in_loop
    from workers.app.inspect.pollers import reset_poller

    async with codec_in_loop(configuration) as codec:
        return await reset_poller(configuration, spec, codec, to_ms)
