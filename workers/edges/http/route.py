"""How a vendor's host is reached: addresses, TLS, a proxy. Nothing of a request has left when this fails."""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from socket import SOCK_STREAM, socket
from typing import Any, Final, TypeAlias
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import httpx
from aiohappyeyeballs import start_connection

from workers.edges.http.connection import Connection, RawRequest, Room
from workers.vendors.contract import NotSent

Address: TypeAlias = tuple[Any, Any, int, str, Any]  # as getaddrinfo tells it
Place: TypeAlias = tuple[str, int]

_NEXT_ADDRESS_AFTER: Final = 0.25  # seconds: a host's second address is tried beside the first (RFC 8305)
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one origin, the same for all its connections."""

    origin: Place
    tls: ssl.SSLContext | None
    proxy: Place | None = None
    proxy_tls: ssl.SSLContext | None = None
    proxy_headers: bytes = b""  # whole lines; they may hold the proxy's password

    @property
    def first(self) -> Place:
        """Where connections lead to, as far as the network knows."""
        return self.proxy or self.origin

    @property
    def by_proxy_in_clear(self) -> bool:
        """Whether a proxy reads the requests: it wants whole addresses and its own headers in them."""
        return self.proxy is not None and self.tls is None

    @property
    def tunnel(self) -> RawRequest | None:
        """What asks a proxy for a tunnel; None: none is needed."""
        if self.proxy is None or self.tls is None:
            return None
        place = _authority(self.origin)
        head = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (place, place, self.proxy_headers)
        return RawRequest(head, bodiless=True)


def route_to(base_url: httpx.URL) -> Route:
    """Find the way, by the environment's HTTPS_PROXY, HTTP_PROXY and NO_PROXY; read once."""
    proxy = None if proxy_bypass(base_url.host) else getproxies().get(base_url.scheme)
    tls = _tls() if base_url.scheme == "https" else None
    if proxy is None:
        return Route(_place(base_url), tls)
    by = httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
    proxy_tls = _tls() if by.scheme == "https" else None
    return Route(_place(base_url), tls, _place(by), proxy_tls, _credentials(by))


class Addresses:
    """What a host's name stands for. Asked once for all that connect at the same time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._asking: asyncio.Task[Sequence[Address]] | None = None

    async def get(self) -> Sequence[Address]:
        """Ask the system; raises `OSError`."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(_lookup(*self._place))
            self._asking.add_done_callback(_seen)
        return await asyncio.shield(self._asking)  # one that gives up must not take it away from the others


async def open_connection(route: Route, addresses: Addresses, room: Room, deadline: float) -> Connection:
    """Connect, with TLS and tunnel, ready for the first request; raises `NotSent`.

    ``deadline``, the loop's time, is the proxy's to answer; the caller bounds the rest.
    """
    sock = await _connected(route.first, addresses)
    try:
        first = await _spoken_to(sock, route, room)
    except BaseException:
        sock.close()
        raise
    if route.tunnel is None:
        return first
    try:
        return await _through(first, sock, route, room, deadline)
    except BaseException:
        first.abort()
        raise


async def _lookup(host: str, port: int) -> Sequence[Address]:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)


async def _connected(place: Place, addresses: Addresses) -> socket:
    name = _authority(place).decode()
    try:
        found = await addresses.get()
    except (OSError, UnicodeError) as error:
        raise NotSent(f"DNS: {name} ({_words(error)})") from error
    try:
        return await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS_AFTER)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else _words(error)
        raise NotSent(f"cannot connect to {name} ({why})") from error


async def _spoken_to(sock: socket, route: Route, room: Room) -> Connection:
    context = route.proxy_tls if route.proxy else route.tls
    host = route.first[0] if context else None
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(
            lambda: Connection(sock, room), sock=sock, ssl=context, server_hostname=host
        )
    except (OSError, ssl.CertificateError) as error:
        raise NotSent(f"TLS: {_authority(route.first).decode()} ({_words(error)})") from error
    return connection


async def _through(first: Connection, sock: socket, route: Route, room: Room, deadline: float) -> Connection:
    """Ask the proxy for a tunnel and speak TLS in it."""
    tunnel = route.tunnel
    assert tunnel is not None, "it was asked for"
    assert route.tls is not None, "a tunnel is for TLS"
    answer = await first.exchange(tunnel, deadline)
    if not httpx.codes.is_success(answer.status):
        raise NotSent(f"the proxy answered CONNECT with {answer.status}")
    inner = Connection(sock, room)
    try:
        transport = await asyncio.get_running_loop().start_tls(
            first.transport, inner, route.tls, server_hostname=route.origin[0]
        )
    except (OSError, ssl.CertificateError) as error:
        raise NotSent(f"TLS: {_authority(route.origin).decode()} ({_words(error)})") from error
    if transport is None:
        raise NotSent("the proxy hung up")
    inner.connection_made(transport)
    return inner


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _place(url: httpx.URL) -> Place:
    return url.raw_host.decode(), url.port or _PORTS.get(url.scheme, _PORTS["http"])


def _authority(place: Place) -> bytes:
    host, port = place
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()


def _credentials(proxy: httpx.URL) -> bytes:
    if not proxy.userinfo:
        return b""
    name, _, password = proxy.userinfo.decode().partition(":")
    return b"Proxy-Authorization: Basic %b\r\n" % b64encode(f"{unquote(name)}:{unquote(password)}".encode())


def _words(error: Exception) -> str:
    """The system's own words, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:200] or type(error).__name__


def _seen(asked: asyncio.Task[Sequence[Address]]) -> None:
    """Perhaps nobody waits any more: then its failure is nobody's."""
    if not asked.cancelled():
        asked.exception()
