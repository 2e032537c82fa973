"""Runs a vendor's flows: the only place that sends a vendor anything."""

from __future__ import annotations

import io
from typing import Protocol, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp.payload import TOO_LARGE_BYTES_BODY
from yarl import URL

from workers.edges.vendor_session import Send, SharedSession
from workers.vendors import Flow, MaybeSent, NotSent, Session

T = TypeVar("T")

MAX_ANSWER_BYTES = 4 * 1024 * 1024
CONNECT_TIMEOUT = 10.0

# Only these prove that not a byte of the request left. A server that hangs up, a reset, any other time-out may
# come after the vendor has applied it: to call those "not sent" would send a courier twice.
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ClientHttpProxyError,  # the proxy opens no tunnel
)


class WrongHostError(Exception):
    """A flow asked for an address that is not its vendor's: a mistake in the vendor's code, never sent."""


class Observer(Protocol):
    """Sees every HTTP attempt of a flow: spans, counters."""

    async def attempt(self, request: httpx.Request, resend: int, send: Send) -> httpx.Response:
        """Send the ``resend``-th (0, 1, ...) request of the flow by ``send``; raises what it raises."""


class VendorClient:
    """Connections to one vendor's host, kept alive and reused; redirects are never followed.

    Flows speak httpx's types; aiohttp carries them. httpx's own pool is quadratic in its connections, and the
    adapter between the two (httpx-aiohttp 0.2) reports a reset after sending as a connect time-out.
    """

    def __init__(
        self,
        connections: aiohttp.ClientSession,
        base_url: httpx.URL,
        request_timeout: float,
        session: Session | None = None,
        max_answer: int = MAX_ANSWER_BYTES,
    ) -> None:
        """``request_timeout``: seconds for a whole request, not for a read: a vendor that drips bytes ends too."""
        self._connections = connections
        self._origin = _origin(base_url)
        self._timeout = request_timeout
        self._max_answer = max_answer
        self._urls: dict[str, URL] = {}
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
        try:
            return await self._exchange(request)
        except _NOT_SENT as error:
            raise NotSent(_reason(error)) from error
        except TimeoutError as error:
            raise MaybeSent(f"no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise MaybeSent(_reason(error)) from error

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        async with self._connections.request(
            request.method,
            self._url(request.url),
            data=_sendable(request.content),
            headers=request.headers.multi_items(),
            allow_redirects=False,
        ) as answer:
            body = await _body(answer, self._max_answer)
            headers = [item for item in answer.raw_headers if item[0].lower() not in _BODY_HEADERS]
            return httpx.Response(answer.status, headers=headers, content=body, request=request)

    def _url(self, url: httpx.URL) -> URL:
        """The same address for aiohttp, not encoded anew: what the flow asserted is what is sent."""
        text = str(url)
        known = self._urls.get(text)
        if known is None:
            known = URL(text, encoded=True)
            if len(self._urls) < _MOST_URLS:
                self._urls[text] = known
        return known


_BODY_HEADERS = frozenset((b"content-encoding", b"content-length", b"transfer-encoding"))  # true of the wire only
_MOST_URLS = 64  # fixed paths are parsed once; paths with ids each time


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
    connections = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=max_in_flight + 1, keepalive_timeout=30.0),
        timeout=aiohttp.ClientTimeout(total=request_timeout, connect=connecting),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # we ask for no compression: a small answer can not swell
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        proxy=_proxy(base_url),
    )
    # aiohttp would send PUT, GET and DELETE again by itself after a lost connection (as its own test client
    # knows, no public option turns that off): a lost answer must come to the flow as maybe sent, and be counted.
    connections._retry_connection = False  # noqa: SLF001
    return VendorClient(connections, base_url, request_timeout, session, max_answer)


def _proxy(base_url: httpx.URL) -> str | None:
    """The proxy that HTTPS_PROXY or HTTP_PROXY names, unless NO_PROXY excepts the host; read once.

    aiohttp's own ``trust_env`` reads a ``.netrc`` file at every request.
    """
    if proxy_bypass(base_url.host):
        return None
    return getproxies().get(base_url.scheme)


def _sendable(body: bytes) -> bytes | io.BytesIO | None:
    """What aiohttp takes without a warning: it wants a long body as a stream, written piece by piece."""
    if len(body) > TOO_LARGE_BYTES_BODY:
        return io.BytesIO(body)
    return body or None


async def _body(answer: aiohttp.ClientResponse, longest: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > longest:
            raise MaybeSent(f"the answer is longer than {longest} bytes")
        chunks.append(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _reason(error: Exception) -> str:
    """One line: what failed, and the system's own words for it."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
