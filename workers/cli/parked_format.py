"""How parked orders, their records and the results of commands read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from workers.app.inspect.parked_orders import ParkedOrder
from workers.app.inspect.parked_requests import End, Result
from workers.app.inspect.parked_show import Shown, hex_lines
from workers.cli.output import plain
from workers.edges.avro.json_text import time_text

if TYPE_CHECKING:
    from workers.cli.parked import Wish

_LINE = "{:<24} {:>7}  {:<20}  {:<13}  {}"
HEADINGS = _LINE.format("order", "records", "since", "reason", "detail")


def row(order: ParkedOrder) -> str:
    """One line of the list: nothing of the customer's, for details are masked where they are written."""
    fence = order.fence
    return plain(_LINE.format(order.name, fence.records, _time(fence.since_ms), fence.reason.value, fence.detail))


def facts(order: ParkedOrder) -> dict[str, Any]:
    """The same for a machine."""
    fence = order.fence
    return {
        "order_id": order.name,
        "partition": order.number,
        "records": fence.records,
        "reason": fence.reason.value,
        "detail": fence.detail,
        "since": time_text(fence.since_ms),
        "replays": fence.replays,
    }


def became(result: Result, wish: Wish) -> tuple[bool, str]:
    """Whether it went as it was asked, and the word for it."""
    match result.end:
        case End.GONE:
            return True, wish.gone
        case End.STAYS:
            return wish.stays_well, wish.stays
        case End.LEFT:
            return False, "left alone"
        case End.UNTAKEN:
            return False, "not taken"


def result_line(result: Result, word: str) -> str:
    """One line for people."""
    fence = result.fence
    match result.end:
        case End.GONE:
            more = f"{result.order.fence.records} records"
        case End.STAYS:
            more = "" if fence is None else f"{fence.records} records, {fence.reason.value}: {fence.detail}"
        case End.LEFT:
            more = "another command was at work on it, or it is parked no more; see 'relay parked list'"
        case End.UNTAKEN:
            more = "no worker took it in time; it stays parked, and nothing was sent"
    return plain(f"{result.order.name}  {word}  {more}".rstrip())


def result_facts(result: Result, word: str) -> dict[str, Any]:
    """The same for a machine."""
    fence = result.fence or result.order.fence
    told = {"order_id": result.order.name, "result": word.replace(" ", "-"), "records": fence.records}
    why = {"reason": fence.reason.value, "detail": fence.detail, "replays": fence.replays}
    return told if result.end is End.GONE else told | why


def order_lines(order: ParkedOrder, records: list[Shown]) -> list[str]:
    """An order with all that is parked of it."""
    fence = order.fence
    again = f", replayed {fence.replays} times" if fence.replays else ""
    lines = [f"{order.name}: {len(records)} records parked since {_time(fence.since_ms)}{again}"]
    if not records and (fence.first or 0) > (fence.last or 0):
        lines.append("   all of it has been delivered; a replay takes it off the list")
    elif not records:
        lines.append(f"   {fence.records} are missing from the parked topic: somebody has deleted them; discard it")
    for number, record in enumerate(records, 1):
        lines += ["", *_record_lines(number, record)]
    return [plain(line) for line in lines]


def request_lines(told: dict[str, Any]) -> list[str]:
    """The request that would go out now, or why none would."""
    request = told.get("request")
    if request is None:
        return [f"   no request: {told.get('not_sent') or told.get('undecodable')}"]
    headers = [f"{name}: {value}" for name, value in request["headers"].items()]
    return _indented([f"{request['method']} {request['url']}", *headers, "", *request["body"].splitlines()])


def _record_lines(number: int, record: Shown) -> list[str]:
    told = record.facts
    source = told["source"]
    status = f", HTTP {told['http_status']}" if told["http_status"] else ""
    return [
        f"{number}. {source['topic']}/{source['partition']}@{source['offset']}  {told['source_timestamp']}",
        f"   {told['reason']} at {told['parked_at']} (attempts: {told['attempts']}{status})",
        f"   {told['detail']}",
        f"   traceparent: {told['traceparent'] or '-'}",
        *_indented(_event_lines(record)),
        *request_lines(told),
    ]


def _event_lines(record: Shown) -> list[str]:
    told = record.facts
    if "event" in told:
        return json.dumps(told["event"], indent=2, ensure_ascii=False).splitlines()
    where = "" if told["fault_at"] is None else f", at byte {told['fault_at']} of {len(record.value)}"
    return [f"undecodable: {told['undecodable']}{where}", *hex_lines(record.value, told["fault_at"])]


def _indented(lines: list[str]) -> list[str]:
    return [f"   {line}" for line in lines]


def _time(millis: int) -> str:
    return f"{str(time_text(millis))[:19]}Z"
