"""What ECDP's answers mean: one row per documented answer; NOTES.md decides the undocumented ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import httpx
from pydantic import ValidationError

from workers.core.delivery.outcome import (
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Unavailable,
    Unknown,
    UnknownOrder,
)
from workers.vendors._shared.answers import (
    NotJsonError,
    is_page,
    json_body,
    one_line,
    own_status,
    redirected,
    throttled,
)
from workers.vendors._shared.requests import REDACTED
from workers.vendors.ecdp.api import Problem, errors_of

Operation: TypeAlias = Literal["add", "replace", "status", "find", "delete"]
"""POST with Add or AddOrReplace, POST with Replace, PUT status, GET by id, DELETE by id."""

Judge: TypeAlias = Callable[[httpx.Response, str], Outcome]
"""(answer, secret to hide) -> outcome."""


def outcome_of(response: httpx.Response, operation: Operation, hide: str) -> Outcome:
    """Return what an answer means; never raises. ``hide`` is the API key: removed even if ECDP echoes it."""
    status = response.status_code
    if response.is_success:
        return _success(response, operation, hide)
    judge = BY_OPERATION.get((operation, status)) or BY_STATUS.get(status, _unavailable)
    return redirected(response) or throttled(response) or judge(response, hide)


def _success(response: httpx.Response, operation: Operation, hide: str) -> Outcome:
    """2xx. Only answers that are known to mean success deliver: a gateway or a framework may say "no" under 2xx."""
    status = response.status_code
    if status == httpx.codes.CREATED and operation in POSTS and _text(response) in CREATED_WORDS:
        return Delivered(status=status)  # the documented status; its body is not documented
    try:
        body = json_body(response)
    except NotJsonError as error:
        return Unknown(one_line(str(error)), status)
    own = own_status(body)
    if own is not None:  # RFC 9457, 3.1.2: it mirrors the HTTP status, which a server in between rewrote
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        return outcome_of(httpx.Response(own, headers=kept, content=response.content), operation, hide)
    if errors_of(body):
        return _rejected(response, hide)
    if operation == "find" or _means_success(response, body):
        return Delivered(status=status)
    return Unknown(f"HTTP {status} with a body that is not known to mean success", status)


def _text(response: httpx.Response) -> str:
    return response.content.decode(errors="replace").strip(' \r\n\t".').casefold()


def _means_success(response: httpx.Response, body: Any) -> bool:
    """200, 201 or 204 without a body, with ``{}``, or with ECDP's ``{"status":0}``, which may hold the order."""
    if response.status_code not in SUCCESSES:
        return False
    if not isinstance(body, dict):
        return not response.content.strip()
    said = {name.lower(): value for name, value in body.items() if value not in (None, "", [], {})}
    order = said.pop("data", {"id": ""})
    is_order = isinstance(order, dict) and any(name.lower() == "id" for name in order)
    return not body or (is_order and said in ({"status": 0}, {"status": "0"}) and said["status"] is not False)


def _rejected(response: httpx.Response, hide: str) -> Outcome:
    return Rejected(error_text(response, hide), response.status_code)


def _unknown_order(response: httpx.Response, hide: str) -> Outcome:
    """404. ECDP's own is a problem in JSON; an HTML page comes from another server."""
    return _wrong_address(response, hide) if is_page(response) else UnknownOrder(error_text(response, hide), 404)


def _replaced_unknown(response: httpx.Response, hide: str) -> Outcome:
    return _wrong_address(response, hide) if is_page(response) else _rejected(response, hide)


def _wrong_address(response: httpx.Response, _hide: str) -> Outcome:
    status = response.status_code
    return Denied(f"HTTP {status}: there is no orders API at this address; is {{BASE_URL}} right?", status)


def _denied(response: httpx.Response, _hide: str) -> Outcome:
    status = response.status_code
    return Denied(f"HTTP {status}: ECDP refuses the API key; is {{API_KEY}} right, and allowed to use orders?", status)


def _unavailable(response: httpx.Response, _hide: str) -> Outcome:
    return Unavailable(f"HTTP {response.status_code}", response.status_code)


POSTS: Final = frozenset({"add", "replace"})
CREATED_WORDS: Final = frozenset({"created", "ok", "success", "true"})  # plain or as JSON
SUCCESSES: Final = frozenset({200, 201, 204})
KEPT_HEADERS: Final = ("content-type", "retry-after", "date")

BY_STATUS: Final[Mapping[int, Judge]] = {
    400: _rejected,  # documented: a missing or incorrect parameter
    401: _denied,  # documented: the key is missing or has no permission
    403: _denied,
    404: _unknown_order,  # documented for GET and DELETE
    408: _unavailable,
    409: _rejected,
    413: _rejected,  # a batch is halved first
    415: _rejected,
    422: _rejected,
    425: _unavailable,
}
"""Any other status is `Unavailable`, which is retried: it is not the record's fault."""

BY_OPERATION: Final[Mapping[tuple[Operation, int], Judge]] = {
    ("add", 404): _wrong_address,  # an Add names nothing that ECDP could be missing, so the address is wrong
    ("replace", 404): _replaced_unknown,
}


def error_text(response: httpx.Response, hide: str) -> str:
    """Return ECDP's own message on one line: title, detail and errors."""
    head = f"HTTP {response.status_code}"
    try:
        body = json_body(response)
    except NotJsonError:
        return f"{head}, without JSON"
    texts = [text.rstrip(" .;") for text in (*_problem(body), *errors_of(body)) if text]
    line = f"{head}: {'; '.join(dict.fromkeys(texts))}" if texts else head
    return one_line(line.replace(hide, REDACTED) if hide else line)


def _problem(body: Any) -> tuple[str | None, ...]:
    try:
        problem = Problem.model_validate(body)
    except ValidationError:
        return ()
    return problem.title, problem.detail
