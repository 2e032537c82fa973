"""Connections to a vendor: kept ones, new ones, and names. Whatever fails before a request is written is `NotSent`."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.support.vendor_rig import (
    NEVER,
    OK,
    Names,
    Reader,
    Slowly,
    Writer,
    ask,
    client_of,
    put,
    raw_server,
    says,
    url_of,
    vendor,
)
from workers.edges.http.client import VendorClient
from workers.edges.http.transport import TransportPolicy
from workers.vendors.contract import MaybeSent, NotSent

HOST = "vendor.test"
MEBIBYTE = 1024 * 1024
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"


@pytest.fixture
def line() -> Iterator[socket.socket]:
    """A server without a loop: what it does lies in our socket before our loop has read it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(10)
        yield listening


def answered_once(listening: socket.socket) -> socket.socket:
    taken, _ = listening.accept()
    taken.settimeout(10)
    taken.recv(65536)
    taken.sendall(OK)
    return taken


async def first_answer(client: VendorClient, line: socket.socket) -> socket.socket:
    serving = asyncio.create_task(asyncio.to_thread(answered_once, line))
    await put(client, url_of(line))
    return await serving


async def test_one_connection_serves_many_requests() -> None:
    async with vendor(says(OK)) as server, client_of(server.url) as client:
        for _ in range(20):
            await put(client, server.url)
        assert (len(server.requests), server.connections) == (20, 1)


LAST_ANSWERS = {
    "says that it closes": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "is HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "is followed by another answer": OK + FORGED,
}


@pytest.mark.parametrize("form", LAST_ANSWERS)
async def test_connection_is_not_used_after_an_answer_that(form: str) -> None:
    async with vendor(says(LAST_ANSWERS[form])) as server, client_of(server.url) as client:
        for _ in range(2):
            assert (await put(client, server.url)).text == "ok"
        assert (len(server.requests), server.connections) == (2, 2)


@pytest.mark.parametrize("unrequested", [FORGED, b""], ids=["an answer", "an end"])
@pytest.mark.parametrize("seen", [False, True])
async def test_kept_connection_on_which_anything_came_is_not_used(
    line: socket.socket, unrequested: bytes, *, seen: bool
) -> None:
    """Also when the loop has not read it yet: the request would be `MaybeSent`, or get a forged answer."""
    async with client_of(url_of(line)) as client:
        with await first_answer(client, line) as former:
            former.sendall(unrequested) if unrequested else former.close()
            if seen:
                await asyncio.sleep(0.05)
            with await first_answer(client, line) as second:
                assert second is not former


async def test_idle_connection_is_closed_after_a_bounded_time(line: socket.socket) -> None:
    policy = TransportPolicy(max_in_flight=1, request_timeout_s=NEVER, keep_alive_s=0.05)
    async with client_of(url_of(line), policy=policy) as client:
        with await first_answer(client, line) as former:
            assert await asyncio.to_thread(former.recv, 65536) == b""


async def test_connections_are_bounded_and_carry_one_request_at_a_time() -> None:
    """The bound is one above what may be in flight: a login needs a connection, too."""
    slowly = Slowly()
    policy = TransportPolicy(max_in_flight=3, request_timeout_s=5.0)
    async with vendor(slowly) as server, client_of(server.url, policy=policy) as client:
        answers = await asyncio.gather(*(put(client, server.url) for _ in range(40)))
        assert (len(answers), slowly.most, server.connections) == (40, 4, 4)


async def test_request_that_gets_no_free_connection_in_time_is_not_sent() -> None:
    policy = TransportPolicy(max_in_flight=1, request_timeout_s=0.6)
    async with vendor(says(then="hang")) as server, client_of(server.url, policy=policy) as client:
        found = await asyncio.gather(*(put(client, server.url) for _ in range(3)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in found) == ["NotSent", "TooSlow", "TooSlow"]
        assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["cancelled", "too late"])
async def test_abandoned_request_takes_its_connection_with_it(how: str) -> None:
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


async def test_early_answer_counts_and_its_connection_does_not_carry_the_rest() -> None:
    """A server that refuses a large batch says so before it has read all of it."""
    connections = 0

    async def too_large(reader: Reader, writer: Writer) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with raw_server(too_large) as url, client_of(url) as client:
        for _ in range(2):
            response = await client.run(ask(httpx.Request("POST", url, content=b"x" * 16 * MEBIBYTE)))
            assert response.status_code == 413
        assert connections == 2


