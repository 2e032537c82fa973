"""e-Courier's login: a GUID that is given, or got by Login, and lives while it is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors._shared.answers import NotJsonError, json_body, retry_after
from workers.vendors._shared.requests import SetUpError, in_a_header
from workers.vendors.contract import Credentials, Flow, MaybeSent, NotSent
from workers.vendors.ecourier.api import plain
from workers.vendors.ecourier.options import EcourierOptions, EcourierPollerOptions
from workers.vendors.ecourier.outcome import SUCCESS, code_of, words
from workers.vendors.ecourier.wire import GUID_HEADER, checked_time_zone, wire

DAY: Final = 86_400.0  # seconds
REFRESH_AFTER: Final = 10 * DAY  # unused; e-Courier forgets a GUID after 20 days
PASSING_CODES: Final = frozenset({"-1", "-3"})  # of a login: a general error, the database unavailable
THROTTLED: Final = 429
PASSING_STATUSES: Final = frozenset({408, 425})
REFUSALS: Final = frozenset({401, 403})

LONGEST_REFUSAL: Final = 2000  # bytes; an order may be a megabyte, and is not parsed for this

WHO: Final = "are WEBSITE, USERNAME and PASSWORD right?"
NO_LOGIN: Final = "the UserGUID is missing or no longer good: set a new USER_GUID, or WEBSITE, USERNAME and PASSWORD"


@dataclass(slots=True)
class EcourierSession:
    """`workers.vendors.Session` for e-Courier. It holds the token that Login gave, until USER_GUID changes."""

    options: EcourierOptions | EcourierPollerOptions
    credentials: Credentials = field(repr=False)
    _given: str = field(default="", init=False, repr=False)  # USER_GUID when it was last looked at
    _token: str | None = field(default=None, init=False, repr=False)

    @property
    def token(self) -> str | None:
        """Return the newest of USER_GUID, which may be a mounted file, and what Login gave."""
        given = self.credentials["USER_GUID"]
        if given != self._given:
            self._given = given
            self._token = given if in_a_header(given) else None
        return self._token

    def sign(self, request: httpx.Request) -> None:
        """Put the GUID into the header."""
        token = self.token
        if token is not None:
            request.headers[GUID_HEADER] = token

    def is_dead(self, response: httpx.Response) -> bool:
        """Whether a status of ``dead_statuses`` stands on the answer or, below zero, in its body."""
        dead = self.options.dead_statuses
        if response.status_code in dead:
            return True
        if len(response.content) > LONGEST_REFUSAL:
            return False
        return code_of(response) in {str(code) for code in dead if code < 0}

    def login(self) -> Flow[Denied | Throttled | Unavailable | None]:
        """Ask for a new GUID; without user and password there is no way to one."""
        website, username, password = (self.credentials[name] for name in ("WEBSITE", "USERNAME", "PASSWORD"))
        if not (website and username and password):
            return Denied(NO_LOGIN)
        try:
            here = wire(self.credentials["BASE_URL"], self.credentials["TIME_ZONE"])
            response = yield here.login(website, username, password)
        except SetUpError as error:
            return Denied(str(error))
        except (NotSent, MaybeSent) as error:
            return Unavailable(f"login: {error}")
        given = self.credentials["USER_GUID"]
        refusal = login_refusal(response, (password, given))
        if refusal is None:
            self._token, self._given = new_token(response), given
        return refusal

    def renew(self, idle: float) -> Flow[None] | None:
        """Refresh a GUID that has not been used for 10 days, half of its life."""
        return self._refresh() if idle >= REFRESH_AFTER and self.token is not None else None

    def _refresh(self) -> Flow[None]:
        """What goes wrong here shows at the next request, and is then seen to by a login."""
        try:
            response = yield wire(self.credentials["BASE_URL"], self.credentials["TIME_ZONE"]).refresh()
        except (SetUpError, NotSent, MaybeSent):
            return
        if response.is_success and code_of(response) == SUCCESS:
            self._token = new_token(response) or self._token


def login_refusal(response: httpx.Response, hide: tuple[str, ...]) -> Denied | Throttled | Unavailable | None:
    """Judge the answer of Login; None: it holds a new token."""
    status, code = response.status_code, code_of(response)
    said = f"login: {words(response, hide)}"
    if status == THROTTLED or (status == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in response.headers):
        return Throttled(retry_after(response), status)
    if status in REFUSALS:
        return Denied(f"{said}; {WHO}", status)
    if code in PASSING_CODES or status in PASSING_STATUSES or (code is None and response.is_server_error):
        return Unavailable(said, status)
    if response.is_success and code is None:
        return Unavailable(f"{said}; not the JSON that is documented", status)
    if not response.is_success or code != SUCCESS:
        return Denied(f"{said}; {WHO}", status)
    return None if new_token(response) else Denied(f"{said}; it gives no UserGUID", status)


def new_token(response: httpx.Response) -> str | None:
    """Return the answer's UserGUID if a header can carry it and it is no sentence; else None."""
    try:
        body: Any = plain(json_body(response))
    except NotJsonError:
        return None
    token = body.get("UserGUID") if isinstance(body, dict) else None
    return token if isinstance(token, str) and in_a_header(token) and " " not in token else None


def variables_fault(credentials: Credentials) -> tuple[str, str] | None:
    """Name the variable at fault and say what is wanted; None: who asks is told in one way at least."""
    login = ("WEBSITE", "USERNAME", "PASSWORD")
    missing = [name for name in login if not credentials[name]]
    if missing and (credentials["USERNAME"] or credentials["PASSWORD"]):
        return missing[0], "wanted beside the others of WEBSITE, USERNAME and PASSWORD: they go together"
    if missing and not credentials["USER_GUID"]:
        return "USER_GUID", "wanted, or WEBSITE, USERNAME and PASSWORD, or all of them: who is to ask?"
    try:
        checked_time_zone(credentials["TIME_ZONE"])
    except SetUpError:
        return "TIME_ZONE", "wanted: an IANA name such as America/New_York"
    return None
