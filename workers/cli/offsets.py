"""``relay offsets NAME``: where a worker stands, and moving it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workers.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import SinkSpec
    from workers.app.inspect.offsets import GroupStanding
    from workers.core.record import Partition
    from workers.edges.kafka.admin import When


@click.command(epilog="Example: relay offsets ecdp-sink --to 2026-11-22T06:00:00Z")
@click.argument("name")
@click.option(
    "--to", metavar="earliest|latest|TIME", help="Move there; TIME is RFC 3339, such as 2026-11-22T06:00:00Z."
)
@click.option(
    "--partition", "partitions", multiple=True, metavar="TOPIC/N", help="Move only this one; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="The same facts for a machine.")
def offsets(name: str, to: str | None, partitions: tuple[str, ...], as_json: bool) -> int:
    """Show a worker's committed offsets, partition by partition; with --to, move them.

    `latest` skips what was not yet delivered; `earliest` and an early TIME deliver again.
    Moving is refused while the worker runs,
    except for partitions that it has stopped: it begins them there.
    """
    import os

    from workers.app.config.configuration import load_configuration

    configuration = load_configuration(os.environ)
    sink = _sink(configuration, name)
    if to is None:
        if partitions:
            raise click.UsageError("--partition says what to move: give --to as well.")
        return _show(configuration, sink, as_json=as_json)
    return _move(configuration, sink, _when(to), [_partition(text) for text in partitions], as_json=as_json)


def _sink(configuration: Configuration, name: str) -> SinkSpec:
    from workers.app.config.configuration import sink_named

    if name in configuration.config.pollers:
        raise click.UsageError(f"{name} is a poller and commits no offsets; 'relay poller reset' moves its cursor.")
    return sink_named(configuration, name)


def _when(text: str) -> When:
    from workers.edges.avro.json_text import time_millis

    match text:
        case "earliest":
            return "earliest"
        case "latest":
            return "latest"
        case _:
            millis = time_millis(text)
    if millis is None:
        raise click.UsageError("--to wants earliest, latest or a time such as 2026-11-22T06:00:00Z.")
    return millis


def _partition(text: str) -> Partition:
    from workers.core.record import Partition

    topic, _, number = text.rpartition("/")
    if not topic or not number.isdecimal():
        raise click.UsageError("--partition wants TOPIC/N, such as order-created/3.")
    return Partition(topic, int(number))


def _show(configuration: Configuration, sink: SinkSpec, *, as_json: bool) -> int:
    from workers.app.inspect.offsets import read_offsets
    from workers.edges.kafka.admin import open_admin

    with open_admin(configuration.settings.kafka) as admin:
        standing = read_offsets(admin, sink)
    if as_json:
        show_json(_facts(sink, standing))
        return 0
    columns = ("topic", "partition", "committed", "end", "lag", "state")
    show_table(columns, [tuple("-" if v is None else str(v) for v in row.values()) for row in _rows(standing)])
    members = ", ".join(standing.members) or "nobody"
    click.echo(f"group {standing.group}, in use by {members}; lag {sum(s.lag for s in standing.standings)}")
    return 0


def _facts(sink: SinkSpec, standing: GroupStanding) -> dict[str, Any]:
    rows = _rows(standing)
    return {"worker": sink.name, "group": standing.group, "members": list(standing.members), "partitions": rows}


def _rows(standing: GroupStanding) -> list[dict[str, Any]]:
    return [
        {
            "topic": found.at.topic,
            "partition": found.at.number,
            "committed": found.committed,
            "end": found.end,
            "lag": found.lag,
            "state": found.state,
        }
        for found in standing.standings
    ]


def _move(configuration: Configuration, sink: SinkSpec, to: When, chosen: list[Partition], *, as_json: bool) -> int:
    from time import time_ns

    from workers.app.inspect.offsets import command_rows, move_offsets
    from workers.edges.kafka.admin import open_admin
    from workers.edges.kafka.publisher import open_publisher

    def ask(targets: Mapping[Partition, int]) -> None:
        with open_publisher(configuration.settings.kafka) as publisher:
            for at, key, value in command_rows(sink, targets, time_ns() // 1_000_000):
                publisher.send(at.topic, key, value, (), partition=at.number)
            publisher.finish()

    with open_admin(configuration.settings.kafka) as admin:
        moved = move_offsets(admin, sink, to, chosen, ask=ask)
    if as_json:
        rows = [{"topic": m.at.topic, "partition": m.at.number, "before": m.before, "after": m.after} for m in moved]
        show_json({"worker": sink.name, "group": sink.group, "moved": rows})
        return 0
    for move in moved:
        before = "-" if move.before is None else move.before
        click.echo(f"{move.at}: {before} -> {move.after}")
    say(f"{len(moved)} offsets of {sink.group} moved")
    return 0
