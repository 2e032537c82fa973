"""One login for all flights to a vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeAlias

import httpx

from workers.core.delivery.outcome import Denied, Throttled, Unavailable
from workers.vendors.contract import Flow, LoginFailed, MaybeSent, NotSent, Session

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]
Failure: TypeAlias = Denied | Throttled | Unavailable | None
RunFlow = Callable[[Flow[Failure]], Awaitable[Failure]]

_MOST_TOKENS: Final = 10  # that one request is tried with


class SharedSession:
    """Signs requests with the vendor's token, and gets a new one when the vendor says that it is dead.

    Single-flight: however many requests find the token dead at once, one login runs and all of them wait for
    it. Its failure is theirs as well: sixty-four more tries would be a storm on a vendor that said no.
    """

    def __init__(self, session: Session, send: Send, run: RunFlow) -> None:
        """``send`` and ``run`` are the client's own, unsigned."""
        self._session = session
        self._send = send
        self._run = run
        self._login: asyncio.Task[Failure] | None = None
        self.used_at = monotonic()
        self.logins = 0
        self._granted: str | None = None  # what the last login gave
        self._accepted: str | None = None  # what a request was last taken with
        self._failed = 0  # logins
        self._failure: Failure = None  # of the last one

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send signed, and again after a login when the token was dead.

        A vendor may end a token after so many uses: others may use the new one up before this request's turn. So it
        goes on as long as new tokens are good for somebody; one that nobody could use ends it, with that answer.
        Whoever begins later logs in again: a token that died before its first use would else never be replaced.
        A request that no token helps ends with that answer, too: it would log in for ever, and no gate would see it.
        Whoever was under way when a login failed takes that for an answer: it would ask the same once more.
        Raises `LoginFailed`, and what sending raises.
        """
        failed, logins = self._failed, self.logins
        if self._session.token is None:
            await self._log_in(None)
        for _ in range(_MOST_TOKENS):
            token = self._session.token
            response = await self._send_signed(request)
            if not self._session.is_dead(response):
                self._accepted = token
                return response
            if self._session.token != token:
                continue
            if self._failure is not None and self._failed != failed:
                raise LoginFailed(self._failure)
            if self.logins != logins and token is not None and token == self._granted != self._accepted:
                return response
            await self._log_in(token)
        return response

    async def keep_alive(self) -> None:
        """Renew a token that is not being used, in time; a failure is found by the next request."""
        renewal = self._session.renew(monotonic() - self.used_at)
        if renewal is None:
            return
        self.used_at = monotonic()
        try:
            request = next(renewal)
            while True:
                request = renewal.send(await self._send_signed(request))
        except (StopIteration, NotSent, MaybeSent):
            return

    async def _send_signed(self, request: httpx.Request) -> httpx.Response:
        self._session.sign(request)
        self.used_at = monotonic()
        return await self._send(request)

    async def _log_in(self, dead: str | None) -> None:
        if self._login is None or self._login.done():
            self._login = asyncio.get_running_loop().create_task(self._one_login(dead))
        # Shielded: a flight that is cut off must not take the login away from the others that wait for it.
        failure = await asyncio.shield(self._login)
        if failure is not None:
            raise LoginFailed(failure)

    async def _one_login(self, dead: str | None) -> Failure:
        """Return what went wrong, instead of raising it: perhaps nobody waits for it any more."""
        if self._session.token != dead:
            return None
        self.logins += 1
        try:
            failure = await self._run(self._session.login())
        except (NotSent, MaybeSent) as error:
            failure = Unavailable(f"login: {error}")
        if failure is not None:
            self._failed += 1
            self._failure = failure
            return failure
        self._granted = self._session.token
        return None
