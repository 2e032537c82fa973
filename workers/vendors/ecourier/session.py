"""e-Courier's login: a GUID from the configuration or from Login, which lives as long as it is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors._shared.answers import NotJsonError, throttled
from workers.vendors._shared.local_time import time_zone
from workers.vendors._shared.requests import SetUpError, in_a_header
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent
from workers.vendors.ecourier.api import body_of
from workers.vendors.ecourier.options import LOGIN, EcourierOptions, EcourierPollerOptions
from workers.vendors.ecourier.outcome import NOT_CONFIGURED, SUCCESS, code_of, error_text
from workers.vendors.ecourier.requests import GUID_HEADER, ecourier_requests

NOT_REFRESHED: Final = "guid_not_refreshed"  # a note: unused for 20 days, e-Courier forgets it
DAY_S: Final = 86_400.0
REFRESH_AFTER_S: Final = 10 * DAY_S  # without use; e-Courier forgets a GUID after 20 days
PASSING_CODES: Final = frozenset({"-1", "-3"})  # a general error, the database unavailable
PASSING_STATUSES: Final = frozenset({408, 425})
REFUSALS: Final = frozenset({401, 403})

MAX_REFUSAL_BYTES: Final = 2000  # an order may be a megabyte: longer answers are not parsed

CHECK_LOGIN: Final = "are {WEBSITE}, {USERNAME} and {PASSWORD} right?"
NO_LOGIN: Final = (
    "the UserGUID is missing or no longer good: set a new {USER_GUID}, or {WEBSITE}, {USERNAME} and {PASSWORD}"
)


@dataclass(slots=True)
class EcourierSession:
    """`workers.vendors.contract.Session` for e-Courier. It holds the token that Login gave, until USER_GUID changes."""

    options: EcourierOptions | EcourierPollerOptions
    credentials: Credentials = field(repr=False)
    _given: str = field(default="", init=False, repr=False)  # USER_GUID when it was last read
    _token: str | None = field(default=None, init=False, repr=False)
    _signed: str | None = field(default=None, init=False, repr=False)  # the token of the last request

    @property
    def token(self) -> str | None:
        """Return the newer of USER_GUID, which may be a mounted file, and Login's GUID."""
        given = self.credentials["USER_GUID"]
        if given != self._given:
            self._given = given
            self._token = given if in_a_header(given) else None
        return self._token

    def sign(self, request: httpx.Request) -> None:
        """Put the GUID into the header."""
        token = self.token
        if token is not None:
            request.headers[GUID_HEADER] = self._signed = token

    def is_dead(self, response: httpx.Response) -> bool:
        """Whether the answer has a status of ``dead_statuses``: HTTP's, or below zero the body's."""
        dead = self.options.dead_statuses
        if response.status_code in dead:
            return True
        if len(response.content) > MAX_REFUSAL_BYTES:
            return False
        code = code_of(response)
        if code == NOT_CONFIGURED and not self._has_login:
            return False  # its own words say more than a login that cannot be made
        return code in {str(each) for each in dead if each < 0}

    def login(self) -> Flow[Denied | Throttled | Unavailable | None]:
        """Get a new GUID by user and password."""
        if not self._has_login:
            return Denied(NO_LOGIN)
        website, username, password = (self.credentials[name] for name in LOGIN)
        try:
            requests = ecourier_requests(self.credentials["BASE_URL"], self.credentials["TIME_ZONE"])
            response = yield requests.login(website, username, password)
        except SetUpError as error:
            return Denied(str(error))
        except (NotSent, MaybeSent) as error:
            return Unavailable(f"login: {error}")
        given = self.credentials["USER_GUID"]
        refusal = login_refusal(response, (password, given))
        if refusal is None:
            self._token, self._given = new_token(response), given
        return refusal

    @property
    def _has_login(self) -> bool:
        return all(self.credentials[name] for name in LOGIN)

    def renew(self, idle_s: float) -> Flow[str | None] | None:
        """Refresh a GUID after 10 days without use, half of its life; at once one that this process has not used.

        A given GUID may be as old as the last process that used it, and how old that is cannot be known.
        """
        token = self.token
        if token is None:
            return None
        is_of_unknown_age = token == self._given and token != self._signed
        return self._refresh() if is_of_unknown_age or idle_s >= REFRESH_AFTER_S else None

    def _refresh(self) -> Flow[str | None]:
        """A failure changes nothing: the next request finds out, and a login follows where there is one."""
        try:
            response = yield ecourier_requests(self.credentials["BASE_URL"], self.credentials["TIME_ZONE"]).refresh()
        except (SetUpError, NotSent, MaybeSent):
            return NOT_REFRESHED
        if not (response.is_success and code_of(response) == SUCCESS):
            return NOT_REFRESHED
        self._token = new_token(response) or self._token
        return None


def login_refusal(response: httpx.Response, hide: tuple[str, ...]) -> Denied | Throttled | Unavailable | None:
    """Return what Login's answer means; None: it holds a new token."""
    status, code = response.status_code, code_of(response)
    said = f"login: {error_text(response, hide)}"
    passing = throttled(response)
    if passing is not None:
        return passing
    if status in REFUSALS:
        return Denied(f"{said}; {CHECK_LOGIN}", status)
    if code in PASSING_CODES or status in PASSING_STATUSES or (code is None and response.is_server_error):
        return Unavailable(said, status)
    if response.is_success and code is None:
        return Unavailable(f"{said}; not the documented JSON", status)
    if not response.is_success or code != SUCCESS:
        return Denied(f"{said}; {CHECK_LOGIN}", status)
    return None if new_token(response) else Denied(f"{said}; it gives no UserGUID", status)


def new_token(response: httpx.Response) -> str | None:
    """Return the answer's UserGUID; None when a header cannot hold it, or it is a sentence."""
    try:
        body: Any = body_of(response)
    except NotJsonError:
        return None
    token = body.get("UserGUID") if isinstance(body, dict) else None
    return token if isinstance(token, str) and in_a_header(token) and " " not in token else None


def variables_faults(credentials: Credentials) -> Iterator[tuple[str, str]]:
    """Give each bad variable and what is wanted of it; other variables are named in braces."""
    missing = [name for name in LOGIN if not credentials[name]]
    if missing and (credentials["USERNAME"] or credentials["PASSWORD"]):
        yield from ((name, "wanted: {WEBSITE}, {USERNAME} and {PASSWORD} go together") for name in missing)
    elif missing and not credentials["USER_GUID"]:
        yield "USER_GUID", "wanted to log in; or, instead of it, {WEBSITE}, {USERNAME} and {PASSWORD}"
    if time_zone(credentials["TIME_ZONE"]) is None:
        yield "TIME_ZONE", "wanted: an IANA name such as America/New_York"