@pytest.mark.parametrize("how", ["cancelled", "closed"])
@pytest.mark.parametrize("size", [2, 16 * MEBIBYTE])
async def test_request_to_a_vendor_that_reads_nothing_leaves_nothing_behind(how: str, size: int) -> None:
    """The rest of the request is dropped: the close waits for nobody to read it."""
    begun = asyncio.Event()

    async def reads_no_more(reader: Reader, _: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await asyncio.Event().wait()

    async with raw_server(reads_no_more) as url, client_of(url, NEVER) as client:
        sending = asyncio.create_task(client.run(ask(httpx.Request("POST", url, content=b"x" * size))))
        await begun.wait()
        if how == "cancelled":
            sending.cancel()
        async with asyncio.timeout(5):
            await client.close()
            with pytest.raises((asyncio.CancelledError, MaybeSent)):
                await sending


@pytest.mark.parametrize("waits_for", ["the name server", "a free connection"])
async def test_request_that_waits_for_a_connection_when_the_client_closes_is_not_sent(waits_for: str) -> None:
    names = Names("127.0.0.1", delay=asyncio.Event() if waits_for == "the name server" else None)
    asked = asyncio.Event()

    async def never(_: Reader, __: Writer) -> None:
        asked.set()
        await asyncio.sleep(NEVER)

    policy = TransportPolicy(max_in_flight=0, request_timeout_s=NEVER)
    async with vendor(never) as server:
        url = f"http://{HOST}:{server.port}"
        async with client_of(url, policy=policy, resolver=names) as client:
            sending = [asyncio.create_task(put(client, url)) for _ in range(2)]
            await (names.questioned if waits_for == "the name server" else asked).wait()
            await client.close()
            found = await asyncio.gather(*sending, return_exceptions=True)
        sent = [isinstance(one, MaybeSent) for one in found]
        assert {type(one) for one in found} <= {NotSent, MaybeSent}
        assert sum(sent) == len(server.requests)


async def test_refused_connection_is_not_sent() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as once:
        url = url_of(once)
    async with client_of(url) as client:
        with pytest.raises(NotSent, match=r"cannot connect to 127\.0\.0\.1:[0-9]+ \(Connection refused\)"):
            await put(client, url)


async def test_host_that_does_not_take_the_connection_is_not_sent() -> None:
    """Its queue of connections is full: ours is never acknowledged."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with closing(socket.create_connection(full.getsockname())):
            async with client_of(url_of(full), within=0.4) as client:
                with pytest.raises(NotSent, match=r"no connection within 0\.2 s"):
                    await put(client, url_of(full))


async def test_name_that_does_not_resolve_is_not_sent() -> None:
    async with client_of("https://vendor.invalid") as client:
        with pytest.raises(NotSent, match=r"DNS: vendor\.invalid:443 \("):
            await put(client, "https://vendor.invalid")


async def test_name_server_that_does_not_answer_is_not_sent() -> None:
    async with client_of("https://vendor.test", within=0.4, resolver=Names(delay=asyncio.Event())) as client:
        with pytest.raises(NotSent, match=r"no connection within 0\.2 s"):
            await put(client, "https://vendor.test")


async def test_failed_name_is_asked_for_again_and_a_good_one_once_for_all() -> None:
    names = Names()
    async with vendor(says(OK)) as server, client_of(f"http://{HOST}:{server.port}", resolver=names) as client:
        url = f"http://{HOST}:{server.port}"
        with pytest.raises(NotSent, match=rf"DNS: {HOST}:{server.port} \(try again\)"):
            await put(client, url)
        names.addresses = ("127.0.0.1",)
        await asyncio.gather(*(put(client, url) for _ in range(8)))
        assert names.asked == [HOST] * 2
        assert b"\r\nHost: vendor.test:" in server.requests[0]


async def test_next_address_is_tried_when_one_refuses() -> None:
    names = Names("127.0.0.9", "127.0.0.1")
    async with vendor(says(OK)) as server, client_of(f"http://{HOST}:{server.port}", resolver=names) as client:
        assert (await put(client, f"http://{HOST}:{server.port}")).text == "ok"
