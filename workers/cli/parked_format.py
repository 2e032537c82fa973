"""The text and the JSON of parked orders, their records and the results of commands."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import End, OrderResult
from workers.app.inspect.parked_show import ShownRecord, hex_lines
from workers.cli.output import escape_control
from workers.core.counted import counted
from workers.edges.avro.json_text import time_text

_MAX_ID: Final = 24  # columns of an order id; a longer one moves the rest of its row
_LEAST_REASON: Final = 16  # columns, however narrow the terminal
_MAX_TOTALS: Final = 10  # reasons


@dataclass(frozen=True, slots=True)
class RequestWording:
    """The words for the results of a request."""

    gone: str  # nothing of the order is parked any more
    stays: str  # something still is
    stays_as_requested: bool = False  # the request was about a part of the order's records


DELIVERED = RequestWording("delivered", "parked again")
DISCARDED = RequestWording("discarded", "first discarded")
FIRST_DISCARDED = RequestWording("discarded", "first discarded", stays_as_requested=True)


def rows(orders: Sequence[ParkedOrder], width: int | None) -> Iterator[str]:
    """The orders as a table of this width, the reason wrapped; None: one line each."""
    if not orders:
        return
    names = [escape_control(order.name) for order in orders]
    columns = min(_MAX_ID, max(5, *map(len, names)))
    yield f"{'order':<{columns}}  records  {'since':<20}  reason"
    for name, order in zip(names, orders, strict=True):
        head = f"{name:<{columns}}  {order.fence.records:>7}  {_time(order.fence.since_ms):<20}  "
        first, *more = _wrapped(_reason(order), None if width is None else max(_LEAST_REASON, width - len(head)))
        yield head + first
        yield from (" " * len(head) + line for line in more)


def totals(orders: Sequence[ParkedOrder], worker: str) -> Iterator[str]:
    """How much is parked, and how many orders for which reason, the most frequent first."""
    records = sum(order.fence.records for order in orders)
    yield f"{counted(len(orders), 'order')} with {counted(records, 'record')} parked by {worker}"
    reasons = Counter(_reason(order) for order in orders).most_common()
    if len(orders) > 1:
        yield from (f"{count:>6} x {reason}" for reason, count in reasons[:_MAX_TOTALS])
    if len(reasons) > _MAX_TOTALS:
        yield f"{sum(count for _, count in reasons[_MAX_TOTALS:]):>6} x others; --json lists all"


def _reason(order: ParkedOrder) -> str:
    return escape_control(f"{order.fence.reason.value}: {order.fence.detail}".removesuffix(": "))


def _wrapped(text: str, width: int | None) -> list[str]:
    return [text] if width is None else textwrap.wrap(text, width) or [""]


def facts(order: ParkedOrder) -> dict[str, Any]:
    """The same for a machine."""
    fence = order.fence
    return {
        "order_id": order.name,
        "partition": order.partition_number,
        "records": fence.records,
        "reason": fence.reason.value,
        "detail": fence.detail,
        "since": time_text(fence.since_ms),
        "replays": fence.replays,
    }


def outcome_of(result: OrderResult, wording: RequestWording) -> tuple[bool, str]:
    """Whether the request succeeded for the order, and the word for its result."""
    match result.end:
        case End.GONE:
            return True, wording.gone
        case End.STAYS:
            return wording.stays_as_requested, wording.stays
        case End.SKIPPED:
            return False, "left alone"
        case End.NOT_PICKED_UP:
            return False, "not taken"


def result_line(result: OrderResult, word: str) -> str:
    fence = result.fence
    match result.end:
        case End.GONE:
            more = counted(result.order.fence.records, "record")
        case End.STAYS:
            more = "" if fence is None else f"{counted(fence.records, 'record')}, {fence.reason.value}: {fence.detail}"
        case End.SKIPPED:
            more = "another command was at work on it, or it is not parked any more; see 'relay parked list'"
        case End.NOT_PICKED_UP:
            more = "no worker took it in time; it stays parked, and nothing was sent"
    return f"{result.order.name}  {word}  {more}".rstrip()


def result_facts(result: OrderResult, word: str) -> dict[str, Any]:
    """The same for a machine."""
    fence = result.fence or result.order.fence
    base = {"order_id": result.order.name, "result": word.replace(" ", "-"), "records": fence.records}
    why = {"reason": fence.reason.value, "detail": fence.detail, "replays": fence.replays}
    return base if result.end is End.GONE else base | why


def order_lines(order: ParkedOrder, records: list[ShownRecord]) -> list[str]:
    """An order with all that is parked of it."""
    fence = order.fence
    again = f", replayed {counted(fence.replays, 'time')}" if fence.replays else ""
    lines = [f"{order.name}: {counted(len(records), 'record')} parked since {_time(fence.since_ms)}{again}"]
    if not records and (fence.first or 0) > (fence.last or 0):
        lines.append("   all of its records have been delivered; a replay takes the order off the list")
    elif not records:
        lines.append(f"   {counted(fence.records, 'record')} deleted from the parked topic: discard the order")
    for number, record in enumerate(records, 1):
        lines += ["", *_record_lines(number, record)]
    return lines


def request_lines(facts: dict[str, Any]) -> list[str]:
    """The request that would be sent now, or why there is none."""
    request = facts.get("request")
    if request is None:
        return [f"   no request: {facts.get('not_sent') or facts.get('undecodable')}"]
    headers = [f"{name}: {value}" for name, value in request["headers"].items()]
    return _indented([f"{request['method']} {request['url']}", *headers, "", *request["body"].splitlines()])


def _record_lines(number: int, record: ShownRecord) -> list[str]:
    shown = record.facts
    source = shown["source"]
    status = f", HTTP {shown['http_status']}" if shown["http_status"] else ""
    return [
        f"{number}. {source['topic']}/{source['partition']}@{source['offset']}  {shown['source_timestamp']}",
        f"   {shown['reason']} at {_zulu(shown['parked_at'])} (attempts: {shown['attempts']}{status})",
        f"   {shown['detail']}",
        f"   traceparent: {shown['traceparent'] or '-'}",
        *_indented(_event_lines(record)),
        *request_lines(shown),
    ]


def _event_lines(record: ShownRecord) -> list[str]:
    shown = record.facts
    if "event" in shown:
        return json.dumps(shown["event"], indent=2, ensure_ascii=False).splitlines()
    where = "" if shown["fault_at"] is None else f", at byte {shown['fault_at']} of {len(record.value)}"
    return [f"undecodable: {shown['undecodable']}{where}", *hex_lines(record.value, shown["fault_at"])]


def _indented(lines: list[str]) -> list[str]:
    return [f"   {line}" for line in lines]


def _zulu(text: str | None) -> str:
    """A header's time as all other times are written; a header that is none is shown as it is."""
    try:
        when = datetime.fromisoformat(text or "").astimezone(UTC)
    except ValueError:
        return str(text)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(millis: int) -> str:
    return f"{str(time_text(millis))[:19]}Z"
