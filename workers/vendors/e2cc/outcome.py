"""What E2CC's answers mean: rows, or a fault, after which the cursor does not move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Unavailable
from workers.vendors._shared.answers import NotJsonError, is_page, json_body, one_line, redirected, throttled
from workers.vendors._shared.requests import REDACTED
from workers.vendors.contract import PollFault

Rows: TypeAlias = Sequence[dict[str, Any]]

MADE: Final = frozenset({200, 201})  # the page says 201 for a new key, and nothing for a rotated one


def rows_of(response: httpx.Response, key: str) -> Rows | PollFault:
    """The rows of an answer, or why it has none, without the ``key``; never raises."""
    refused = refusal(response)
    if refused is not None:
        return refused
    if response.status_code != httpx.codes.OK:
        return Unavailable(error_text(response, (key,)), response.status_code)
    return _array(response, key)


def refusal(response: httpx.Response) -> PollFault | None:
    """What an answer says of our key and address, whatever was asked; None: neither is refused."""
    status = response.status_code
    refused = redirected(response) or throttled(response)
    if refused is not None:
        return refused
    if status == httpx.codes.UNAUTHORIZED:
        return Denied("HTTP 401: E2CC refuses the access key of {ACCESS_KEY}: missing, unknown or revoked", status)
    if status == httpx.codes.FORBIDDEN:
        return Denied("HTTP 403: the access key of {ACCESS_KEY} lacks a permission", status)
    if status == httpx.codes.NOT_FOUND:  # "Unknown route": an order that is not there has no such answer
        return Denied("HTTP 404: E2CC has no such route; is {BASE_URL} right?", status)
    return None


def error_text(response: httpx.Response, hidden: Sequence[str] = ()) -> str:
    """The status and E2CC's own message, if any, without the texts that are ``hidden``."""
    head = f"HTTP {response.status_code}"
    if is_page(response):
        return f"{head} with an HTML page"
    try:
        body = json_body(response)
    except NotJsonError:
        return head
    said = body.get("error") if isinstance(body, dict) else None
    text = f"{head}: {said}" if isinstance(said, str) and said else head
    for each in filter(None, hidden):
        text = text.replace(each, REDACTED)
    return one_line(text)


def _array(response: httpx.Response, key: str) -> Rows | PollFault:
    """Only an array counts as read: an unreadable 200 taken for an empty list would tell of deleted orders."""
    try:
        body = json_body(response)
    except NotJsonError as error:
        return Unavailable(one_line(str(error)), response.status_code)
    if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
        return Unavailable(f"{error_text(response, (key,))}; wanted an array of rows", response.status_code)
    return body
