"""Carries one vendor's requests by aiohttp. A request leaves at most once, and a failure says whether it may have."""

from __future__ import annotations

import io
import math
import re
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from aiohttp.payload import TOO_LARGE_BYTES_BODY
from yarl import URL

from workers.edges.http.connector import NotProvedError, VendorConnector, VendorRequest, words
from workers.edges.http.time_limit import TimeLimit
from workers.edges.membership import Membership
from workers.edges.proxies import Proxy
from workers.vendors.contract import MaybeSent, TooLong, TooSlow

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024

_OUR_HEADERS: Final = frozenset((b"content-length", b"transfer-encoding"))  # aiohttp counts what it sends
_WIRE_HEADERS: Final = _OUR_HEADERS | {b"content-encoding"}  # no longer true of an unpacked body
_CODINGS: Final = frozenset(("", "identity", "gzip", "deflate"))  # what aiohttp unpacks
_FIRST_FINAL_STATUS: Final = 200
_QUOTED_BYTES: Final = re.compile(r"\s*\bb['\"]|\n")  # aiohttp quotes what it cannot read: it may be anything


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportPolicy:
    """Bounds on a vendor's connections, time and memory."""

    max_in_flight: int  # requests of the worker at once; one more connection is there for a login
    request_timeout_s: float  # for a whole request, not for a read: a vendor that drips bytes ends too
    connect_timeout_s: float = 10.0  # DNS, connect, proxy, TLS, and the wait for a free connection before them
    keep_alive_s: float = 30.0
    max_answer_bytes: int = MAX_ANSWER_BYTES  # unpacked
    max_answers_bytes: int = 8 * MAX_ANSWER_BYTES  # all answers that are being read together, or one of the longest


class _WholeResponse(httpx.Response):
    """A response with its body read and unpacked; httpx's own ``content=`` would run the body through its decoders."""

    def __init__(self, answer: aiohttp.ClientResponse, body: bytes, request: httpx.Request) -> None:
        headers = [item for item in answer.raw_headers if item[0].lower() not in _WIRE_HEADERS]
        phrase = {"reason_phrase": (answer.reason or "").encode(errors="replace")}  # some vendors' only words
        super().__init__(
            answer.status, headers=headers, stream=httpx.ByteStream(body), request=request, extensions=phrase
        )
        self._body = body

    @property
    def content(self) -> bytes:
        return self._body


