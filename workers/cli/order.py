"""``relay order ORDER_ID``: shows where an order is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import click

from workers.cli import order_vendors
from workers.cli.configured import read_configuration
from workers.cli.order_format import order_lines
from workers.cli.output import WIDTH, clear_progress, print_err, show_json, show_lines, show_progress, terminal_width
from workers.cli.waiting import AT, why

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.app.config.configuration import Configuration
    from workers.app.inspect.order_timeline import Timeline, TimelineEntry
    from workers.core.record import Partition

_WORKER_WITHIN_S: Final = 0.5  # a worker that does not answer must not hold up what Kafka says
_OF_RECEIPT: Final = ("reason", "http_status", "attempts", "vendor_ref")


@click.command(epilog="Example: relay order A-1001")
@click.argument("order_id")
@click.option(
    "--partition", "number", type=click.IntRange(min=0), metavar="N", help="Read this partition instead of the key's."
)
@click.option(
    "--ask-vendors", "asks", is_flag=True, help="Ask each vendor, too; exit status 1 where one says otherwise."
)
@AT
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for a machine.")
def order(*, order_id: str, number: int | None, asks: bool, addresses: tuple[str, ...], as_json: bool) -> int:
    """Show where an order is: a verdict, then what happened, oldest first, each thing at its own time (UTC).

    Everything comes from Kafka: what was published, the sinks' receipts, what is parked, and what the vendors have
    changed since. Only what an order waits for is asked of the workers at --at, and no vendor is asked without
    --ask-vendors, which makes one harmless read at each and marks what differs from what was delivered or published
    last.

    Only the partition of the order's key is read, as Kafka's own partitioner chooses it; all partitions are read only
    for a vendor that has our order id in another field than its order number (order_id_from).
    """
    from workers.app.inspect.order_verdict import states, verdict

    configuration = read_configuration()
    timeline = _read(configuration, order_id, number, addresses)
    heard = order_vendors.ask(order_id, timeline.known) if asks else ()
    said = verdict(timeline, configuration.config) if timeline.entries else "nothing is known of it"
    shown_at = timeline.trace_addresses(configuration.settings.trace_url)
    if as_json:
        more = ({"vendors": order_vendors.facts(heard)} if asks else {}) | ({"traces": shown_at} if shown_at else {})
        show_json({"order_id": order_id, "verdict": said, "states": states(timeline)} | _facts(timeline) | more)
    elif timeline.entries:
        show_lines(order_lines(timeline, said, terminal_width() or WIDTH, shown_at))
    if heard and not as_json:
        order_vendors.show(heard)
    if not timeline.entries:
        missing = ", ".join(timeline.missing_topics)
        no_topic = f"the cluster has no {missing}; 'relay topics apply' creates the topics"
        print_err(f"relay: {no_topic if missing else f'no record of {order_id} in {_where_else(number)}'}")
        return 1
    return 0 if all(one.is_as_expected for one in heard) else 1


def _where_else(number: int | None) -> str:
    if number is not None:
        return f"partition {number}; expired, not published yet, or the topics have no such partition"
    return (
        "its partition; expired, not published yet, or placed by another partitioner than Kafka's own: "
        "then give --partition N"
    )


def _read(configuration: Configuration, order_id: str, number: int | None, addresses: Sequence[str]) -> Timeline:
    import time

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
        timeline.asked_at_ms = time.time_ns() // 1_000_000
        _ask_waiting(timeline, configuration, addresses)
        read_timeline(timeline, configuration.config, admin.committed)
    clear_progress()
    return timeline


def _ask_waiting(timeline: Timeline, configuration: Configuration, addresses: Sequence[str]) -> None:
    """Note what the workers say that the order's records wait for; nothing where none answers."""
    from workers.app.inspect.order_timeline import WaitingPlace
    from workers.app.inspect.running.answers import ask_waiting, own_address
    from workers.core.record import Partition

    here = own_address(configuration.settings.http)
    asked = list(addresses) or ([here] if here else [])
    answers = ask_waiting(asked, timeline.order_id, within_s=_WORKER_WITHIN_S)
    found = [(worker, one) for answer in answers for worker, one in (answer.workers or {}).items()]
    timeline.answered = frozenset(worker for worker, _ in found) if asked else None
    timeline.waiting = {
        WaitingPlace(worker, Partition(row["topic"], row["partition"]), row["offset"]): why(row)
        for worker, one in found
        for row in one["orders"]
    }
    timeline.stopped = {
        (worker, Partition(row["topic"], row["partition"])): row["reason"]
        for worker, one in found
        for row in one["stopped"]
    }


def _report_progress(at: Partition, done: int, whole: int) -> None:
    show_progress(f"reading {at}: {100 * done // max(1, whole)} %")


def _facts(timeline: Timeline) -> dict[str, Any]:
    parked = {
        sink: {"records": fence.records, "reason": fence.reason.value, "detail": fence.detail, "replays": fence.replays}
        for sink, fence in timeline.parked.items()
    }
    return {"timeline": [_entry(one) for one in timeline.entries], "parked": parked}


def _entry(entry: TimelineEntry) -> dict[str, Any]:
    from workers.edges.avro.json_text import time_text

    receipt = entry.receipt
    of_receipt = {} if receipt is None else {name: getattr(receipt, name) for name in _OF_RECEIPT}
    return {
        "at": time_text(entry.at_ms),
        "state": entry.state,
        "what": entry.what,
        "by": entry.by,
        "topic": entry.where.topic,
        "partition": entry.where.number,
        "offset": entry.offset,
        "trace_id": entry.trace_id,
        **of_receipt,
    }
