"""HTTP/1.1 as servers really speak it: where an answer ends, and what must never become the next one's answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Reader, Writer, ask, client_of, put, says, vendor
from workers.edges.http.client import VendorClient, open_client
from workers.edges.http.connection import MAX_HEAD_BYTES
from workers.edges.http.pool import KEPT_FOR
from workers.vendors.contract import MaybeSent, NotSent

MEBIBYTE = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE_ANSWERS = {
    "with a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", 200, b"body"),
    "in chunks": (CHUNKED + b"2\r\nbo\r\n2;x=y\r\ndy\r\n0\r\n\r\n", 200, b"body"),
    "with trailers": (CHUNKED + b"4\r\nbody\r\n0\r\nRetry-After: 9\r\n\r\n", 200, b"body"),
    "after interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\nRetry-After: 9\r\n\r\n" + OK,
        200,
        b"ok",
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 with the length of what it leaves out": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
    "of no length": (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 500, b""),
    "with bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nbody", 200, b"body"),
}


@pytest.mark.parametrize("form", WHOLE_ANSWERS)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_a_whole_answer_is_read_and_its_connection_is_used_again(form: str, piece: int) -> None:
    answer, status, body = WHOLE_ANSWERS[form]
    pieces = [answer[at : at + piece] for at in range(0, len(answer), piece)]
    async with vendor(says(*pieces)) as server, client_of(server.url) as client:
        for _ in range(2):
            response = await put(client, server.url)
            assert (response.status_code, response.content) == (status, body)
            assert "retry-after" not in response.headers
        assert (len(server.requests), server.connections) == (2, 1)


LAST_ANSWERS = {
    "says that it closes": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "is HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "is followed by another that nobody asked for": OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
    "is followed by the beginning of another": OK + b"HTTP/1.1 20",
    "is followed by what is no HTTP": OK + b"\0\1\2 what",
}


@pytest.mark.parametrize("form", LAST_ANSWERS)
async def test_after_an_answer_that_is_the_last_its_connection_is_not_used_again(form: str) -> None:
    async with vendor(says(LAST_ANSWERS[form])) as server, client_of(server.url) as client:
        for _ in range(2):
            assert (await put(client, server.url)).text == "ok"
        assert (len(server.requests), server.connections) == (2, 2)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with vendor(says(b"HTTP/1.1 200 OK\r\n\r\n", b"half", b"half", then="close")) as server:
        async with client_of(server.url) as client:
            assert (await put(client, server.url)).text == "halfhalf"
            assert (await put(client, server.url)).text == "halfhalf"
        assert server.connections == 2


async def test_the_answer_to_head_has_no_body() -> None:
    answer = says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    async with vendor(answer) as server, client_of(server.url) as client:
        response = await client.run(ask(httpx.Request("HEAD", server.url)))
    assert (response.status_code, response.content) == (200, b"")


NO_ANSWERS = {
    "wants another protocol": (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "protocol"),
    "has headers without end": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * MAX_HEAD_BYTES, "headers are longer than 65536"),
    "has interim answers without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "headers are longer than 65536"),
    "has two lengths": (CHUNKED.replace(b"Tr", b"Content-Length: 4\r\nTr") + b"4\r\nbody\r\n0\r\n\r\n", "no HTTP"),
    "has a length that is no number": (b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody", "no HTTP"),
    "has a chunk that is no chunk": (CHUNKED + b"what\r\n", "no HTTP"),
}


@pytest.mark.parametrize("form", NO_ANSWERS)
async def test_what_is_no_answer_ends_the_wait_at_once(form: str) -> None:
    answer, words = NO_ANSWERS[form]
    async with vendor(says(answer, then="hang")) as server, client_of(server.url, within=NEVER) as client:
        with pytest.raises(MaybeSent, match=words):
            await put(client, server.url)


@pytest.fixture
def line() -> Iterator[socket.socket]:
    """A server without a loop of its own: what it does lies in our socket before our loop has looked."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(10)
        yield listening


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def answered_once(listening: socket.socket) -> socket.socket:
    taken, _ = listening.accept()
    taken.recv(65536)
    taken.sendall(OK)
    return taken


async def first_answer(client: VendorClient, line: socket.socket) -> socket.socket:
    serving = asyncio.create_task(asyncio.to_thread(answered_once, line))
    await put(client, url_of(line))
    return await serving


@pytest.mark.parametrize("odd", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", b""])
async def test_a_kept_connection_on_which_anything_has_come_is_not_used(line: socket.socket, odd: bytes) -> None:
    """Its server's good-bye, or an answer to nothing, that our loop has not seen yet."""
    async with client_of(url_of(line)) as client:
        with await first_answer(client, line) as former:
            former.sendall(odd) if odd else former.close()
            with await first_answer(client, line) as second:
                assert second is not former


async def test_a_kept_connection_that_the_server_has_closed_is_noticed(line: socket.socket) -> None:
    async with client_of(url_of(line)) as client:
        (await first_answer(client, line)).close()
        kept = client._connections._idle[0]
        while not kept.transport.is_closing():  # noqa: ASYNC110 - a state that no event tells
            await asyncio.sleep(0)
        (await first_answer(client, line)).close()


async def test_an_answer_to_nothing_closes_the_connection(line: socket.socket) -> None:
    async with client_of(url_of(line)) as client:
        with await first_answer(client, line) as former:
            former.sendall(OK)
            assert await asyncio.to_thread(_rest, former) == b""


async def test_a_connection_lies_idle_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch, line: socket.socket) -> None:
    monkeypatch.setattr("workers.edges.http.pool.KEPT_FOR", 0.05)
    async with client_of(url_of(line)) as client:
        with await first_answer(client, line) as former:
            assert await asyncio.to_thread(_rest, former) == b""


