"""Reads vendors' answers: JSON or not, messages on one line, Retry-After."""

from __future__ import annotations

import codecs
import json
import math
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import orjson

from workers.core.delivery.outcome import Denied, Throttled

PASSING_WITH_A_TIME: Final = frozenset({403, 408, 413, 425, 503})
ERRORS: Final = frozenset(str(status) for status in range(400, 600))
MAX_TEXT_CHARS: Final = 500  # of a vendor's message

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class NotJsonError(ValueError):
    """The body is not JSON: a proxy's page, or an answer that was cut off."""


def json_body(response: httpx.Response) -> Any:
    """Return the parsed body, or None for an empty one; raises `NotJsonError`."""
    content = response.content.removeprefix(codecs.BOM_UTF8)
    if not content or content.isspace():
        return None
    try:
        return _parsed(content)
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("content-type", "no content type")
        raise NotJsonError(f"HTTP {response.status_code} with {kind}, not JSON") from error


def json_or_none(response: httpx.Response) -> Any:
    """Return the parsed body; None when it is empty or not JSON."""
    try:
        return json_body(response)
    except NotJsonError:
        return None


def _parsed(content: bytes) -> Any:
    """Reads what orjson refuses for one value's sake: half a character, for vendors cut texts at a column's width,
    becomes ``?``, and a number that no double holds becomes null.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        text = content.decode(errors="replace")
        found = json.loads(text, parse_int=_number, parse_float=_number)
        if not isinstance(found, dict | list):
            raise
        return orjson.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))


def _number(text: str) -> float | None:
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if abs(number) < 1 << 63 and text.lstrip("-").isdigit() else number


def one_line(text: str) -> str:
    """One line of at most `MAX_TEXT_CHARS` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TEXT_CHARS else line[: MAX_TEXT_CHARS - 1] + "\u2026"


def is_page(response: httpx.Response) -> bool:
    """Whether the answer is an HTML page, which comes from another server than the vendor's API."""
    return "html" in response.headers.get("content-type", "") or response.content.lstrip()[:1] == b"<"


def own_status(body: Any) -> int | None:
    """Return the HTTP error that the body itself states: the ``status`` of a problem (RFC 9457), or of all listed."""
    if isinstance(body, list):
        statuses = [own_status(each) if isinstance(each, dict) else None for each in body]
        return statuses[0] if statuses and None not in statuses else None
    said = {str(name).lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    for value in (said.get("status"), said.get("statuscode")):
        if isinstance(value, int | str) and str(value) in ERRORS:
            return int(value)
    return None


def redirected(response: httpx.Response) -> Denied | None:
    """`Denied` for a redirect, which the client does not follow: the address is wrong."""
    status = response.status_code
    if response.is_redirect:
        return Denied(f"HTTP {status}: a redirect, which the relay does not follow; is {{BASE_URL}} right?", status)
    return None


def throttled(response: httpx.Response) -> Throttled | None:
    """`Throttled` for 429, and for a refusal that ``Retry-After`` calls temporary (RFC 9110, 15.5.14 and 15.6.4)."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS or (status in PASSING_WITH_A_TIME and "retry-after" in response.headers):
        return Throttled(retry_after(response), status)
    return None


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` asks for (RFC 9110, 10.2.3); None when it is missing or unreadable.

    A date counts from the answer's own ``Date``, because vendors' code has no clock; a date in the past is 0.
    """
    value = response.headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(value):
        wait = float(value)
        return wait if math.isfinite(wait) else None
    until, now = http_date(value), http_date(response.headers.get("date", ""))
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def http_date(value: str) -> datetime | None:
    """Read an HTTP date (RFC 9110, 5.6.7); None when it is unreadable."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else None
