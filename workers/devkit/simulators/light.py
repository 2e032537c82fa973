"""The vendor's port of ``--light``: a bare HTTP/1.1 server for benchmarks.

Latency is its only fault. A server library would cost as much processor time a request as the client under measurement,
and requests that wait in its queue would count as the relay's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from multidict import CIMultiDict, CIMultiDictProxy

if TYPE_CHECKING:
    from workers.devkit.simulators.server import Answer, Received

END: Final = b"\r\n\r\n"
REASONS: Final = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


class Head(NamedTuple):
    """A request without its body."""

    method: str
    path: str
    query: str
    headers: CIMultiDictProxy[str]
    length: int  # of the body, bytes


@lru_cache(maxsize=256)
def _read(head: bytes) -> Head:
    """Read a head once: a benchmark sends the same one over and over."""
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = CIMultiDict((name, value.strip()) for name, _, value in (line.partition(":") for line in rest))
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    return Head(method, path, query, CIMultiDictProxy(headers), int(headers.get("content-length", "0")))


class LightPort(asyncio.Protocol):
    """One connection. Requests on it are answered in turn, each after the latency."""

    def __init__(self, light: Light) -> None:
        self._light = light
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._transport.set_write_buffer_limits(high=1, low=0)  # uvloop: write at once, not at the end of the round

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._next()) is not None:
            self._light.take(request, self._write)

    def _next(self) -> Received | None:
        """Take one whole request off the buffer."""
        end = self._buffer.find(END)
        if end < 0:
            return None
        head = _read(self._buffer[:end])
        stop = end + len(END) + head.length
        if len(self._buffer) < stop:
            return None
        body, self._buffer = self._buffer[end + len(END) : stop], self._buffer[stop:]
        return self._light.received(head.method, head.path, head.headers, body, head.query)

    def _write(self, answer: Answer) -> None:
        if not self._transport.is_closing():
            head = (
                f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Answer')}\r\n"
                f"Content-Type: {answer.content_type}\r\nContent-Length: {len(answer.body)}\r\n\r\n"
            )
            self._transport.write(head.encode() + answer.body)


class Light:
    """What all connections of the port share."""

    def __init__(
        self, received: Callable[..., Received], answer: Callable[[Received], Answer], latency: Callable[[], float]
    ) -> None:
        self.received = received
        self._answer = answer
        self._latency = latency
        self.requests: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0

    def take(self, request: Received, write: Callable[[Answer], None]) -> None:
        """Answer a request after the latency."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        asyncio.get_running_loop().call_later(self._latency(), self._end, request, write)

    def _end(self, request: Received, write: Callable[[Answer], None]) -> None:
        answer = self._answer(request)
        self.in_flight -= 1
        self.requests[f"{request.method} {answer.status}"] += 1
        write(answer)

    async def listen(self, host: str, port: int) -> int:
        """Listen, and return the port that it found."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: LightPort(self), host, port, backlog=1024)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        self._server.close()