async def test_a_connection_that_has_lain_idle_for_too_long_is_not_used() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        await put(client, server.url)
        client._connections._idle[0].idle_since -= KEPT_FOR
        await put(client, server.url)
        assert server.connections == 2


async def test_an_early_answer_counts_and_its_connection_does_not_carry_the_rest() -> None:
    """A server that refuses a large batch says so before it has read all of it."""

    async def too_large(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with listening(too_large) as url, client_of(url) as client:
        response = await client.run(ask(httpx.Request("POST", url, content=b"x" * 16 * MEBIBYTE)))
        assert response.status_code == 413
        assert client._connections._idle == []


async def test_a_body_waits_here_while_the_vendor_does_not_read() -> None:
    begun = asyncio.Event()

    async def reads_no_more(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await asyncio.Event().wait()

    async with listening(reads_no_more) as url, client_of(url) as client:
        request = httpx.Request("POST", url, content=b"x" * 16 * MEBIBYTE)
        sending = asyncio.create_task(client.run(ask(request)))
        await begun.wait()
        (connection,) = client._connections._used
        assert connection.transport.get_write_buffer_size() <= MEBIBYTE
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


@pytest.mark.parametrize("how", ["cancelled", "too late"])
async def test_a_request_that_nobody_waits_for_any_more_takes_its_connection_with_it(how: str) -> None:
    """Its answer may still come, and would be taken for the next request's."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def never(reader: Reader, writer: Writer) -> None:
        asked.set()
        await reader.read()
        gone.set()

    within = 0.3 if how == "too late" else NEVER
    async with vendor(never) as server, client_of(server.url, within) as client:
        sending = asyncio.create_task(put(client, server.url))
        await asked.wait()
        if how == "cancelled":
            sending.cancel()
        with pytest.raises((asyncio.CancelledError, MaybeSent)):
            await sending
        await gone.wait()
        server.answer = says(OK)
        assert (await put(client, server.url)).text == "ok"
        assert server.connections == 2


async def test_connections_are_bounded_and_none_carries_two_requests_at_once() -> None:
    """The bound is one above what may be in flight: a login needs a place too."""
    open_now, most, piped = 0, 0, 0

    async def slowly(reader: Reader, writer: Writer) -> None:
        nonlocal open_now, most, piped
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        piped += len(reader._buffer)  # type: ignore[attr-defined]
        open_now -= 1
        writer.write(OK)

    async with vendor(slowly) as server:
        client = open_client(httpx.URL(server.url), max_in_flight=3, request_timeout=5.0)
        answers = await asyncio.gather(*(put(client, server.url) for _ in range(40)))
        await client.close()
        assert (len(answers), most, piped, server.connections) == (40, 4, 0, 4)


async def test_whoever_finds_no_free_connection_in_time_has_not_sent() -> None:
    async with vendor(says(then="hang")) as server:
        client = open_client(httpx.URL(server.url), max_in_flight=1, request_timeout=0.6)
        found = await asyncio.gather(*(put(client, server.url) for _ in range(3)), return_exceptions=True)
        await client.close()
        assert sorted(type(one).__name__ for one in found) == ["MaybeSent", "MaybeSent", "NotSent"]
        assert len(server.requests) == 2


async def test_a_connection_that_is_closed_before_anything_was_sent_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        monkeypatch.setattr("workers.edges.http.connection.Connection.is_quiet", lambda _: True)
        await put(client, server.url)
        client._connections._idle[0].abort()
        with pytest.raises(NotSent, match="before anything was sent"):
            await put(client, server.url)
        assert len(server.requests) == 1


async def test_a_closed_client_lets_go_of_what_is_under_way() -> None:
    asked = asyncio.Event()

    async def never(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with vendor(never) as server, client_of(server.url, NEVER) as client:
        sending = asyncio.create_task(put(client, server.url))
        await asked.wait()
        await client.close()
        with pytest.raises(MaybeSent):
            await sending


@asynccontextmanager
async def listening(serve: Callable[[Reader, Writer], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that is given each connection before anything is read from it, and cuts it at the end."""
    serving: list[asyncio.Task[None] | None] = []

    async def one(reader: Reader, writer: Writer) -> None:
        serving.append(asyncio.current_task())
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
        for each in serving:
            if each is not None:
                each.cancel()


def _rest(taken: socket.socket) -> bytes:
    """What the client still says; nothing: it has closed."""
    taken.settimeout(10)
    try:
        return taken.recv(65536)
    except ConnectionError:
        return b""
