"""One login for all flights to a vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Protocol, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.core.trace import Wait
from workers.vendors.contract import Flow, LoginFailed, MaybeSent, NotSent, Session

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]
Failure: TypeAlias = Denied | Throttled | Unavailable | None


class Observer(Protocol):
    """Sees every HTTP attempt of a flow, those of a login among them, and the waits between: spans."""

    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        """Send the request once by ``send``; raises what it raises."""

    def waits(self, wait: Wait) -> None:
        """No request of the flow leaves, because of this."""

    def goes(self) -> None:
        """The wait is over."""


class _Unobserved:
    async def attempt(self, request: httpx.Request, send: Send) -> httpx.Response:
        return await send(request)

    def waits(self, wait: Wait) -> None: ...

    def goes(self) -> None: ...


UNOBSERVED: Final[Observer] = _Unobserved()
RunFlow = Callable[[Flow[Failure], Observer], Awaitable[Failure]]

RENEW_AGAIN_AFTER_S: Final = 86_400.0
_MOST_TOKENS: Final = 10  # that one request is tried with


class SharedSession:
    """Signs requests with the vendor's token, and logs in when the vendor says that the token is dead.

    Single-flight: however many requests find the token dead at once, one login runs and all of them wait for it. Its
    failure is theirs as well: a login for each of sixty-four requests would be a storm on a vendor that said no.
    """

    def __init__(self, session: Session, send: Send, run: RunFlow) -> None:
        """``send`` and ``run`` are the client's own, unsigned."""
        self._session = session
        self._send = send
        self._run = run
        self._login: asyncio.Task[Failure] | None = None
        self.used_at = monotonic()
        self.logins = 0
        self._renew_at = 0.0  # no renewal before
        self._granted: str | None = None  # the token of the last login
        self._accepted: str | None = None  # the token that the vendor accepted last
        self.failed_logins = 0
        self._failure: Failure = None  # of the last failed login

    async def send(self, request: httpx.Request, observer: Observer = UNOBSERVED) -> httpx.Response:
        """Send signed; log in and send again when the token is dead. Raises `LoginFailed`, and what sending raises.

        A vendor may end a token after so many uses, so other requests may use up a new token before this one is sent.
        Therefore this request goes on with new tokens while any request is accepted with them, up to `_MOST_TOKENS`
        (a request that no token helps would log in for ever). It ends with the vendor's answer when a login of its
        time gave a token that no request was accepted with; a later request logs in again. It ends with the login's
        failure when a login failed while it was under way: its own login would fail as well.
        """
        failed, logins = self.failed_logins, self.logins
        if self._session.token is None:
            await self._log_in(None, observer)
        for _ in range(_MOST_TOKENS):
            token = self._session.token
            response = await self._send_signed(request, observer)
            if not self._session.is_dead(response):
                self._accepted = token
                return response
            if self._session.token != token:
                continue
            if self._failure is not None and self.failed_logins != failed:
                raise LoginFailed(self._failure)
            if self.logins != logins and token is not None and token == self._granted != self._accepted:
                return response
            await self._log_in(token, observer)
        return response

    async def keep_alive(self) -> str | None:
        """Renew a token that no request uses, before it expires; returns a note when that failed, to be counted.

        A failed renewal is repeated after a day: the token is as old as it was.
        """
        now, before = monotonic(), self.used_at
        if now < self._renew_at:
            return None
        renewal = self._session.renew(now - before)
        if renewal is None:
            return None
        self._renew_at = now + RENEW_AGAIN_AFTER_S
        note = await self._renewed(renewal)
        if note is not None:
            self.used_at = before
        return note

    async def _renewed(self, renewal: Flow[str | None]) -> str | None:
        try:
            request = next(renewal)
            while True:
                try:
                    response = await self._send_signed(request, UNOBSERVED)
                except (NotSent, MaybeSent) as lost:
                    request = renewal.throw(lost)
                else:
                    request = renewal.send(response)
        except StopIteration as stop:
            note: str | None = stop.value
            return note

    async def _send_signed(self, request: httpx.Request, observer: Observer) -> httpx.Response:
        self._session.sign(request)
        self.used_at = monotonic()
        return await observer.attempt(request, self._send)

    async def _log_in(self, dead: str | None, observer: Observer) -> None:
        """``observer``, of the request that finds the token dead, sees the login's requests."""
        if self._login is None or self._login.done():
            self._login = asyncio.get_running_loop().create_task(self._one_login(dead, observer))
        observer.waits(Wait.SESSION)
        # Shielded: a cancelled request must not cancel the login that other requests wait for.
        failure = await asyncio.shield(self._login)
        observer.goes()
        if failure is not None:
            raise LoginFailed(failure)

    async def _one_login(self, dead: str | None, observer: Observer) -> Failure:
        """Log in and return the failure: raised in a task that no request awaits, it would be logged as an error."""
        if self._session.token != dead:
            return None
        self.logins += 1
        try:
            failure = await self._run(self._session.login(), observer)
        except (NotSent, MaybeSent) as error:
            failure = Unavailable(f"login: {error}")
        if failure is not None:
            self.failed_logins += 1
            self._failure = failure
            return failure
        self._granted = self._session.token
        return None
