"""What DCL's answers mean: rows, or a fault that leaves the cursor where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors._shared.answers import NotJsonError, bounded, is_page, json_body, retry_after
from workers.vendors.contract import PollFault

Rows: TypeAlias = Sequence[dict[str, Any]]


def rows_of(response: httpx.Response) -> Rows | PollFault:
    """The orders of an answer; total. Only an answer that keeps every rule has any."""
    status = response.status_code
    if status == httpx.codes.OK:
        return _rows(response)
    if response.is_redirect or response.has_redirect_location:
        return Denied(f"HTTP {status}: it redirects elsewhere, which is never followed; is BASE_URL right?", status)
    if status in {401, 403}:
        return Denied(f"HTTP {status}: DCL refuses the login; are USERNAME and PASSWORD right?", status)
    if status == httpx.codes.NOT_FOUND:
        return Denied("HTTP 404: there is no orders API at this address; is BASE_URL right?", status)
    if status == httpx.codes.TOO_MANY_REQUESTS or (status == 503 and "retry-after" in response.headers):  # noqa: PLR2004
        return Throttled(retry_after(response), status)
    return Unavailable(_words(response), status)


def _rows(response: httpx.Response) -> Rows | PollFault:
    """An answer of 200 that says nothing usable is no empty list: taken for one, it would lose changes."""
    try:
        body = json_body(response)
    except NotJsonError as error:
        return Unavailable(bounded(str(error)), response.status_code)
    if not isinstance(body, dict):
        return Unavailable("HTTP 200 without DCL's envelope", response.status_code)
    if body.get("error_code") != 0:
        return Unavailable(_words(response), response.status_code)
    orders = body.get("orders")
    if not isinstance(orders, list) or not all(isinstance(row, dict) for row in orders):
        return Unavailable("HTTP 200 without a list of orders", response.status_code)
    return orders


def _words(response: httpx.Response) -> str:
    """The status, and DCL's own words where there are any; they name no order: we asked for a stretch of time."""
    head = f"HTTP {response.status_code}"
    if is_page(response):
        return f"{head} with a page for people"
    try:
        body = json_body(response)
    except NotJsonError:
        return head
    if not isinstance(body, dict):
        return head
    return bounded(f"{head}: error {body.get('error_code')}: {body.get('error_message')}")
