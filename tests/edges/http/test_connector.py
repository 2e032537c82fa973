"""The way to a vendor: kept connections, names, TLS, proxies. Whatever fails on it is `NotSent`."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Names, Reader, Writer, ask, client_of, put, raw_server, says, vendor
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


def url_of(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


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


# Kept connections


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
    busy, most = 0, 0

    async def slowly(reader: Reader, writer: Writer) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        writer.write(OK)

    policy = TransportPolicy(max_in_flight=3, request_timeout_s=5.0)
    async with vendor(slowly) as server, client_of(server.url, policy=policy) as client:
        answers = await asyncio.gather(*(put(client, server.url) for _ in range(40)))
        assert (len(answers), most, server.connections) == (40, 4, 4)


async def test_request_that_gets_no_free_connection_in_time_is_not_sent() -> None:
    policy = TransportPolicy(max_in_flight=1, request_timeout_s=0.6)
    async with vendor(says(then="hang")) as server, client_of(server.url, policy=policy) as client:
        found = await asyncio.gather(*(put(client, server.url) for _ in range(3)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in found) == ["MaybeSent", "MaybeSent", "NotSent"]
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


# Connecting


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


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For HOST alone, signed by itself; its key lies in the same folder."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "certificate.pem"
    names = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    form = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    files = ("-keyout", str(folder / "key.pem"), "-out", str(made))
    subprocess.run(["openssl", "req", *form, *names, *files], check=True, capture_output=True)
    return made


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def tls_of(certificate: Path, names: list[str | None]) -> ssl.SSLContext:
    """A server's side of TLS; ``names`` gets what clients say in their hello."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, certificate.with_name("key.pem"))
    made.set_alpn_protocols(["h2", "http/1.1"])
    made.sni_callback = lambda _, name, __: names.append(name)
    return made


@pytest.mark.usefixtures("trusted")
async def test_tls_says_the_vendors_name_and_speaks_http_1_only(certificate: Path) -> None:
    names: list[str | None] = []
    body = bytes(range(256)) * 4096 * 4
    async with vendor(says(OK), tls_of(certificate, names)) as server:
        url = f"https://{HOST}:{server.port}"
        async with client_of(url, resolver=Names("127.0.0.1")) as client:
            for _ in range(3):
                await client.run(ask(httpx.Request("POST", url, content=body)))
        assert (names, server.protocols, server.connections) == ([HOST], ["http/1.1"], 1)
        assert [one.endswith(body) for one in server.requests] == [True] * 3


@pytest.mark.parametrize(
    ("ca", "host", "words"),
    [
        ("trusted", "other.test", r"TLS: other\.test:[0-9]+ \(.*(mismatch|not valid)"),
        (
            None,
            HOST,
            r"TLS: vendor\.test:[0-9]+ \(certificate verify failed: self.signed certificate.*\); SSL_CERT_FILE",
        ),
    ],
)
async def test_certificate_that_cannot_be_trusted_is_not_sent(
    certificate: Path, request: pytest.FixtureRequest, ca: str | None, host: str, words: str
) -> None:
    if ca is not None:
        request.getfixturevalue(ca)
    async with vendor(says(OK), tls_of(certificate, [])) as server:
        url = f"https://{host}:{server.port}"
        async with client_of(url, resolver=Names("127.0.0.1")) as client:
            with pytest.raises(NotSent, match=words):
                await put(client, url)
        assert server.requests == []


@pytest.mark.parametrize(
    "serve",
    [
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="close"),
        says(then="close"),
        says(then="reset"),
        says(then="hang"),
    ],
    ids=["speaks no TLS", "closes", "resets", "hangs"],
)
async def test_failed_tls_handshake_is_not_sent(serve: Callable[[Reader, Writer], Awaitable[None]]) -> None:
    async def one(reader: Reader, writer: Writer) -> None:
        await reader.read(1)
        await serve(reader, writer)

    async def quietly(reader: Reader, writer: Writer) -> None:
        try:
            await one(reader, writer)
        except ConnectionError:
            return

    async with raw_server(quietly) as url, client_of(url.replace("http", "https"), within=0.6) as client:
        with pytest.raises(NotSent, match=r"127\.0\.0\.1|no connection within 0\.3 s"):
            await put(client, url.replace("http", "https"))


