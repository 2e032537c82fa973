"""What Komet's answers mean: the envelope ``{"status": 1 or 0, "message": ...}``, whatever the HTTP status is.

Komet documents no error codes and no HTTP statuses; NOTES.md decides what is open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote_plus

import httpx

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors._shared.answers import (
    is_page,
    json_or_none,
    one_line,
    own_status,
    redirected,
    throttled,
)
from workers.vendors._shared.requests import REDACTED
from workers.vendors.contract import PollFault
from workers.vendors.komet.answers.values import text_of

Body: TypeAlias = dict[str, Any]
Rows: TypeAlias = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Refused:
    """Komet did not carry the method out: ``status`` 0 in the body, or an HTTP status that says so."""

    message: str  # Komet's own words without the token; may be empty, and may hold what was asked for
    status: int  # HTTP status

    @property
    def reason(self) -> str:
        """One line for people."""
        return f"HTTP {self.status}: {self.message}" if self.message else f"HTTP {self.status}"


Answer: TypeAlias = Body | Refused | PollFault

SPENT_PAUSE_S: Final = 300.0  # Komet does not say when its day ends; each request until then may count, too
_SUCCESS: Final = frozenset({"1", "1.0", "true"})
_FAILURE: Final = frozenset({"0", "0.0", "false"})
_REFUSALS: Final = frozenset({400, 409, 413, 415, 422})  # HTTP statuses that are about the request itself
_ROWS: Final = "(orders?|invoices?|books?|items?|products?|inventor(y|ies)|customers?|records?|results?|data|rows?)"
_NAMES: Final = f"((web|pre)[ -]?)?{_ROWS}"
_NOTHING: Final = re.compile(rf"\W*(no {_NAMES}( were| was)? found|{_NAMES}( were| was)? not found)\W*", re.IGNORECASE)
_ENDED: Final = r"\b(limit|exceed\w*|reached|spent|exhausted)\b"
_REQUESTS: Final = r"\b(requests|calls|api)\b"  # the plural: "your request exceeds" is about one order
_SPENT: Final = re.compile(
    rf"\bquota\b|too many (requests|calls)|\b(request|call|rate|daily) limit|{_REQUESTS}.{{0,40}}{_ENDED}"
    rf"|{_ENDED}.{{0,40}}{_REQUESTS}",
    re.IGNORECASE | re.DOTALL,
)
_OF_AN_ORDER: Final = re.compile(  # such as "the credit limit", "more requests than available boxes"
    r"credit|\bbox|quantit|inventor|\bitems?\b|product|stock|\bstems?\b|\bbunch|\border\b|\bdates?\b", re.IGNORECASE
)
_NO_RIGHT: Final = r"not authori[sz]ed|access denied|permission|no access"
_PERMISSION: Final = re.compile(_NO_RIGHT, re.IGNORECASE)
_OF_THE_TOKEN: Final = re.compile(rf"\btokens?\b|unauthori[sz]ed|{_NO_RIGHT}", re.IGNORECASE)


def answer_of(response: httpx.Response, token: str) -> Answer:
    """The body of a success, or why there is none; never raises. ``token`` is removed even if Komet echoes it."""
    body = json_or_none(response)
    own = own_status(body) if response.is_success else None
    if own is not None:  # a gateway's problem, whose HTTP status a server in between rewrote
        response = httpx.Response(own, content=response.content, headers=_content_type(response))
    return _by_http_status(response, token) or _by_envelope(body, response, token)


def rows_of(response: httpx.Response, name: str, token: str) -> Rows | Refused | PollFault:
    """The rows of a list; "Orders not found." is an empty one, whatever ``status`` is sent with it.

    Only a complete answer counts as read: an unreadable 200 taken for an empty list would lose changes.
    """
    answer = answer_of(response, token)
    if isinstance(answer, Refused) and is_nothing(answer.message):
        return ()
    if not isinstance(answer, dict):
        return answer
    rows = answer.get(name)
    if isinstance(rows, dict):  # one row, where a page calls it an array
        rows = [rows]
    if rows is None and is_nothing(text_of(answer.get("message"))):
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return Unavailable(f"HTTP {response.status_code} without a list of {name}", response.status_code)
    return rows


def is_nothing(message: str) -> bool:
    """Whether Komet says that no row fits, such as ``Orders not found.``, in its own words."""
    return _NOTHING.fullmatch(message) is not None


def as_fault(refused: Refused) -> PollFault:
    """What a refusal means to a reader, which gives Komet nothing to refuse but the token and the day's requests."""
    if is_spent(refused.message):
        return _spent(refused.reason, refused.status)
    if _OF_THE_TOKEN.search(refused.message):
        return Denied(refused.reason, refused.status)
    return Unavailable(refused.reason, refused.status)


def is_about_permission(denied: Denied) -> bool:
    """Whether the token may not use this method, which says nothing of other methods."""
    return denied.status == httpx.codes.FORBIDDEN or _PERMISSION.search(denied.reason) is not None


def is_spent(message: str) -> bool:
    """Whether Komet says that the day's requests are spent, and nothing about an order."""
    return _SPENT.search(message) is not None and _OF_AN_ORDER.search(message) is None


def _spent(reason: str, status: int) -> Throttled:
    """With its HTTP status: if only one order meets these words while others are taken, they are about that order."""
    return Throttled(SPENT_PAUSE_S, status, f"Komet says that requests are spent ({reason})")


def _by_http_status(response: httpx.Response, token: str) -> PollFault | None:
    """HTTP statuses that decide whatever the body says."""
    status = response.status_code
    refused = redirected(response) or throttled(response)
    if refused is not None:
        return refused
    if status in {401, 403}:
        said = error_text(response, token)
        if is_spent(_message(response, token)):
            return _spent(said, status)
        return Denied(f"{said}: Komet refuses {{TOKEN}}, or it may not use this method", status)
    if status in {408, 425} or response.is_server_error:
        return Unavailable(error_text(response, token), status)
    return None


def _by_envelope(body: Any, response: httpx.Response, token: str) -> Answer:
    status = response.status_code
    said = text_of(body.get("status")).lower() if isinstance(body, dict) else ""
    if said in _SUCCESS and response.is_success:
        answer: Body = body
        return answer
    if said in _FAILURE or (status in _REFUSALS and not is_page(response)):
        return Refused(_message(response, token), status)
    if status in {404, 405}:
        return Denied(f"HTTP {status}: there is no such method at this address; is {{BASE_URL}} right?", status)
    return Unavailable(f"{error_text(response, token)}; without Komet's status", status)


def error_text(response: httpx.Response, token: str) -> str:
    """The HTTP status and Komet's own message on one line, without the token."""
    head = f"HTTP {response.status_code}"
    if is_page(response):
        return f"{head} with an HTML page"
    message = _message(response, token)
    return one_line(f"{head}: {message}") if message else head


def _message(response: httpx.Response, token: str) -> str:
    body = json_or_none(response)
    said = text_of(body.get("message")) if isinstance(body, dict) else ""
    return one_line(said.replace(token, REDACTED).replace(quote_plus(token), REDACTED))


def _content_type(response: httpx.Response) -> dict[str, str]:
    return {"content-type": response.headers.get("content-type", "")}
