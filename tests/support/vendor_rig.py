"""A vendor on a real socket, and a client for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import httpx

from workers.edges.http.client import VendorClient, open_client
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
async def client_of(url: str, within: float = 5.0) -> AsyncIterator[VendorClient]:
    client = open_client(httpx.URL(url), max_in_flight=8, request_timeout=within)
    try:
        yield client
    finally:
        await client.close()


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
