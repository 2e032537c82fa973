"""What the vendor client sends, what it takes for an answer, and what it knows when there is none.

The table of faults is the heart: `NotSent` only where no byte of the request can have left, `MaybeSent` for all
the rest. A fault on the wrong side would send an order twice, or look up one that never left.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from itertools import islice

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Reader, Writer, ask, client_of, put, says, vendor
from workers.edges.http.client import MAX_ANSWER_BYTES, WrongHostError
from workers.vendors.contract import Flow, MaybeSent, NotSent, TooLong


async def drips(reader: Reader, writer: Writer) -> None:
    """A byte every 50 ms, for ever: no single read ever times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


LOST_AFTER_SENDING = {
    "hangs up without a word": (says(then="close"), "hung up without an answer"),
    "resets after reading": (says(then="reset"), "reset|hung up"),
    "hangs up in the headers": (says(b"HTTP/1.1 200 OK\r\nContent-", then="close"), "."),
    "hangs up in the body": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then="close"), "cut short"),
    "resets in the body": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then="reset"), "."),
    "hangs up between chunks": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", then="close"),
        "cut short",
    ),
    "resets in an answer that only its end would end": (says(b"HTTP/1.1 200 OK\r\n\r\nhalf", then="reset"), "lost"),
    "does not speak HTTP": (says(b"220 mail.example ESMTP\r\n\r\n", then="close"), "."),
    "a header without end": (says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, then="hang"), "."),
    "never answers": (says(then="hang"), r"no answer within 0\.5 s"),
    "drips its answer": (drips, r"no answer within 0\.5 s"),
    "an answer without end": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n", b"x" * (MAX_ANSWER_BYTES + 1), then="hang"),
        r"longer than 4194304 bytes",
    ),
}


@pytest.mark.parametrize("fault", LOST_AFTER_SENDING)
async def test_when_the_request_has_left_it_may_have_been_applied(fault: str) -> None:
    answer, words = LOST_AFTER_SENDING[fault]
    async with vendor(answer) as server, client_of(server.url, within=0.5) as client:
        with pytest.raises(MaybeSent, match=words):
            await put(client, server.url)
        assert len(server.requests) == 1, "it was sent again behind the flow's back"


async def test_an_answer_too_long_to_be_read_is_told_apart() -> None:
    """Whoever asked for many things can ask for fewer."""
    answer, _ = LOST_AFTER_SENDING["an answer without end"]
    async with vendor(answer) as server, client_of(server.url, within=5.0) as client:
        with pytest.raises(TooLong):
            await put(client, server.url)


async def test_an_answer_a_little_too_long_is_not_taken_for_its_beginning() -> None:
    body = b"{}".ljust(MAX_ANSWER_BYTES + 1)
    whole = says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    async with vendor(whole) as server, client_of(server.url) as client:
        with pytest.raises(TooLong):
            await put(client, server.url)


