"""``relay offsets NAME``: shows a worker's committed offsets, or moves them."""

from __future__ import annotations

from contextlib import ExitStack
from time import time_ns
from typing import TYPE_CHECKING, Any

import click

from workers.cli.configured import read_configuration, sink_named, time_ms
from workers.cli.names import SINK
from workers.cli.operator import BY, DECLINED, WHY, YES, agreed, operator, plain
from workers.cli.output import clear_progress, print_err, show_json, show_line, show_progress, show_table
from workers.core.counted import counted

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.config.specs import SinkSpec
    from workers.app.inspect.absent_members import AbsentMember
    from workers.app.inspect.moves import Affected, Consequences
    from workers.app.inspect.offsets import MovedOffset, PartitionOffsets, PlannedMoves
    from workers.core.record import Partition
    from workers.edges.kafka.admin import When


@click.command(epilog="Example: relay offsets ecdp-sink --to 2026-11-22T06:00:00Z --why 'as agreed'")
@click.argument("name", type=SINK)
@click.option(
    "--to",
    metavar="earliest|latest|TIME",
    help="Move the offsets there; TIME is RFC 3339, such as 2026-11-22T06:00:00Z.",
)
@click.option(
    "--partition", "partitions", multiple=True, metavar="TOPIC/N", help="Move only this partition; may be repeated."
)
@click.option("--lagging", is_flag=True, help="Show only the partitions with a lag, and those that have stopped.")
@BY
@WHY
@YES
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a machine.")
def offsets(
    name: str, to: str | None, partitions: tuple[str, ...], *, lagging: bool, as_json: bool, **said: Any
) -> int:
    """Show a worker's committed offsets, partition by partition; with --to, move them.

    `latest` passes over records that are not delivered yet; `earliest` and an early TIME deliver records again.
    The command counts both, names the first ten orders, and asks. Each record that is passed over gets a receipt with
    who and why. Moving is refused while the worker runs, except for partitions that it has stopped: the worker begins
    those at the new offset. Only what moves is printed.
    """
    configuration = read_configuration()
    if to is None and name in configuration.config.pollers:
        print_err(f"relay: {name} is a poller and commits no offsets; next: relay status {name}, or relay poller reset")
        return 0
    sink = sink_named(configuration, name, "commits no offsets; 'relay poller reset' moves its cursor")
    if to is None:
        if partitions:
            raise click.UsageError("--partition chooses what --to moves: give --to as well.")
        return _show(configuration, sink, lagging=lagging, as_json=as_json)
    chosen = [_partition(text) for text in partitions]
    return _move(configuration, sink, _when(to), chosen, as_json=as_json, **said)


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


def _show(configuration: Configuration, sink: SinkSpec, *, lagging: bool, as_json: bool) -> int:
    from workers.app.inspect.offsets import read_offsets
    from workers.edges.avro.json_text import time_text
    from workers.edges.kafka.admin import open_admin

    with open_admin(configuration.settings.kafka) as admin:
        found = read_offsets(admin, sink)
    shown = [one for one in found.partitions if not lagging or one.lag or one.state not in {"ok", "new"}]
    rows = [_facts(one) for one in shown]
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
    if rows or not lagging:
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


def _move(
    configuration: Configuration,
    sink: SinkSpec,
    to: When,
    chosen: list[Partition],
    *,
    as_json: bool,
    by: str,
    why: str,
    yes: bool,
) -> int:
    from workers.app.inspect.offsets import move_offsets, plan_moves
    from workers.edges.kafka.admin import open_admin

    connection = configuration.settings.kafka
    with open_admin(connection) as admin:
        planned = plan_moves(admin, sink, to, chosen)
        found = _consequences(configuration, planned)
        if found.any and not agreed(_question(sink, found), yes=yes):
            print_err("nothing was moved")
            return DECLINED
        reason = f"by {operator(by)}: {plain(why)}".removesuffix(": ")
        if found.passed_over.records:
            _write_down(configuration, sink, planned, reason)
        moved = move_offsets(admin, connection, sink, planned)
    _show_moved(sink, moved, found, reason, as_json=as_json)
    return 0


def _consequences(configuration: Configuration, planned: PlannedMoves) -> Consequences:
    from workers.app.events.command_codec import open_codec
    from workers.app.inspect.moves import consequences
    from workers.edges.kafka.reader import open_reader

    with open_codec(configuration) as codec, open_reader(configuration.settings.kafka) as reader:
        found = consequences(reader, codec, planned.moves, _report_progress)
    clear_progress()
    return found


def _report_progress(at: Partition, done: int, whole: int) -> None:
    show_progress(f"counting what the move affects: {at}: {100 * done // max(1, whole)} %")


def _question(sink: SinkSpec, found: Consequences) -> str:
    parts = []
    if found.passed_over.records:
        never = f"{sink.name} will never deliver"
        parts.append(f"This passes over {_count(found.passed_over, 'unfinished')}, which {never}")
    if found.again.records:
        parts.append(f"This delivers {_count(found.again, 'finished')} again")
    if found.unreadable:
        parts.append(f"What lies from {', '.join(found.unreadable)} on cannot be read, and was not counted")
    return f"{'. '.join(parts)}. Go on?"


def _count(affected: Affected, kind: str) -> str:
    orders = counted(len(affected.orders), "order")
    more = len(affected.orders) - len(affected.first)
    named = ", ".join(affected.first) + (f" and {more:,} more" if more else "")
    return f"{counted(affected.records, f'{kind} record')} of {orders} ({named})"


def _write_down(configuration: Configuration, sink: SinkSpec, planned: PlannedMoves, reason: str) -> None:
    from workers.app.events.command_codec import open_codec
    from workers.app.events.receipts import ReceiptWriter
    from workers.app.inspect.moves import PassingNote, write_passed_over
    from workers.edges.kafka.publisher import open_publisher
    from workers.edges.kafka.reader import all_partitions, open_reader

    if sink.receipts is None:
        print_err(f"topics.yaml has no receipts topic for {sink.name}: who moved its offsets, and why, is kept nowhere")
        return
    kafka = configuration.settings.kafka
    writer = ReceiptWriter(sink.name, configuration.settings.instance_id)
    note = PassingNote(sink.receipts, writer, time_ns() // 1_000_000, reason)
    with ExitStack() as ends:
        codec = ends.enter_context(open_codec(configuration))
        reader = ends.enter_context(open_reader(kafka))
        all_partitions(reader, sink.receipts)  # it fails, before anything is moved, where the topic is missing
        publisher = ends.enter_context(open_publisher(kafka))
        write_passed_over(reader, codec, planned.moves, publisher, note)


def _show_moved(sink: SinkSpec, moved: list[MovedOffset], found: Consequences, reason: str, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"topic": m.partition.topic, "partition": m.partition.number, "before": m.before, "after": m.after}
            for m in moved
        ]
        affected = {"passed_over": found.passed_over, "delivered_again": found.again}
        counts = {
            name: {"records": one.records, "orders": len(one.orders), "first": one.first}
            for name, one in affected.items()
        }
        show_json({"worker": sink.name, "group": sink.group, "moved": rows, **counts, "reason": reason})
        return
    for move in moved:
        before = "-" if move.before is None else move.before
        show_line(f"{move.partition}: {before} -> {move.after}")
    passed = f"; passed over {reason}: {_count(found.passed_over, 'unfinished')}" if found.passed_over.records else ""
    print_err(f"{counted(len(moved), 'offset')} of {sink.group} moved{passed}")
