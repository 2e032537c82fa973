"""Runs a vendor's flows: the only place that sends a vendor anything."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol, TypeVar

import httpx
from aiohttp.abc import AbstractResolver

from workers.core.histograms import LabelledHistograms
from workers.edges.http.durations import Durations
from workers.edges.http.session import UNOBSERVED, Observer, SharedSession
from workers.edges.http.transport import Transport, TransportPolicy, open_transport
from workers.edges.http.turns import Turns
from workers.edges.http.variable_names import UNNAMED, VariableNames
from workers.edges.membership import Membership
from workers.edges.proxies import proxy_for
from workers.edges.tls import tls_context
from workers.vendors._shared.requests import is_look_up
from workers.vendors.contract import Flow, MaybeSent, NotSent, Session

T = TypeVar("T")

KEEP_ALIVE_WITHIN_S: Final = 30.0
_TOOK_S: Final = "took_s"  # extension of an answered request


class WrongHostError(Exception):
    """A flow asked for an address that is not its vendor's: a mistake in the vendor's code, never sent."""


class RequestBudget(Protocol):
    """What the vendor grants to the account, shared with other processes."""

    @property
    def left(self) -> int:
        """How many requests it still grants now."""

    @property
    def limit(self) -> int:
        """How many it grants in its period."""

    def stretch(self, requests_per_ms: float) -> float:
        """By what factor polls must be less frequent that would send so many requests."""

    async def spend(self) -> None:
        """Take one request of it; raises `LoginFailed`, with the time to wait, when none is left."""

    async def close(self) -> None:
        """Spend no more."""


@dataclass(frozen=True, slots=True)
class Restraint:
    """What a request waits for, besides a connection."""

    turns: Turns | None = None  # the vendor takes one request at a time
    budget: RequestBudget | None = None


UNRESTRAINED: Final = Restraint()


class VendorClient:
    """Runs flows against one vendor's host. Flows speak httpx's types; aiohttp carries them.

    httpx's own connection pool is quadratic in its connections (130 requests/s at 64 of them).
    """

    def __init__(
        self,
        transport: Transport,
        base_url: httpx.URL,
        session: Session | None = None,
        *,
        vendor: str = "",
        restraint: Restraint = UNRESTRAINED,
        names: VariableNames = UNNAMED,
    ) -> None:
        """``vendor``: its name, for the durations of its requests; ``names``: of the variables that its flows name."""
        self._names = names
        self._transport = transport
        self._turns, self.budget = restraint.turns, restraint.budget
        self._durations = Durations(vendor)
        self.membership = transport.membership
        self._origin = _origin(base_url)
        self.look_ups = 0
        self.session = None if session is None else SharedSession(session, self._send, self._run_unsigned)

    @property
    def durations(self) -> LabelledHistograms:
        """Of all requests since the start."""
        return self._durations.histograms

    async def run(self, flow: Flow[T], observer: Observer = UNOBSERVED) -> T:
        """Run a flow to its value. `NotSent` and `MaybeSent` are thrown into it, and leave here if it lets them.

        Raises `LoginFailed` where the vendor has a session and none can be had, and where its budget is spent.
        """
        return await self._run(flow, observer, self.session)

    async def _run_unsigned(self, flow: Flow[T], observer: Observer) -> T:
        return await self._run(flow, observer, None)

    async def _run(self, flow: Flow[T], observer: Observer, session: SharedSession | None) -> T:
        try:
            request = next(flow)
            while True:
                try:
                    if session is None:
                        response = await observer.attempt(request, self._send)
                    else:
                        response = await session.send(request, observer)
                except (NotSent, MaybeSent) as lost:
                    request = flow.throw(lost)
                else:
                    request = self._told(flow, request, response)
        except StopIteration as stop:
            value: T = stop.value
            return self._names.in_value(value)
        finally:
            flow.close()

    def _told(self, flow: Flow[T], request: httpx.Request, response: httpx.Response) -> httpx.Request:
        """Give the flow its answer, and note how long the answer took; returns the flow's next request."""
        took_s = request.extensions[_TOOK_S]
        try:
            following = flow.send(response)
        except StopIteration as stop:
            self._durations.ended(request, took_s, response, stop.value)
            raise
        self._durations.answered(request, took_s, response)
        return following

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
        if self.budget is not None:
            await self.budget.close()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if _origin(request.url) != self._origin:
            # The key would leave for a stranger: hosts come from configuration, never from data.
            raise WrongHostError(f"{request.method} to a host that is not the vendor's")
        self.look_ups += is_look_up(request)
        if self._turns is None:
            return await self._spend_and_send(request)
        async with self._turns.turn():
            return await self._spend_and_send(request)

    async def _spend_and_send(self, request: httpx.Request) -> httpx.Response:
        if self.budget is not None:
            await self.budget.spend()
        began = monotonic()
        try:
            response = await self._transport.send(request)
        except (NotSent, MaybeSent) as error:
            self._durations.lost(request, monotonic() - began, error)
            raise
        request.extensions[_TOOK_S] = monotonic() - began
        return response


def open_client(
    base_url: httpx.URL,
    policy: TransportPolicy,
    session: Session | None = None,
    *,
    membership: Membership | None = None,
    vendor: str = "",
    restraint: Restraint = UNRESTRAINED,
    names: VariableNames = UNNAMED,
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
    return VendorClient(transport, base_url, session, vendor=vendor, restraint=restraint, names=names)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
