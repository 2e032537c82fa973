"""One connection to a vendor: HTTP/1.1 on an asyncio protocol, parsed by llhttp (httptools).

One request at a time, its answer whole, and every doubt told as `MaybeSent`. What is a vendor's fault here must
never become the next request's answer: a connection on which anything was odd is not used again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from socket import MSG_PEEK, socket
from time import monotonic
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from workers.vendors.contract import MaybeSent, NotSent, TooLong

MAX_HEAD_BYTES: Final = 64 * 1024  # of an answer: status line and headers, and all interim answers before it
_PIECE: Final = 1024 * 1024  # bytes of a body that are given to the socket at once: most batches go whole
_FIRST_FINAL: Final = 200  # below: an interim answer, the real one follows


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it goes over the wire."""

    head: bytes  # request line and headers, with the empty line that ends them
    body: bytes = b""
    bodiless: bool = False  # its answer has no body, whatever its headers say (HEAD, CONNECT)


@dataclass(slots=True)
class Room:
    """Memory for the answers of one vendor that are on their way, in bytes."""

    each: int  # one answer's
    left: int  # of all of them together: many long ones at once must not end the process


@dataclass(slots=True)
class Answer:
    """An answer as it came, not unpacked."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes | bytearray = b""


class Connection(asyncio.Protocol):
    """Carries one request after the other. Ends itself at the first thing that is not as it should be."""

    def __init__(self, sock: socket, room: Room) -> None:
        """``sock``: what the transport stands on; it is only ever looked at here."""
        self._sock = sock
        self._room = room
        self._held = 0  # bytes of it
        self._answer = Answer()
        self._waiting: asyncio.Future[Answer] | None = None
        self._reusable = True
        self._unsent = memoryview(b"")
        self._paused = False
        self.idle_since = monotonic()

    @property
    def transport(self) -> asyncio.Transport:
        return self._transport

    async def exchange(self, outgoing: RawRequest, deadline: float) -> Answer:
        """Send a request and return its answer. Raises `MaybeSent`, `NotSent`, and `TimeoutError` at the deadline.

        ``deadline`` is the loop's time. However this ends early, the connection ends with it: what still comes
        would be the next one's answer.
        """
        loop = asyncio.get_running_loop()
        waiting = self._begin(loop, outgoing)
        late = loop.call_at(deadline, self._fail, TimeoutError())
        try:
            return await waiting
        finally:
            late.cancel()
            if self._waiting is not None:
                self._waiting = None
                self.abort()
                if waiting.done() and not waiting.cancelled():
                    waiting.exception()  # seen, though the one that waited has been cancelled

    def is_reusable(self) -> bool:
        """Whether another request may be sent on it."""
        return self._reusable and not self._transport.is_closing()

    def is_quiet(self) -> bool:
        """Whether it is as it was left. A server's good-bye, or bytes that nobody asked for, may lie unread."""
        if self._transport.is_closing():
            return False
        try:
            self._sock.recv(1, MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def abort(self) -> None:
        """Close at once; nothing more is sent."""
        self._transport.abort()

    def _begin(self, loop: asyncio.AbstractEventLoop, outgoing: RawRequest) -> asyncio.Future[Answer]:
        assert self._waiting is None, "one request at a time: a second one would be pipelining"
        if self._transport.is_closing():
            raise NotSent("the vendor hung up before anything was sent")
        self._bodiless = outgoing.bodiless
        self._headed = self._complete = False
        self._heads = self._size = 0
        waiting = self._waiting = loop.create_future()
        if len(outgoing.body) > _PIECE:
            self._transport.write(outgoing.head)
            self._unsent = memoryview(outgoing.body)
            self._write_on()
        else:
            self._transport.write(outgoing.head + outgoing.body)
        return waiting

    def _parsed(self, data: bytes) -> str | None:
        """Feed the parser, which calls the methods below; returns what is wrong with the answer."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            return "the vendor wants to speak another protocol than HTTP/1.1"
        except HttpParserError as error:
            self._reusable = False
            return f"the answer is no HTTP: {error}"
        return None

    def _excess(self, data: bytes) -> MaybeSent | None:
        if not self._headed:
            self._heads += len(data)
        if self._heads > MAX_HEAD_BYTES:
            return MaybeSent(f"the answer's headers are longer than {MAX_HEAD_BYTES} bytes")
        if self._size > self._room.each:
            return TooLong(f"the answer is longer than {self._room.each} bytes")
        if self._size > self._held:
            return MaybeSent("too many long answers at once")
        return None

    def _write_on(self) -> None:
        """Write while the socket takes it: the rest waits here, not in a second copy."""
        while self._unsent and not self._paused:
            piece, self._unsent = self._unsent[:_PIECE], self._unsent[_PIECE:]
            self._transport.write(piece)

    def _fail(self, error: Exception) -> None:
        self._reusable = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        self.abort()

    def _deliver(self) -> None:
        waiting, self._waiting = self._waiting, None
        answer, self._answer = self._answer, Answer()  # else an idle connection would keep a long one
        self._let_go()
        if self._unsent or self._paused:
            self._reusable = False  # answered before all was sent: the rest would be taken for the next request
        self._unsent = memoryview(b"")
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _let_go(self) -> None:
        self._room.left += self._held
        self._held = 0

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        # Two reasons: uvloop would write at the end of its round, after the work of all other answers that came in it;
        # and so we are paused exactly while something of the request has not left. (At 0, TLS would pause for good.)
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._parser = HttpResponseParser(self)
        # What servers are known to do: aiohttp's client is as lenient.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self._reusable = False
            self.abort()  # nobody asked
            return
        fault = self._parsed(data)
        if (excess := self._excess(data)) is not None:
            self._fail(excess)  # also when it has come to its end: a part was left out
        elif self._complete:
            self._deliver()
        elif fault is not None:
            self._fail(MaybeSent(fault))

    def connection_lost(self, exc: Exception | None) -> None:
        self._reusable = False
        self._let_go()
        if self._waiting is not None and not self._waiting.done():
            if exc is None and self._headed and self._ends_with_the_connection():
                self._deliver()
            else:
                self._fail(MaybeSent(self._how_it_was_lost(exc)))
        self._unsent = memoryview(b"")
        self.__dict__.pop("_parser", None)  # it points back here: a cycle that the collector would find late

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write_on()

    def _ends_with_the_connection(self) -> bool:
        """Whether the answer told no length, so that the connection's end is its own (RFC 9112, 6.3)."""
        lengths = {name.lower(): value for name, value in self._answer.headers}
        if b"transfer-encoding" in lengths:
            return not lengths[b"transfer-encoding"].lower().rstrip().endswith(b"chunked")
        return b"content-length" not in lengths

    def _how_it_was_lost(self, exc: Exception | None) -> str:
        if exc is not None:
            return f"the connection was lost ({exc})"
        if self._headed:
            return "the answer was cut short"
        return "the vendor hung up without an answer" if not self._heads else "the vendor hung up in the headers"

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self._complete:
            self._reusable = False  # more than was asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # after it: trailers, which are no headers
            self._answer.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        self._answer.status = self._parser.get_status_code()
        self._headed = self._answer.status >= _FIRST_FINAL
        if self._headed:
            self._reusable = self._parser.should_keep_alive() and not self._bodiless
            self._complete = self._bodiless

    def on_body(self, body: bytes) -> None:
        if self._complete:
            return  # more than was asked for
        self._size += len(body)
        if self._size > self._room.each or len(body) > self._room.left:
            return
        self._held += len(body)
        self._room.left -= len(body)
        if not self._answer.body:
            self._answer.body = body  # most come whole
        elif isinstance(self._answer.body, bytearray):
            self._answer.body += body
        else:
            self._answer.body = bytearray(self._answer.body + body)

    def on_message_complete(self) -> None:
        if self._headed:
            self._complete = True
        else:
            self._answer.headers.clear()
