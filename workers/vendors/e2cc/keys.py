"""E2CC's access keys: list, create, rotate, revoke, delete. A key is worth all of the customer's books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Denied, Outcome, Rejected, Throttled, Unavailable, Unknown, UnknownOrder
from workers.vendors._shared.answers import NotJsonError, json_body, json_or_none
from workers.vendors._shared.requests import SetUpError
from workers.vendors.contract import Credentials, Flow, MaybeSent
from workers.vendors.e2cc.outcome import MADE, error_text, refusal
from workers.vendors.e2cc.requests import e2cc_requests

LIST_PAGE_SIZE: Final = 100
MOST_PAGES: Final = 100  # a vendor with more ignores the page number
NO_FILTERS: Final[Mapping[str, str]] = {}
SHOWN_CHARS: Final = 10  # E2CC itself shows so much of a key, as `partialKey`
SECRETS: Final = frozenset(("key", "secret", "hash", "token", "rawkey"))

_LOOK: Final = "`relay vendor e2cc keys list` shows it"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What E2CC keeps of a key, and the secret where one was made."""

    fields: Mapping[str, Any]
    secret: str | None = field(default=None, repr=False)


def shown_key(key: str, own: str = "") -> str:
    """A key for people: as much of it as E2CC shows, and never the whole of a secret that we know."""
    if key and key == own:
        return "the worker's own key"
    return key if len(key) <= SHOWN_CHARS else f"{key[:SHOWN_CHARS]}..."


def list_keys(credentials: Credentials, wanted: Mapping[str, str] = NO_FILTERS) -> Flow[list[KeyRecord] | Outcome]:
    """Every key of the account, without secrets; pages are read until one is empty or brings nothing new.

    ``wanted``: E2CC's filters ``search`` (a part of the label or the owner) and ``status`` (active or revoked).
    """
    try:
        e2cc = e2cc_requests(credentials)
    except SetUpError as error:
        return Denied(str(error))
    found: list[KeyRecord] = []
    for number in range(1, MOST_PAGES + 1):
        response = yield e2cc.keys(number, LIST_PAGE_SIZE, wanted)
        rows = _listed(response, credentials["ACCESS_KEY"])
        if not isinstance(rows, list):
            return rows
        new = [record for record in map(_record, rows) if record not in found]
        if not new:
            break
        found += new
    return found


def create_key(credentials: Credentials, wanted: Mapping[str, Any]) -> Flow[KeyRecord | Outcome]:
    """Create a key. Not repeatable: each request makes another one."""
    try:
        request = e2cc_requests(credentials).create_key(dict(wanted))
    except SetUpError as error:
        return Denied(str(error))
    try:
        response = yield request
    except MaybeSent as error:
        return Unknown(f"{error}; if a key was made, its secret is lost: {_LOOK}; delete it")
    return _made(response, (credentials["ACCESS_KEY"],), "a key was made, and its secret is lost: delete it")


def rotate_key(credentials: Credentials, key: str, wanted: Mapping[str, Any]) -> Flow[KeyRecord | Outcome]:
    """Issue a new secret; the former one dies at once. ``key``: empty for the worker's own."""
    own = credentials["ACCESS_KEY"]
    chosen = key or own
    try:
        request = e2cc_requests(credentials).rotate_key(chosen, dict(wanted))
    except SetUpError as error:
        return Denied(str(error))
    try:
        response = yield request
    except MaybeSent as error:
        return Unknown(f"{error}; if the key was rotated, both secrets are lost: {_LOOK}; create another key")
    return _made(response, (chosen, own), "the former secret is dead: create another key")


def remove_key(credentials: Credentials, key: str, *, for_good: bool) -> Flow[KeyRecord | Outcome]:
    """Revoke a key, or delete it permanently. Repeatable."""
    hidden = (key, credentials["ACCESS_KEY"])
    try:
        request = e2cc_requests(credentials).remove_key(key, for_good=for_good)
    except SetUpError as error:
        return Denied(str(error))
    try:
        response = yield request
    except MaybeSent as error:
        return Unknown(f"{error}; a second request does no harm")
    refused = _refused(response, hidden)
    return refused if refused is not None else KeyRecord({"status": "deleted" if for_good else "revoked"})


def _refused(response: httpx.Response, hidden: tuple[str, ...]) -> Outcome | None:
    """Why a request for a key was not done; None: it was. No text holds a key."""
    status = response.status_code
    detail = error_text(response, hidden)
    if status == httpx.codes.NOT_FOUND:
        return UnknownOrder(f"{detail}; or {{BASE_URL}} is wrong", status)
    refused = refusal(response)
    if refused is not None:
        return refused
    if response.is_success:
        return None
    return Rejected(detail, status) if response.is_client_error else Unknown(f"{detail}; {_LOOK}", status)


def _made(response: httpx.Response, hidden: tuple[str, ...], otherwise: str) -> KeyRecord | Outcome:
    refused = _refused(response, hidden)
    if refused is not None:
        return refused
    body = json_or_none(response)
    secret = body.get("key") if isinstance(body, dict) else None
    if response.status_code not in MADE or not isinstance(secret, str) or not secret:
        return Unknown(f"HTTP {response.status_code} without a key: perhaps {otherwise}", response.status_code)
    kept = body.get("accessKey")
    return KeyRecord(_record(kept).fields if isinstance(kept, dict) else {}, secret)


def _listed(response: httpx.Response, own: str) -> list[dict[str, Any]] | Denied | Throttled | Unavailable:
    refused = refusal(response)
    if refused is not None:
        return refused
    try:
        body = json_body(response)
    except NotJsonError as error:
        return Unavailable(str(error), response.status_code)
    rows = body.get("data") if isinstance(body, dict) else None
    if not response.is_success or not isinstance(rows, list):
        return Unavailable(f"{error_text(response, (own,))}; wanted an envelope with `data`", response.status_code)
    return [row for row in rows if isinstance(row, dict)]


def _record(row: Mapping[str, Any]) -> KeyRecord:
    return KeyRecord({name: value for name, value in row.items() if name.lower() not in SECRETS})
