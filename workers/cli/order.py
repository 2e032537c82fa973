"""``relay order ORDER_ID``: shows where an order is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from workers.cli import order_vendors
from workers.cli.configured import read_configuration
from workers.cli.output import clear_progress, escape_control, print_err, show_json, show_line, show_progress
from workers.core.counted import counted

if TYPE_CHECKING:
    from workers.app.config.configuration import Configuration
    from workers.app.inspect.order_timeline import Timeline, TimelineEntry
    from workers.core.record import Partition


@click.command(epilog="Example: relay order A-1001")
@click.argument("order_id")
@click.option(
    "--partition", "number", type=click.IntRange(min=0), metavar="N", help="Read this partition instead of the key's."
)
@click.option(
    "--ask-vendors", "asks", is_flag=True, help="Ask each vendor, too; exit status 1 where one says otherwise."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a machine.")
def order(*, order_id: str, number: int | None, asks: bool, as_json: bool) -> int:
    """Show an order's timeline, oldest first: published, delivered or parked, and the vendors' changes since.

    Everything comes from Kafka; no vendor is asked without --ask-vendors, which makes one harmless read at each and
    marks what differs from what was delivered or published last.

    Only the partition of the order's key is read, as Kafka's own partitioner chooses it; all partitions are read only
    for a vendor that has our order id in another field than its order number (order_id_from). Kafka does not keep when
    a record was delivered: such a line has the time of its publication.
    """
    timeline = _read(read_configuration(), order_id, number)
    rows = [("at", "by", "what", "where", "trace"), *(_row(entry) for entry in timeline.entries)]
    heard = order_vendors.ask(order_id, timeline.known) if asks else ()
    if as_json:
        show_json(_facts(timeline) | ({"vendors": order_vendors.facts(heard)} if asks else {}))
    elif timeline.entries:
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            show_line("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
        for sink, fence in timeline.parked.items():
            show_line(f"{counted(fence.records, 'record')} parked: relay parked show --sink {sink} {order_id}")
    if heard and not as_json:
        order_vendors.show(heard)
    if not timeline.entries:
        print_err(f"relay: no record of {order_id} in {_where_else(number)}")
        return 1
    return 0 if all(one.is_as_expected for one in heard) else 1


def _where_else(number: int | None) -> str:
    if number is not None:
        return f"partition {number}; expired, not published yet, or the topics have no such partition"
    return (
        "its partition; expired, not published yet, or placed by another partitioner than Kafka's own: "
        "then give --partition N"
    )


def _read(configuration: Configuration, order_id: str, number: int | None) -> Timeline:
    from workers.app.events.command_codec import open_codec
    from workers.app.inspect.order_history import read_timeline
    from workers.app.inspect.order_timeline import Timeline
    from workers.edges.kafka.admin import open_admin
    from workers.edges.kafka.reader import open_reader

    kafka = configuration.settings.kafka
    with ExitStack() as ends:
        codec = ends.enter_context(open_codec(configuration))
        admin = ends.enter_context(open_admin(kafka))
        reader = ends.enter_context(open_reader(kafka))
        timeline = Timeline(order_id, reader, codec, _report_progress, partition_number=number)
        read_timeline(timeline, configuration.config, admin.committed)
    clear_progress()
    return timeline


def _report_progress(at: Partition, done: int, whole: int) -> None:
    show_progress(f"reading {at}: {100 * done // max(1, whole)} %")


def _facts(timeline: Timeline) -> dict[str, Any]:
    from workers.edges.avro.json_text import time_text

    entries = [
        {
            "at": time_text(entry.at_ms),
            "what": entry.what,
            "by": entry.by,
            "topic": entry.where.topic,
            "partition": entry.where.number,
            "offset": entry.offset,
            "trace_id": entry.trace_id,
        }
        for entry in timeline.entries
    ]
    parked = {
        sink: {"records": fence.records, "reason": fence.reason.value, "detail": fence.detail, "replays": fence.replays}
        for sink, fence in timeline.parked.items()
    }
    return {"order_id": timeline.order_id, "timeline": entries, "parked": parked}


def _row(entry: TimelineEntry) -> tuple[str, ...]:
    from workers.edges.avro.json_text import time_text

    place = f"{entry.where}@{entry.offset}"
    return str(time_text(entry.at_ms)), entry.by, escape_control(entry.what), place, entry.trace_id or "-"
