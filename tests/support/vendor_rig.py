"""A vendor on a real socket, and a client for it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from workers.edges.http.client import UNRESTRAINED, Restraint, VendorClient, open_client
from workers.edges.http.transport import TransportPolicy
from workers.edges.http.variable_names import UNNAMED, VariableNames
from workers.edges.membership import Membership
from workers.vendors.contract import Flow

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NEVER = 60.0  # seconds: longer than any time-out of these tests


@dataclass
class Vendor:
    """A server that answers each request by ``answer``, and keeps what it has seen."""

    answer: Callable[[Reader, Writer], Awaitable[None]]
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)  # that TLS has agreed on, by connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def talk(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        if (tls := writer.get_extra_info("ssl_object")) is not None:
            self.protocols.append(tls.selected_alpn_protocol())
        try:
            while (head := await _request(reader)) is not None:
                self.requests.append(head)
                await self.answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@dataclass
class Slowly:
    """Answers after a moment, and counts how many requests it has at once."""

    now: int = 0
    most: int = 0

    async def __call__(self, _: Reader, writer: Writer) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        writer.write(OK)


async def _request(reader: Reader) -> bytes | None:
    """Head and body of the next request; None when the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = next((line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")), b"0")
    return head + await reader.readexactly(int(length))


@asynccontextmanager
async def vendor(
    answer: Callable[[Reader, Writer], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Vendor]:
    made = Vendor(answer)
    server = await asyncio.start_server(made.talk, "127.0.0.1", 0, limit=8 * 1024 * 1024, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for talk in asyncio.all_tasks() - {asyncio.current_task()}:
            if "Vendor.talk" in repr(talk):
                talk.cancel()


@asynccontextmanager
async def client_of(
    url: str,
    within: float = 5.0,
    *,
    policy: TransportPolicy | None = None,
    membership: Membership | None = None,
    environ: Mapping[str, str] | None = None,
    resolver: AbstractResolver | None = None,
    restraint: Restraint = UNRESTRAINED,
    names: VariableNames = UNNAMED,
) -> AsyncIterator[VendorClient]:
    """A client for this address; ``within``: seconds for a whole request, where no ``policy`` is given."""
    policy = policy or TransportPolicy(max_in_flight=8, request_timeout_s=within)
    client = open_client(
        httpx.URL(url),
        policy,
        membership=membership,
        restraint=restraint,
        names=names,
        environ=environ or {},
        resolver=resolver,
    )
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def raw_server(serve: Callable[[Reader, Writer], Awaitable[None]]) -> AsyncIterator[str]:
    """The URL of a server that hands each connection over before anything is read from it, and cuts it at the end."""
    serving: set[asyncio.Task[None] | None] = set()

    async def one(reader: Reader, writer: Writer) -> None:
        serving.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in filter(None, serving):
            each.cancel()


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


class Names(AbstractResolver):
    """A name server: every name has these addresses; ``asked`` holds the names of all questions."""

    def __init__(self, *addresses: str, delay: asyncio.Event | None = None) -> None:
        self.addresses = addresses
        self.asked: list[str] = []
        self.questioned = asyncio.Event()
        self._delay = delay  # answers wait for it

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        self.questioned.set()
        if self._delay is not None:
            await self._delay.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        return


def ask(request: httpx.Request) -> Flow[httpx.Response]:
    response = yield request
    return response


async def put(client: VendorClient, url: str) -> httpx.Response:
    return await client.run(ask(httpx.Request("PUT", f"{url}/orders/1", content=b"{}")))


def says(*parts: bytes, then: str = "stay") -> Callable[[Reader, Writer], Awaitable[None]]:
    """Answer with these bytes, then stay, close, reset or hang."""

    async def answer(reader: Reader, writer: Writer) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if then in ("close", "reset"):
            writer.transport.abort() if then == "reset" else writer.close()
            raise ConnectionError
        if then == "hang":
            await asyncio.sleep(NEVER)

    return answer
