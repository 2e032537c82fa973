"""``relay offsets NAME``: shows a worker's committed offsets, or moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workers.cli.configured import read_configuration, sink_named, time_ms
from workers.cli.names import SINK
from workers.cli.output import print_err, show_json, show_line, show_table

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import SinkSpec
    from workers.app.inspect.absent_members import AbsentMember
    from workers.app.inspect.offsets import PartitionOffsets
    from workers.core.record import Partition
    from workers.edges.kafka.admin import When


@click.command(epilog="Example: relay offsets ecdp-sink --to 2026-11-22T06:00:00Z")
@click.argument("name", type=SINK)
@click.option(
    "--to",
    metavar="earliest|latest|TIME",
    help="Move the offsets there; TIME is RFC 3339, such as 2026-11-22T06:00:00Z.",
)
@click.option(
    "--partition", "partitions", multiple=True, metavar="TOPIC/N", help="Move only this partition; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a machine.")
def offsets(name: str, to: str | None, partitions: tuple[str, ...], as_json: bool) -> int:
    """Show a worker's committed offsets, partition by partition; with --to, move them.

    `latest` skips records that are not delivered yet; `earliest` and an early TIME deliver records again.
    Moving is refused while the worker runs, except for partitions that it has stopped:
    the worker begins those at the new offset.
    """
    configuration = read_configuration()
    sink = sink_named(configuration, name, "commits no offsets; 'relay poller reset' moves its cursor")
    if to is None:
        if partitions:
            raise click.UsageError("--partition chooses what --to moves: give --to as well.")
        return _show(configuration, sink, as_json=as_json)
    return _move(configuration, sink, _when(to), [_partition(text) for text in partitions], as_json=as_json)


def _when(text: str) -> When:
    match text:
        case "earliest" | "latest":
            return text
        case _:
            return time_ms("--to", text, "earliest", "latest")


def _partition(text: str) -> Partition:
    from workers.core.record import Partition

    topic, _, number = text.rpartition("/")
    if not topic or not number.isdecimal():
        raise click.UsageError("--partition wants TOPIC/N, such as order-created/3.")
    return Partition(topic, int(number))


def _show(configuration: Configuration, sink: SinkSpec, *, as_json: bool) -> int:
    from workers.app.inspect.offsets import read_offsets
    from workers.core.counted import counted
    from workers.edges.avro.json_text import time_text
    from workers.edges.kafka.admin import open_admin

    with open_admin(configuration.settings.kafka) as admin:
        found = read_offsets(admin, sink)
    rows = [_facts(one) for one in found.partitions]
    if as_json:
        show_json(
            {
                "worker": sink.name,
                "group": found.group,
                "members": list(found.members),
                "absent": [_absence(one) for one in found.absent],
                "partitions": rows,
            }
        )
        return 0
    columns = ("topic", "partition", "committed", "end", "lag", "state")
    show_table(columns, [tuple("-" if value is None else str(value) for value in row.values()) for row in rows])
    for one in found.absent:
        waiting = f"{counted(len(one.partitions), 'partition')} wait{'s' if len(one.partitions) == 1 else ''}"
        show_line(f"{waiting} for {one.name}, which does not commit any more, until {time_text(one.until_ms)}:")
        show_line("  " + ", ".join(map(str, one.partitions)))
    members = ", ".join(found.members) or "no process"
    show_line(f"group {found.group}, in use by {members}; lag {sum(one.lag for one in found.partitions)}")
    return 0


def _absence(absent: AbsentMember) -> dict[str, Any]:
    from workers.edges.avro.json_text import time_text

    partitions = [str(at) for at in absent.partitions]
    return {"member": absent.name, "until": time_text(absent.until_ms), "partitions": partitions}


def _facts(found: PartitionOffsets) -> dict[str, Any]:
    return {
        "topic": found.partition.topic,
        "partition": found.partition.number,
        "committed": found.committed,
        "end": found.end,
        "lag": found.lag,
        "state": found.state,
    }


def _move(configuration: Configuration, sink: SinkSpec, to: When, chosen: list[Partition], *, as_json: bool) -> int:
    from workers.app.inspect.offsets import move_offsets
    from workers.edges.kafka.admin import open_admin

    connection = configuration.settings.kafka
    with open_admin(connection) as admin:
        moved = move_offsets(admin, connection, sink, to, chosen)
    if as_json:
        rows = [
            {"topic": m.partition.topic, "partition": m.partition.number, "before": m.before, "after": m.after}
            for m in moved
        ]
        show_json({"worker": sink.name, "group": sink.group, "moved": rows})
        return 0
    for move in moved:
        before = "-" if move.before is None else move.before
        show_line(f"{move.partition}: {before} -> {move.after}")
    print_err(f"{len(moved)} offsets of {sink.group} moved")
    return 0