async def test_long_answers_at_once_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded each by itself, those of a vendor at odds would take all memory. What they held is free again."""
    monkeypatch.setattr("workers.edges.http.pool.ANSWERS_TOGETHER", MAX_ANSWER_BYTES)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MAX_ANSWER_BYTES
    begins = says(head, b"x" * (MAX_ANSWER_BYTES - 1), then="hang")
    async with vendor(begins) as server, client_of(server.url, within=NEVER) as client:
        asked = [asyncio.create_task(put(client, server.url)) for _ in range(3)]
        for ended in islice(asyncio.as_completed(asked), 2):
            with pytest.raises(MaybeSent, match="too many long answers at once"):
                await ended
        for last in asked:
            last.cancel()
        await asyncio.wait(asked)
        server.answer = says(head, b"x" * MAX_ANSWER_BYTES)
        assert len((await put(client, server.url)).content) == MAX_ANSWER_BYTES


async def test_a_server_that_hangs_up_before_reading_may_have_read() -> None:
    """What the kernel took from us may have been read: that is not for us to exclude."""

    def hang_up(listening: socket.socket) -> None:
        taken, _ = listening.accept()
        with taken:
            taken.recv(1, socket.MSG_PEEK)

    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with client_of(url) as client, asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(hang_up, listening))
            with pytest.raises(MaybeSent):
                await put(client, url)


async def test_refused_is_not_sent() -> None:
    url = f"http://127.0.0.1:{_unused_port()}"
    async with client_of(url) as client:
        with pytest.raises(NotSent, match=r"cannot connect to 127\.0\.0\.1:[0-9]+ \(Connection refused\)"):
            await put(client, url)


async def test_a_name_that_does_not_resolve_is_not_sent() -> None:
    url = "https://vendor.invalid"
    async with client_of(url) as client:
        with pytest.raises(NotSent, match="DNS"):
            await put(client, url)


async def test_a_name_server_that_does_not_answer_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.sleep(NEVER)

    monkeypatch.setattr("workers.edges.http.route.Addresses.get", hang)
    async with client_of("https://vendor.example", within=0.4) as client:
        with pytest.raises(NotSent, match=r"no connection within 0\.2 s"):
            await put(client, "https://vendor.example")


async def test_a_host_that_does_not_take_the_connection_is_not_sent() -> None:
    """Its queue of connections is full, so that ours is never acknowledged."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with closing(socket.create_connection(full.getsockname())):
            async with client_of(url, within=0.4) as client:
                with pytest.raises(NotSent, match=r"no connection within 0\.2 s"):
                    await put(client, url)