class Transport:
    """Sends requests exactly as they are, follows no redirect, keeps no cookie, reads no ``.netrc``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connector: VendorConnector,
        base_url: httpx.URL,
        policy: TransportPolicy,
        proxy: Proxy | None = None,
    ) -> None:
        """``connector`` is the session's, which closes it; requests go to the host of ``base_url``."""
        self._session = session
        self._connector = connector
        self._origin = f"{base_url.scheme}://{base_url.netloc.decode()}"
        self._policy = policy
        self._limit = TimeLimit(policy.request_timeout_s)
        self.membership = connector.membership
        self._proxy = proxy
        secret = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        self._proxy_headers = secret
        # A proxy that reads the requests expects its password in them.
        self._clear_proxy_headers = list(secret.items()) if base_url.scheme == "http" else []
        self._answers_bytes = 0  # of the answers that are being read

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its whole answer, unpacked; both wait while the membership is not proved.

        If the partitions are lost meanwhile, the flight is cancelled, and what it had sent counts as unknown.
        Raises `NotSent`, `MaybeSent`, `TooLong`, `TooSlow`; ``ValueError`` for a header with a line break in it.
        """
        while True:
            try:
                response = await self._limit.hold(self._exchange(request))
            except NotProvedError:
                await self.membership.proved()
                continue
            except TimeoutError as error:
                raise TooSlow(f"no answer within {self._limit.seconds:g} s") from error
            except (aiohttp.ClientError, OSError) as error:
                raise MaybeSent(_reason(error)) from None
            await self.membership.proved()
            return response

    async def close(self) -> None:
        """Close all connections; what is in flight ends as `MaybeSent`."""
        await self._session.close()

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        try:
            async with self._session.request(
                request.method,
                _address(self._origin, request.url.raw_path),
                data=_sendable(request.content),
                headers=self._headers(request),
                allow_redirects=False,
                proxy=None if self._proxy is None else self._proxy.url,
                proxy_headers=self._proxy_headers,
            ) as answer:
                return await self._received(answer, request)
        except BaseException:
            self._connector.drop_unsent()
            raise

    async def _received(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> httpx.Response:
        _check_head(answer)
        connection = answer.connection  # None: the whole answer is here
        protocol = None if connection is None else connection.protocol
        body = await self._read(answer.content)
        if protocol is not None and _ends_with_the_connection(answer):
            _check_end(protocol.exception())
        return _WholeResponse(answer, body, request)

    def _headers(self, request: httpx.Request) -> list[tuple[str, str]]:
        headers = [(n.decode(), v.decode()) for n, v in request.headers.raw if n.lower() not in _OUR_HEADERS]
        return headers + self._clear_proxy_headers

    async def _read(self, content: aiohttp.StreamReader) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            while not content.at_eof():
                chunk = await content.readany()
                chunks.append(chunk)
                size += len(chunk)
                self._answers_bytes += len(chunk)
                self._check_size(size)
        finally:
            self._answers_bytes -= size
        return b"".join(chunks)

    def _check_size(self, size: int) -> None:
        if size > self._policy.max_answer_bytes:
            raise TooLong(f"the answer is longer than {self._policy.max_answer_bytes} bytes")
        if self._answers_bytes > max(self._policy.max_answer_bytes, self._policy.max_answers_bytes):
            raise MaybeSent("too many long answers at once")


def open_transport(
    base_url: httpx.URL,
    policy: TransportPolicy,
    membership: Membership,
    proxy: Proxy | None = None,
    resolver: AbstractResolver | None = None,
    *,
    tls: ssl.SSLContext | None,
) -> Transport:
    """Make a transport to one host, with its own connection pool, in the running loop."""
    connecting_s = min(policy.connect_timeout_s, policy.request_timeout_s / 2)
    if tls is not None:
        tls.set_alpn_protocols(["http/1.1"])
    limit, keep_alive_s = policy.max_in_flight + 1, policy.keep_alive_s
    connector = VendorConnector(
        limit=limit, keep_alive_s=keep_alive_s, resolver=resolver, membership=membership, tls=tls
    )
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=VendorRequest,
        timeout=aiohttp.ClientTimeout(connect=connecting_s, ceil_threshold=math.inf),
        headers={"Accept-Encoding": "identity"},  # without it, any coding would be welcome (RFC 9110, 12.5.3)
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        middlewares=(_send_once,),
    )
    return Transport(session, connector, base_url, policy, proxy)


async def _send_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """End the request at its first failure.

    aiohttp would send PUT, GET and DELETE a second time when a kept connection is lost: the flow must learn of the
    loss, and count the repeat. aiohttp repeats after its own errors only.
    """
    try:
        return await send(request)
    except (aiohttp.ClientError, OSError) as error:
        raise MaybeSent(_reason(error)) from None


@lru_cache(maxsize=64)
def _address(origin: str, path: bytes) -> URL:
    """Return the address as it is, not encoded a second time. Most requests go to one or two addresses."""
    return URL(origin + path.decode(), encoded=True)


def _sendable(body: bytes) -> bytes | io.BytesIO | None:
    """What aiohttp takes without a warning: a long body as a stream, written piece by piece."""
    if len(body) > TOO_LARGE_BYTES_BODY:
        return io.BytesIO(body)
    return body or None


def _check_head(answer: aiohttp.ClientResponse) -> None:
    if answer.status < _FIRST_FINAL_STATUS:
        raise MaybeSent("the vendor wants to speak another protocol than HTTP/1.1")
    coding = answer.headers.get("Content-Encoding", "identity").lower()
    if coding not in _CODINGS:
        raise MaybeSent(f"the answer has a coding that was not asked for (Content-Encoding: {coding[:40]!r})")


def _ends_with_the_connection(answer: aiohttp.ClientResponse) -> bool:
    """Whether the answer has no length of its own (RFC 9112, 6.3)."""
    return "Content-Length" not in answer.headers and "Transfer-Encoding" not in answer.headers


def _check_end(lost: BaseException | None) -> None:
    """A server's close ends such an answer; a reset may have cut it short, which aiohttp does not tell apart."""
    if isinstance(lost, OSError):
        raise MaybeSent(_reason(lost)) from None


def _reason(error: Exception) -> str:
    """One line for people, without the bytes of the answer that aiohttp's own texts quote."""
    match error:
        case aiohttp.ServerDisconnectedError():
            return "the vendor hung up without an answer"
        case aiohttp.ClientPayloadError():
            return "the answer was cut short"
        case aiohttp.ClientResponseError():
            return f"the answer cannot be read: {_QUOTED_BYTES.split(error.message)[0].strip(' :')}"
        case _:
            return f"the connection was lost ({words(error)})"
