"""What e-Courier's answers mean: one row per documented answer; NOTES.md decides the undocumented ones.

Most errors are HTTP 500 with a code (`status`) in the body; then the code decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import httpx

from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.vendors._shared.answers import NotJsonError, is_page, one_line, own_status, redirected, throttled
from workers.vendors._shared.requests import REDACTED
from workers.vendors.ecourier.api import body_of

Operation: TypeAlias = Literal["save", "find", "quote"]
Judge: TypeAlias = Callable[[httpx.Response, Sequence[str]], Outcome]
"""(answer, secrets to hide) -> outcome."""

SUCCESS: Final = "0"
MAX_CODE_CHARS: Final = 8
MAX_XML_HEAD_BYTES: Final = 2048
NOT_CONFIGURED: Final = "-6"
BY_RULE: Final = 409  # HTTP status: the customer's business rules refuse to modify or to cancel an order
NOT_FOUND: Final = "not found"  # in the description of -4: "Order Not Found"
_GUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)  # any may be a live token


def outcome_of(response: httpx.Response, operation: Operation, hide: Sequence[str]) -> Outcome:
    """Return what an answer means; never raises. ``hide`` are secrets: removed even if e-Courier echoes them."""
    outcome = _judged(response, operation, hide)
    if isinstance(outcome, Unknown) and operation != "save":
        return Unavailable(outcome.reason, outcome.status)  # a failed read changes nothing
    return outcome


def says_no_such_order(response: httpx.Response) -> bool:
    """Whether an answer to GetJsonOrder means that there is no such order; e-Courier says so with HTTP 500."""
    return isinstance(outcome_of(response, "find", ()), UnknownOrder)


def code_of(response: httpx.Response) -> str | None:
    """Return `status` of the body, such as ``0`` or ``-3``; None when it has none."""
    body = _body(response)
    named = {name.lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    code = named.get("status")
    text = str(code).strip() if isinstance(code, str | int) and not isinstance(code, bool) else ""
    return text if 0 < len(text) <= MAX_CODE_CHARS else None


def is_not_found(description: str) -> bool:
    """Whether a refusal's description says that the order does not exist."""
    return NOT_FOUND in description.lower()


def error_text(response: httpx.Response, hide: Sequence[str]) -> str:
    """Return e-Courier's own message on one line: HTTP status, code and description."""
    body = _body(response)
    head = f"HTTP {response.status_code}"
    if not isinstance(body, dict):
        if _is_xml_around_json(response):
            return f"{head}; the answer is XML around JSON"
        body = {}
    code, said = code_of(response), body.get("statusdescription") or _own_phrase(response)
    line = f"{head}, status {code}" if code else head
    line = f"{line}: {said}" if isinstance(said, str) and said else line
    for secret in filter(None, hide):
        line = line.replace(secret, REDACTED)
    return one_line(_GUID.sub(REDACTED, line))


def _own_phrase(response: httpx.Response) -> str:
    """The words of the status line, where they are e-Courier's: a 409 is "accompanied by a status description"."""
    own = response.status_code == BY_RULE and response.reason_phrase
    return own if own and own.lower() != "conflict" else ""


def _is_xml_around_json(response: httpx.Response) -> bool:
    """An .asmx answers in XML when it takes a request for another one than of a script."""
    text = response.content[:MAX_XML_HEAD_BYTES].decode(errors="replace").lstrip("\ufeff \r\n\t")
    is_xml = "/xml" in response.headers.get("content-type", "") or text.startswith(("<?xml", "<string", "<soap"))
    return is_xml and "{" in text


def _body(response: httpx.Response) -> Any:
    try:
        return body_of(response)
    except NotJsonError:
        return None


def _judged(response: httpx.Response, operation: Operation, hide: Sequence[str]) -> Outcome:
    status, code = response.status_code, code_of(response)
    if response.is_success and code is None:
        return _without_code(response, operation, hide)
    own = own_status(_body(response)) if response.is_success else None
    if own is not None:  # a gateway's problem, whose HTTP status a server in between rewrote
        return _judged(httpx.Response(own, content=response.content), operation, hide)
    refused = redirected(response) or throttled(response)
    if refused is not None:
        return refused
    judge = BY_STATUS.get(status) or _by_code(operation, code, status) or BY_UNCODED_STATUS.get(status, _unavailable)
    return judge(response, hide)