# Proxies


def tunnel_to(port: int) -> Callable[[Reader, Writer], Awaitable[None]]:
    """A proxy's answer: a tunnel to this port, whatever host was asked for."""

    async def tunnel(reader: Reader, writer: Writer) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pipe(reader, there), _pipe(there_reader, writer))
        finally:
            there.transport.abort()

    return tunnel


async def _pipe(reader: Reader, writer: Writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.mark.usefixtures("trusted")
async def test_proxys_tunnel_carries_tls_to_the_vendor(certificate: Path) -> None:
    names: list[str | None] = []
    async with vendor(says(OK), tls_of(certificate, names)) as server, vendor(tunnel_to(server.port)) as proxy:
        environ = {"HTTPS_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}"}
        async with client_of(f"https://{HOST}", environ=environ) as client:
            assert [(await put(client, f"https://{HOST}")).text for _ in range(2)] == ["ok"] * 2
        assert (names, server.protocols, server.connections) == ([HOST], ["http/1.1"], 1)
    (connect,) = proxy.requests
    assert connect.startswith(b"CONNECT vendor.test:443 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") + b"\r\n" in connect
    assert b"proxy" not in b"".join(server.requests).lower(), "the vendor must not see the proxy's password"


@pytest.mark.usefixtures("trusted")
async def test_proxy_may_be_reached_by_tls(certificate: Path) -> None:
    names: list[str | None] = []
    async with (
        vendor(says(OK), tls_of(certificate, names)) as server,
        vendor(tunnel_to(server.port), tls_of(certificate, names)) as proxy,
    ):
        environ = {"HTTPS_PROXY": f"https://{HOST}:{proxy.port}"}
        async with client_of(f"https://{HOST}", environ=environ, resolver=Names("127.0.0.1")) as client:
            assert (await put(client, f"https://{HOST}")).text == "ok"
    assert names == [HOST, HOST]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(b"HTTP/1.1 407 canary\r\nContent-Length: 0\r\n\r\n"), "the proxy answered CONNECT with 407"),
        (says(then="close"), "the proxy: "),
        (says(then="reset"), "the proxy: "),
        (says(b"220 canary\r\n\r\n", then="close"), "the proxy: "),
        (says(then="hang"), r"no connection within 0\.3 s"),
        (says(b"HTTP/1.1 200 OK\r\n\r\nno TLS"), r"vendor\.test:443|no connection"),
    ],
    ids=["refuses", "closes", "resets", "speaks no HTTP", "hangs", "leads to what speaks no TLS"],
)
async def test_proxy_that_opens_no_tunnel_is_not_sent(answer: Any, words: str) -> None:
    async with vendor(answer) as proxy:
        environ = {"HTTPS_PROXY": f"http://user:canary@127.0.0.1:{proxy.port}"}
        async with client_of(f"https://{HOST}", within=0.6, environ=environ) as client:
            with pytest.raises(NotSent, match=words) as failed:
                await put(client, f"https://{HOST}")
    told = "".join(traceback.format_exception(failed.value))
    assert not any(secret in told for secret in ("canary", base64.b64encode(b"user:canary").decode()))


async def test_refused_proxy_is_not_sent() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as once:
        environ = {"HTTPS_PROXY": url_of(once)}
    async with client_of(f"https://{HOST}", environ=environ) as client:
        with pytest.raises(NotSent, match=r"cannot connect to 127\.0\.0\.1:[0-9]+ \(Connection refused\)"):
            await put(client, f"https://{HOST}")


async def test_proxy_of_a_vendor_in_clear_reads_whole_addresses_and_its_password() -> None:
    async with vendor(says(OK)) as proxy:
        environ = {"http_proxy": f"http://user:secret@127.0.0.1:{proxy.port}"}
        async with client_of(f"http://{HOST}", environ=environ) as client:
            for _ in range(2):
                await put(client, f"http://{HOST}")
    assert proxy.connections == 1
    for request in proxy.requests:
        assert request.startswith(b"PUT http://vendor.test/orders/1 HTTP/1.1\r\n")
        assert request.count(b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n") == 1