async def test_tls_that_cannot_be_agreed_on_is_not_sent() -> None:
    async def no_tls(_: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, client_of(url) as client:
        with pytest.raises(NotSent):
            await put(client, url)


async def test_a_proxy_that_refuses_the_tunnel_has_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor(says(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with client_of("https://vendor.example") as client:
            with pytest.raises(NotSent, match="407"):
                await put(client, "https://vendor.example")
        assert proxy.requests[0].startswith(b"CONNECT vendor.example:443")


async def test_the_environments_proxy_is_used_unless_the_host_is_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor(says(OK)) as proxy, vendor(says(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with client_of("http://vendor.example") as client:
            await put(client, "http://vendor.example")
        assert proxy.requests[0].startswith(b"PUT http://vendor.example/orders/1 ")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with client_of(server.url) as client:
            await put(client, server.url)
        assert (len(proxy.requests), len(server.requests)) == (1, 1)


async def test_a_request_is_sent_as_the_flow_wrote_it_and_nothing_is_added_to_it() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        url = f"{server.url}/orders/a%2Fb%20%C3%BC?x=%2B"
        await client.run(ask(httpx.Request("POST", url, headers={"x-api-key": "k"}, content=b'{"v":150.00}')))
    head, body = server.requests[0].split(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /orders/a%2Fb%20%C3%BC?x=%2B HTTP/1.1"
    assert body == b'{"v":150.00}'
    assert {line.split(b":")[0].lower() for line in lines} == {b"host", b"content-length", b"x-api-key"}


async def test_a_body_above_a_mebibyte_is_sent_whole() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        body = b"x" * (2 * 1024 * 1024)
        await client.run(ask(httpx.Request("POST", server.url, content=body)))
    assert server.requests[0].endswith(body)


async def test_compressed_answers_are_not_unpacked() -> None:
    """Ten kilobytes could swell to ten gigabytes; we never ask for compression."""
    packed = gzip.compress(b"{}" * 1000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    async with vendor(says(answer)) as server, client_of(server.url) as client:
        assert (await put(client, server.url)).content == packed
    assert b"accept-encoding" not in server.requests[0].lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_answers_not_orders(status: int) -> None:
    async with vendor(says(OK)) as stranger:
        where = f"HTTP/1.1 {status} Moved\r\nLocation: {stranger.url}/steal\r\nContent-Length: 0\r\n\r\n"
        async with vendor(says(where.encode())) as server, client_of(server.url) as client:
            response = await put(client, server.url)
        assert (response.status_code, stranger.requests) == (status, [])


@pytest.mark.parametrize("other", ["http://127.0.0.2:{port}", "http://127.0.0.1:1", "https://127.0.0.1:{port}"])
async def test_another_host_port_or_scheme_is_never_asked(other: str) -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        with pytest.raises(WrongHostError, match="not the vendor's"):
            await put(client, other.format(port=server.port))
        assert server.connections == 0


@pytest.mark.parametrize("value", ["a\r\nx-admin: 1", "a\nb", "a\0b"])
async def test_no_header_can_be_smuggled_in(value: str) -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        request = httpx.Request("PUT", server.url, headers={"x-order": value})
        with pytest.raises(ValueError, match="detected in headers"):
            await client.run(ask(request))
        assert server.requests == []


async def test_one_connection_serves_many_requests() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        for _ in range(20):
            await put(client, server.url)
        assert (len(server.requests), server.connections) == (20, 1)


async def test_cookies_are_not_kept() -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
    async with vendor(says(answer)) as server, client_of(server.url) as client:
        await put(client, server.url)
        await put(client, server.url)
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE", "POST"])
async def test_a_kept_connection_that_the_server_closes_is_maybe_sent_and_sent_once(method: str) -> None:
    """A client that repeats PUT, GET and DELETE by itself makes repeats that are nobody's to count."""
    first = asyncio.Event()

    async def once_then_close(_: Reader, writer: Writer) -> None:
        if first.is_set():
            writer.close()
            raise ConnectionError
        first.set()
        writer.write(OK)

    async with vendor(once_then_close) as server, client_of(server.url) as client:
        await client.run(ask(httpx.Request(method, server.url)))
        with pytest.raises(MaybeSent):
            await client.run(ask(httpx.Request(method, server.url)))
        assert len(server.requests) == 2


async def test_a_flow_learns_of_a_lost_answer_at_its_yield_and_may_go_on() -> None:
    async with vendor(says(then="close")) as server, client_of(server.url) as client:

        def look_up_after_loss() -> Flow[str]:
            try:
                yield httpx.Request("PUT", f"{server.url}/orders/1")
            except MaybeSent:
                server.answer = says(OK)
            found = yield httpx.Request("GET", f"{server.url}/orders/1")
            return found.text

        assert await client.run(look_up_after_loss()) == "ok"


async def test_an_observer_sees_every_request_of_a_flow() -> None:
    class Seen:
        def __init__(self) -> None:
            self.resends: list[int] = []

        async def attempt(
            self, request: httpx.Request, resend: int, send: Callable[[httpx.Request], Awaitable[httpx.Response]]
        ) -> httpx.Response:
            self.resends.append(resend)
            request.headers["traceparent"] = "00-x"
            return await send(request)

    seen = Seen()
    async with vendor(says(OK)) as server, client_of(server.url) as client:

        def two() -> Flow[None]:
            yield httpx.Request("GET", server.url)
            yield httpx.Request("GET", server.url)

        await client.run(two(), seen)
    assert seen.resends == [0, 1]
    assert b"traceparent: 00-x" in server.requests[1].lower()


async def test_a_flow_is_closed_when_its_run_is_cancelled() -> None:
    ended = asyncio.Event()

    def flow() -> Flow[None]:
        try:
            yield httpx.Request("GET", server.url)
        finally:
            ended.set()

    asked = asyncio.Event()

    async def hang(reader: Reader, writer: Writer) -> None:
        asked.set()
        await asyncio.sleep(NEVER)

    async with vendor(hang) as server, client_of(server.url) as client:
        running = asyncio.create_task(client.run(flow()))
        await asked.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert ended.is_set()


def _unused_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as once:
        port: int = once.getsockname()[1]
    return port
