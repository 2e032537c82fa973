"""Runs a vendor's flows: the only place that sends a vendor anything."""

from __future__ import annotations

import re
from typing import Final, Protocol, TypeVar

import httpx

from workers.edges.http.connection import Answer, RawRequest
from workers.edges.http.pool import Connections
from workers.edges.http.route import route_to
from workers.edges.http.session import Send, SharedSession
from workers.vendors.contract import Flow, MaybeSent, NotSent, Session

T = TypeVar("T")

MAX_ANSWER_BYTES = 4 * 1024 * 1024
CONNECT_TIMEOUT = 10.0

_OURS: Final = frozenset((b"content-length", b"transfer-encoding"))  # the body's length is what is really sent
_SMUGGLED: Final = re.compile(rb"[\r\n\0]")
_WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))


class WrongHostError(Exception):
    """A flow asked for an address that is not its vendor's: a mistake in the vendor's code, never sent."""


class Observer(Protocol):
    """Sees every HTTP attempt of a flow: spans, counters."""

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send the ``resend``-th (0, 1, ...) request of the flow by ``send``; raises what it raises."""


class VendorClient:
    """Connections to one vendor's host, kept alive and reused; redirects are never followed.

    Flows speak httpx's types; `Connections` carries them. httpx's own pool is quadratic in its connections, and
    aiohttp's client takes twice the processor time for each request.
    """

    def __init__(
        self,
        connections: Connections,
        base_url: httpx.URL,
        request_timeout: float,
        session: Session | None = None,
        *,
        proxied: bytes | None = None,
    ) -> None:
        """``proxied``: a proxy reads the requests, and wants whole addresses and these header lines in them.

        ``request_timeout``: seconds for a whole request, not for a read: a vendor that drips bytes ends too.
        """
        self._connections = connections
        self._origin = _origin(base_url)
        self._timeout = request_timeout
        self._proxied = proxied
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

    async def close(self) -> None:
        await self._connections.close()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if _origin(request.url) != self._origin:
            # The key would leave for a stranger: hosts come from configuration, never from data.
            raise WrongHostError(f"{request.method} to a host that is not the vendor's")
        self.look_ups += "look_up" in request.extensions
        bodiless = request.method == "HEAD"
        outgoing = RawRequest(self._head(request), request.content, bodiless=bodiless)
        return _response(request, await self._connections.exchange(outgoing, self._timeout))

    def _head(self, request: httpx.Request) -> bytes:
        """The request as the flow wrote it: no header is added but what HTTP asks for."""
        lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), self._target(request.url))]
        named = False
        for name, value in request.headers.raw:
            lower = name.lower()
            named = named or lower == b"host"
            if lower not in _OURS:
                lines.append(b"%b: %b" % (name, value))
        if not named:
            lines.append(b"Host: " + request.url.netloc)
        if request.content or request.method in _WITH_BODY:
            lines.append(b"Content-Length: %d" % len(request.content))
        if any(map(_SMUGGLED.search, lines)):
            raise ValueError("a line's end or a NUL detected in headers: they would become other headers")
        return b"%b\r\n%b\r\n" % (b"\r\n".join(lines), self._proxied or b"")

    def _target(self, url: httpx.URL) -> bytes:
        """What stands in the request's first line, not encoded anew: what the flow asserted is what is sent."""
        return url.raw_path if self._proxied is None else str(url.copy_with(fragment=None)).encode()


def open_client(
    base_url: httpx.URL,
    *,
    max_in_flight: int,
    request_timeout: float,
    session: Session | None = None,
    max_answer: int = MAX_ANSWER_BYTES,
) -> VendorClient:
    """A client on its own connection pool; to be called in the running loop."""
    connecting = min(CONNECT_TIMEOUT, request_timeout / 2)  # with DNS, which has no time-out of its own
    route = route_to(base_url)
    connections = Connections(route, most=max_in_flight + 1, connecting=connecting, max_answer=max_answer)
    return VendorClient(
        connections,
        base_url,
        request_timeout,
        session,
        proxied=route.proxy_headers if route.by_proxy_in_clear else None,
    )


def _response(request: httpx.Request, answer: Answer) -> httpx.Response:
    """Nothing is unpacked, whatever the headers say: we ask for no compression, so a small answer can not swell."""
    body = bytes(answer.body)
    response = httpx.Response(answer.status, headers=answer.headers, stream=httpx.ByteStream(body), request=request)
    response._content = body  # noqa: SLF001 - all that `read` would do, in a fifth of the time
    return response


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
