"""What the transport sends, what it takes for an answer, and how it classifies the loss of one.

`NotSent` is raised only where no byte of the request can have left (tests/edges/http/test_connector.py). Everything
here is `MaybeSent`: classified as `NotSent`, an order would be sent twice.
"""

import asyncio
import gzip
import socket
import zlib
from contextlib import closing
from itertools import islice

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Reader, Writer, ask, client_of, put, says, vendor
from workers.edges.http.transport import MAX_ANSWER_BYTES, TransportPolicy
from workers.vendors.contract import MaybeSent, TooLong

MEBIBYTE = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer_of(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join((b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body))


async def drips(_: Reader, writer: Writer) -> None:
    """A byte every 50 ms without end: no single read ever times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


LOST_AFTER_SENDING = {
    "closes without an answer": (says(then="close"), "hung up without an answer"),
    "resets after reading": (says(then="reset"), "reset|hung up"),
    "closes in the headers": (says(b"HTTP/1.1 200 OK\r\nContent-", then="close"), "hung up"),
    "closes in the body": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then="close"), "cut short"),
    "resets in the body": (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", then="reset"), "cut short|reset"),
    "closes between chunks": (says(CHUNKED + b"4\r\nhalf\r\n", then="close"), "cut short"),
    "resets in an answer without a length": (says(b"HTTP/1.1 200 OK\r\n\r\nhalf", then="reset"), "lost"),
    "does not speak HTTP": (says(b"220 mail.canary ESMTP\r\n\r\n", then="close"), "cannot be read"),
    "sends a header without end": (says(b"HTTP/1.1 200 OK\r\nX: " + b"canary" * 4_000, then="hang"), "cannot be read"),
    "has two lengths": (
        says(CHUNKED.replace(b"Tr", b"Content-Length: 4\r\nTr") + b"4\r\nbody\r\n0\r\n\r\n", then="hang"),
        "cannot be read",
    ),
    "has a length that is no number": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", then="hang"),
        "cannot be read",
    ),
    "has a chunk that is no chunk": (says(CHUNKED + b"canary\r\n", then="hang"), "cut short|cannot be read"),
    "is followed by bytes that are no HTTP": (says(OK + b"\0\1\2 canary", then="hang"), "cannot be read"),
    "switches the protocol": (
        says(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", then="hang"),
        "another protocol than HTTP/1.1",
    ),
    "is packed by brotli": (says(answer_of(b"x", b"Content-Encoding: br"), then="hang"), r"content-encoding: .*br"),
    "is packed by compress": (says(answer_of(b"x", b"Content-Encoding: Compress"), then="hang"), "ncoding: 'compress'"),
    "is damaged gzip": (says(answer_of(b"canary", b"Content-Encoding: gzip"), then="hang"), "cut short|cannot be read"),
    "never answers": (says(then="hang"), r"no answer within 0\.5 s"),
    "drips its answer": (drips, r"no answer within 0\.5 s"),
    "sends interim answers without end": (
        says(b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, then="hang"),
        r"no answer within 0\.5 s",
    ),
    "sends more than is read": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 99000000\r\n\r\n", b"x" * (MAX_ANSWER_BYTES + 1), then="hang"),
        "longer than 4194304 bytes",
    ),
}


@pytest.mark.parametrize("fault", LOST_AFTER_SENDING)
async def test_request_that_has_left_may_have_been_applied(fault: str) -> None:
    answer, words = LOST_AFTER_SENDING[fault]
    async with vendor(answer) as server, client_of(server.url, within=0.5) as client:
        secret = httpx.Request("PUT", f"{server.url}/orders/1?authenticationToken=canary", content=b"{}")
        with pytest.raises(MaybeSent, match=words) as lost:
            await client.run(ask(secret))
        assert len(server.requests) == 1, "the transport repeated it without the flow's knowledge"
        assert "canary" not in str(lost.value), "the reason quotes the vendor's bytes, or our address"


async def test_server_that_closes_before_it_has_read_may_have_read() -> None:
    """The kernel took the request from us; whether the server read it, nobody can tell."""

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


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE", "POST"])
async def test_kept_connection_lost_under_a_request_is_maybe_sent_and_sent_once(method: str) -> None:
    """aiohttp on its own repeats PUT, GET and DELETE: repeats that no flow could count."""

    async def once_then_close(reader: Reader, writer: Writer) -> None:
        await (says(OK) if len(server.requests) == 1 else says(then="close"))(reader, writer)

    async with vendor(once_then_close) as server, client_of(server.url) as client:
        await client.run(ask(httpx.Request(method, server.url)))
        with pytest.raises(MaybeSent):
            await client.run(ask(httpx.Request(method, server.url)))
        assert (len(server.requests), server.connections) == (2, 1)


WHOLE_ANSWERS = {
    "with a length": (answer_of(b"body"), 200, b"body"),
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
    "packed by gzip": (answer_of(gzip.compress(b"body"), b"Content-Encoding: GZIP"), 200, b"body"),
    "packed by deflate": (answer_of(zlib.compress(b"body"), b"Content-Encoding: deflate"), 200, b"body"),
    "packed in chunks": (
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        + b"".join(b"1\r\n%b\r\n" % bytes([one]) for one in gzip.compress(b"body"))
        + b"0\r\n\r\n",
        200,
        b"body",
    ),
}


@pytest.mark.parametrize("form", WHOLE_ANSWERS)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_whole_answer_is_read_and_its_connection_is_used_again(form: str, piece: int) -> None:
    answer, status, body = WHOLE_ANSWERS[form]
    pieces = [answer[start : start + piece] for start in range(0, len(answer), piece)]
    async with vendor(says(*pieces)) as server, client_of(server.url) as client:
        for _ in range(2):
            response = await put(client, server.url)
            assert (response.status_code, response.content, response.text) == (status, body, body.decode())
            assert not {"retry-after", "content-encoding", "content-length"} & set(response.headers)
        assert (len(server.requests), server.connections) == (2, 1)


async def test_headers_of_an_answer_are_kept_in_order_with_repeats() -> None:
    answer = answer_of(b"", b"X-One: 1", b"Retry-After: 7", b"X-One: 2")
    async with vendor(says(answer)) as server, client_of(server.url) as client:
        response = await put(client, server.url)
    assert response.headers.raw == [(b"X-One", b"1"), (b"Retry-After", b"7"), (b"X-One", b"2")]


async def test_words_of_the_status_line_are_kept() -> None:
    """Some vendors say only there why they refuse."""
    answer = b"HTTP/1.1 409 Order Unable to Cancel\r\nContent-Length: 0\r\n\r\n"
    async with vendor(says(answer)) as server, client_of(server.url) as client:
        response = await put(client, server.url)
    assert response.reason_phrase == "Order Unable to Cancel"


async def test_answer_without_a_length_ends_with_its_connection() -> None:
    async with vendor(says(b"HTTP/1.1 200 OK\r\n\r\n", b"half", b"half", then="close")) as server:
        async with client_of(server.url) as client:
            assert [(await put(client, server.url)).text for _ in range(2)] == ["halfhalf"] * 2
        assert server.connections == 2


async def test_answer_to_head_has_no_body() -> None:
    answer = says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
    async with vendor(answer) as server, client_of(server.url) as client:
        response = await client.run(ask(httpx.Request("HEAD", server.url)))
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_answer_beyond_the_bound_is_too_long_packed_or_not(coding: str) -> None:
    """Unpacked bytes count: 16 KB of gzip would swell to 16 MiB."""
    body = gzip.compress(bytes(16 * MEBIBYTE)) if coding == "gzip" else b"{}".ljust(MAX_ANSWER_BYTES + 1)
    answer = answer_of(body, b"Content-Encoding: %b" % coding.encode())
    async with vendor(says(answer)) as server, client_of(server.url, within=NEVER) as client:
        with pytest.raises(TooLong):
            await put(client, server.url)


async def test_long_answers_at_once_are_bounded_together_and_free_their_share() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MEBIBYTE
    begins = says(head, b"x" * (MEBIBYTE - 1), then="hang")
    policy = TransportPolicy(
        max_in_flight=8, request_timeout_s=NEVER, max_answer_bytes=MEBIBYTE, max_answers_bytes=MEBIBYTE
    )
    async with vendor(begins) as server, client_of(server.url, policy=policy) as client:
        asked = [asyncio.create_task(put(client, server.url)) for _ in range(3)]
        for ended in islice(asyncio.as_completed(asked), 2):
            with pytest.raises(MaybeSent, match="too many long answers at once"):
                await ended
        for last in asked:
            last.cancel()
        await asyncio.wait(asked)
        server.answer = says(head, b"x" * MEBIBYTE)
        assert len((await put(client, server.url)).content) == MEBIBYTE


async def test_request_is_sent_as_the_flow_wrote_it() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        url = f"{server.url}/orders/a%2Fb%20%C3%BC?x=%2B#fragment"
        headers = [("X-Api-KEY", "k"), ("X-Two", "2"), ("X-Two", "1"), ("Content-Length", "99")]
        await client.run(ask(httpx.Request("POST", url, headers=headers, content=b'{"v":150.00}')))
    head, body = server.requests[0].split(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /orders/a%2Fb%20%C3%BC?x=%2B HTTP/1.1"
    assert body == b'{"v":150.00}'
    assert lines == [
        b"Host: 127.0.0.1:%d" % server.port,
        b"Accept-Encoding: identity",
        b"X-Api-KEY: k",
        b"X-Two: 2",
        b"X-Two: 1",
        b"Content-Length: 12",
    ]


async def test_flow_may_ask_for_a_coding_itself() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        await client.run(ask(httpx.Request("GET", server.url, headers={"accept-encoding": "gzip"})))
    assert server.requests[0].lower().count(b"accept-encoding: gzip\r\n") == 1
    assert b"identity" not in server.requests[0]


async def test_password_in_the_address_and_netrc_are_not_sent(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        await put(client, server.url.replace("//", "//user:canary@"))
    assert b"authorization" not in server.requests[0].lower()


async def test_body_above_a_mebibyte_is_sent_whole() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        body = b"x" * (2 * MEBIBYTE)
        await client.run(ask(httpx.Request("POST", server.url, content=body)))
    assert server.requests[0].endswith(body)


@pytest.mark.parametrize("value", ["a\r\nx-admin: 1", "a\nb", "a\0b"])
async def test_header_with_a_line_break_is_an_error_and_not_sent(value: str) -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        request = httpx.Request("PUT", server.url, headers={"x-order": value})
        with pytest.raises(ValueError, match="detected in headers"):
            await client.run(ask(request))
        assert server.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_an_answer_and_not_followed(status: int) -> None:
    async with vendor(says(OK)) as stranger:
        where = f"HTTP/1.1 {status} Moved\r\nLocation: {stranger.url}/steal\r\nContent-Length: 0\r\n\r\n"
        async with vendor(says(where.encode())) as server, client_of(server.url) as client:
            response = await put(client, server.url)
        assert (response.status_code, stranger.requests) == (status, [])


async def test_cookies_are_not_kept() -> None:
    async with vendor(says(answer_of(b"ok", b"Set-Cookie: a=b"))) as server, client_of(server.url) as client:
        for _ in range(2):
            await put(client, server.url)
    assert b"cookie" not in server.requests[1].lower()
