"""Runs a vendor's flows: the only place that sends a vendor anything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Protocol, TypeVar

import httpx
from aiohttp.abc import AbstractResolver

from workers.edges.http.session import Send, SharedSession
from workers.edges.http.transport import Transport, TransportPolicy, open_transport
from workers.edges.membership import Membership
from workers.edges.proxies import proxy_for
from workers.edges.tls import tls_context
from workers.vendors.contract import Flow, MaybeSent, NotSent, Session

T = TypeVar("T")

KEEP_ALIVE_WITHIN_S: Final = 30.0


class WrongHostError(Exception):
    """A flow asked for an address that is not its vendor's: a mistake in the vendor's code, never sent."""


class Observer(Protocol):
    """Sees every HTTP attempt of a flow: spans, counters."""

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send the ``resend``-th (0, 1, ...) request of the flow by ``send``; raises what it raises."""


class VendorClient:
    """Runs flows against one vendor's host. Flows speak httpx's types; aiohttp carries them.

    httpx's own connection pool is quadratic in its connections (130 requests/s at 64 of them).
    """

    def __init__(self, transport: Transport, base_url: httpx.URL, session: Session | None = None) -> None:
        self._transport = transport
        self.membership = transport.membership
        self._origin = _origin(base_url)
        self.look_ups = 0
        self.session = None if session is None else SharedSession(session, self._send, self._run_unsigned)

    async def run(self, flow: Flow[T], observer: Observer | None = None) -> T:
        """Run a flow to its value. `NotSent` and `MaybeSent` are thrown into it, and leave here if it lets them.

        Raises `LoginFailed` where the vendor has a session and none can be had.
        """
        send = self._send if self.session is None else self.session.send
        return await self._run(flow, send, observer)

    async def _run_unsigned(self, flow: Flow[T]) -> T:
        return await self._run(flow, self._send, None)

    async def _run(self, flow: Flow[T], send: Send, observer: Observer | None) -> T:
        resend = 0
        try:
            request = next(flow)
            while True:
                try:
                    response = await (send(request) if observer is None else observer.attempt(request, resend, send))
                except (NotSent, MaybeSent) as lost:
                    request = flow.throw(lost)
                else:
                    request = flow.send(response)
                resend += 1
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            flow.close()

    async def keep_alive(self) -> str | None:
        """Renew the session's token where the vendor has one; the caller's ticks must not wait for the group.

        Returns a note to be counted when the vendor did not renew it.
        """
        if self.session is not None and self.membership.is_proved:
            with suppress(TimeoutError):  # the membership has lapsed meanwhile
                async with asyncio.timeout(KEEP_ALIVE_WITHIN_S):
                    return await self.session.keep_alive()
        return None

    async def close(self) -> None:
        await self._transport.close()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if _origin(request.url) != self._origin:
            # The key would leave for a stranger: hosts come from configuration, never from data.
            raise WrongHostError(f"{request.method} to a host that is not the vendor's")
        self.look_ups += "look_up" in request.extensions
        return await self._transport.send(request)


def open_client(
    base_url: httpx.URL,
    policy: TransportPolicy,
    session: Session | None = None,
    *,
    membership: Membership | None = None,
    environ: Mapping[str, str] = os.environ,
    resolver: AbstractResolver | None = None,
) -> VendorClient:
    """Make a client with its own connection pool, in the running loop.

    ``membership``: in the worker's group; None: requests need no proof of it. ``environ`` names the proxy
    (`proxy_for`: raises `ProxyError`) and the authorities; ``resolver`` is the system's by default.
    """
    proxy = proxy_for(base_url, environ)
    by_tls = base_url.scheme == "https" or (proxy is not None and proxy.url.startswith("https:"))
    tls = tls_context(environ) if by_tls else None  # reading the system's authorities takes 50 ms and more
    transport = open_transport(base_url, policy, membership or Membership(), proxy, resolver, tls=tls)
    return VendorClient(transport, base_url, session)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