def _without_code(response: httpx.Response, operation: Operation, hide: Sequence[str]) -> Outcome:
    """2xx without `status`: the order itself after a look-up or a quote; after a save the result is unknown."""
    body = _body(response)
    if operation != "save" and isinstance(body, dict) and isinstance(body.get("Order"), dict):
        return Delivered(status=response.status_code)
    return _unknown(response, hide, "without the documented status")


def _by_code(operation: Operation, code: str | None, status: int) -> Judge | None:
    if code is None or (code == SUCCESS and not httpx.codes.is_success(status)):
        return None
    judge = BY_OPERATION.get((operation, code)) or BY_CODE.get(code)
    return judge or (_rejected if httpx.codes.is_success(status) else None)


def _delivered(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    body = _body(response)
    if body.get("errors") or body.get("error") or body.get("success") is False:
        return _unknown(response, hide, "a success that holds an error")
    return Delivered(status=response.status_code)


def _unknown(response: httpx.Response, hide: Sequence[str], said: str = "") -> Outcome:
    return Unknown(_line(response, hide, said), response.status_code)


def _unavailable(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    return Unavailable(error_text(response, hide), response.status_code)


def _line(response: httpx.Response, hide: Sequence[str], said: str) -> str:
    line = error_text(response, hide)
    return f"{line}; {said}" if said else line


def _rejected(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    return Rejected(error_text(response, hide), response.status_code)


def _not_there(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    line = error_text(response, hide)
    return (UnknownOrder if is_not_found(line) else Rejected)(line, response.status_code)


def _token_refused(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    said = error_text(response, hide)
    may = "may the user of {USERNAME} or {USER_GUID} post orders?"
    return Denied(f"{said}: e-Courier refuses us even after a fresh login; {may}", response.status_code)


def _not_configured(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    said = (
        "the endpoint is not set up for this customer or UserGUID; ask the e-Courier customer's support to configure it"
    )
    return Denied(_line(response, hide, said), response.status_code)


def _wrong_address(response: httpx.Response, _hide: Sequence[str]) -> Outcome:
    status = response.status_code
    return Denied(f"HTTP {status}: no such endpoint; does {{BASE_URL}} end in /ecJsonPost.asmx?", status)


def _page_or_nothing(response: httpx.Response, hide: Sequence[str]) -> Outcome:
    """5xx without a code: it is unknown whether the request was applied."""
    return _unknown(response, hide, "a page, not e-Courier's JSON" if is_page(response) else "")


BY_STATUS: Final[Mapping[int, Judge]] = {
    401: _token_refused,
    403: _token_refused,
    404: _wrong_address,
    405: _wrong_address,
    BY_RULE: _rejected,  # documented: business rules forbid to cancel or to modify
}
"""HTTP statuses that decide whatever the code is."""

BY_CODE: Final[Mapping[str, Judge]] = {
    SUCCESS: _delivered,
    "-1": _unknown,  # documented: a general error
    "-2": _rejected,  # documented: the message could not be parsed
    "-3": _unavailable,  # documented: the database is unavailable, retry later
    "-4": _rejected,  # documented: elements are missing, or values do not match the customer's options
    "-5": _token_refused,  # documented: no UserGUID
    NOT_CONFIGURED: _not_configured,  # documented: no configuration for this customer or UserGUID
}

BY_OPERATION: Final[Mapping[tuple[Operation, str], Judge]] = {
    ("find", "-4"): _not_there,  # documented: "Order Not Found"
}

BY_UNCODED_STATUS: Final[Mapping[int, Judge]] = {
    400: _rejected,
    408: _unavailable,
    413: _rejected,
    415: _rejected,
    422: _rejected,
    425: _unavailable,
    500: _page_or_nothing,
    502: _page_or_nothing,
    504: _page_or_nothing,
}
"""Answers without a code, from a server in between. Any other status is `Unavailable`."""
