"""What DCL's answers mean: rows, or a fault, after which the cursor does not move."""

import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Unavailable
from workers.vendors._shared.answers import (
    NotJsonError,
    is_page,
    json_body,
    json_or_none,
    one_line,
    redirected,
    throttled,
)
from workers.vendors.contract import PollFault

NO_ERROR: Final = frozenset({"0", "0.0"})  # as a number or as text

Rows: TypeAlias = Sequence[dict[str, Any]]

NO_ORDERS: Final[Rows] = ()
"""An answer that says "no orders" otherwise than by an empty list; compared by identity, to be counted."""

_NOTHING_FOUND: Final = re.compile(r"\bno (matching )?(orders?|records?|results?|data)\b|not found", re.IGNORECASE)
_TIMED_OUT: Final = frozenset({408, 504, 524})  # 524: Cloudflare's
_TIMEOUT_TEXT: Final = re.compile(r"time[sd]?[ -]?out", re.IGNORECASE)


def rows_of(response: httpx.Response) -> Rows | PollFault:
    """The orders of an answer, or why it has none; never raises."""
    status = response.status_code
    if status == httpx.codes.OK:
        return _rows(response)
    refused = redirected(response) or throttled(response)
    if refused is not None:
        return refused
    if status in {401, 403}:
        return Denied(f"HTTP {status}: DCL refuses the login; are {{USERNAME}} and {{PASSWORD}} right?", status)
    if status == httpx.codes.NOT_FOUND:
        wrong = Denied("HTTP 404: there is no orders API at this address; is {BASE_URL} right?", status)
        return NO_ORDERS if _says_no_orders(response) else wrong
    return Unavailable(_error_text(response), status)


def is_too_slow(fault: Unavailable) -> bool:
    """Whether DCL, its database or a gateway before it gave up: a request for less may succeed."""
    return fault.status in _TIMED_OUT or bool(_TIMEOUT_TEXT.search(fault.reason))


def _rows(response: httpx.Response) -> Rows | PollFault:
    """Only a complete answer counts as read: an unreadable 200 taken for an empty list would lose changes."""
    try:
        body = json_body(response)
    except NotJsonError as error:
        return Unavailable(one_line(str(error)), response.status_code)
    if not isinstance(body, dict):
        return Unavailable("HTTP 200 without DCL's envelope", response.status_code)
    if str(body.get("error_code")) not in NO_ERROR:
        return Unavailable(_error_text(response), response.status_code)
    orders = body.get("orders", ...)
    if orders is None:
        return NO_ORDERS  # the page writes null for every other list without members
    if not isinstance(orders, list) or not all(isinstance(row, dict) for row in orders):
        return Unavailable("HTTP 200 without a list of orders", response.status_code)
    return orders


def _says_no_orders(response: httpx.Response) -> bool:
    """Whether the orders API itself says so: a wrong address has another server's page or ASP.NET's own message."""
    body = json_or_none(response)
    if not isinstance(body, dict) or "error_code" not in body or body.get("orders"):
        return False
    no_error = str(body["error_code"]) in NO_ERROR
    return "orders" in body or no_error or bool(_NOTHING_FOUND.search(str(body.get("error_message"))))


def _error_text(response: httpx.Response) -> str:
    """The status and DCL's own message, if any. It names no order, since the request names a time window."""
    head = f"HTTP {response.status_code}"
    if is_page(response):
        return f"{head} with an HTML page"
    body = json_or_none(response)
    if not isinstance(body, dict):
        return head
    return one_line(f"{head}: error {body.get('error_code')}: {body.get('error_message')}")
