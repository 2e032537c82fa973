"""The text and the JSON of parked orders, their records and the results of commands."""

import json
from dataclasses import dataclass
from typing import Any

from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import End, OrderResult
from workers.app.inspect.parked_show import ShownRecord, hex_lines
from workers.cli.output import escape_control
from workers.edges.avro.json_text import time_text

_LINE = "{:<24} {:>7}  {:<20}  {:<13}  {}"
HEADINGS = _LINE.format("order", "records", "since", "reason", "detail")


@dataclass(frozen=True, slots=True)
class RequestWording:
    """The words for the results of a request."""

    gone: str  # nothing of the order is parked any more
    stays: str  # something still is
    stays_as_requested: bool = False  # the request was about a part of the order's records


DELIVERED = RequestWording("delivered", "parked again")
DISCARDED = RequestWording("discarded", "first discarded")
FIRST_DISCARDED = RequestWording("discarded", "first discarded", stays_as_requested=True)


def row(order: ParkedOrder) -> str:
    fence = order.fence
    cells = order.name, fence.records, _time(fence.since_ms), fence.reason.value, fence.detail
    return escape_control(_LINE.format(*cells))


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
            more = f"{result.order.fence.records} records"
        case End.STAYS:
            more = "" if fence is None else f"{fence.records} records, {fence.reason.value}: {fence.detail}"
        case End.SKIPPED:
            more = "another command was at work on it, or it is not parked any more; see 'relay parked list'"
        case End.NOT_PICKED_UP:
            more = "no worker took it in time; it stays parked, and nothing was sent"
    return escape_control(f"{result.order.name}  {word}  {more}".rstrip())


def result_facts(result: OrderResult, word: str) -> dict[str, Any]:
    """The same for a machine."""
    fence = result.fence or result.order.fence
    base = {"order_id": result.order.name, "result": word.replace(" ", "-"), "records": fence.records}
    why = {"reason": fence.reason.value, "detail": fence.detail, "replays": fence.replays}
    return base if result.end is End.GONE else base | why


def order_lines(order: ParkedOrder, records: list[ShownRecord]) -> list[str]:
    """An order with all that is parked of it."""
    fence = order.fence
    again = f", replayed {fence.replays} times" if fence.replays else ""
    lines = [f"{order.name}: {len(records)} records parked since {_time(fence.since_ms)}{again}"]
    if not records and (fence.first or 0) > (fence.last or 0):
        lines.append("   all of its records have been delivered; a replay takes the order off the list")
    elif not records:
        lines.append(f"   {fence.records} records have been deleted from the parked topic; discard the order")
    for number, record in enumerate(records, 1):
        lines += ["", *_record_lines(number, record)]
    return [escape_control(line) for line in lines]


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
        f"   {shown['reason']} at {shown['parked_at']} (attempts: {shown['attempts']}{status})",
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


def _time(millis: int) -> str:
    return f"{str(time_text(millis))[:19]}Z"
