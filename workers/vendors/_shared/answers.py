"""What every vendor's answers have in common: JSON or not, its words, how long to wait."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import orjson

MAX_WORDS: Final = 500  # characters of a vendor's text that are kept

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class NotJsonError(ValueError):
    """The body is something, but not JSON: a proxy's page, a cut answer."""


def json_body(response: httpx.Response) -> Any:
    """Return the parsed body, None when there is none; raises `NotJsonError`."""
    content = response.content
    if not content or content.isspace():
        return None
    try:
        return _parsed(content)
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("content-type", "no content type")
        raise NotJsonError(f"HTTP {response.status_code} with {kind}, not JSON") from error


def _parsed(content: bytes) -> Any:
    """Half a character (a lone surrogate: some text was cut at a column's width) becomes ``?``; the rest is whole."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        if b"\\ud" not in content.lower():
            raise
        whole = json.dumps(json.loads(content), ensure_ascii=False).encode(errors="replace")
        return orjson.loads(whole)


def bounded(text: str) -> str:
    """One line of at most `MAX_WORDS` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 1] + "\u2026"


def is_page(response: httpx.Response) -> bool:
    """Whether the answer is a page for people: it comes from another server than the vendor's API."""
    return "html" in response.headers.get("content-type", "") or response.content.lstrip()[:1] == b"<"


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` asks for (RFC 9110, 10.2.3); None when it is missing or says nothing.

    A date is measured by the answer's own ``Date``, since vendors' code knows no clock; a date gone by is 0.
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
    """Read a date of HTTP (RFC 9110, 5.6.7); None when it is none."""
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else None
