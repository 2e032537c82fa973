"""The way to a vendor: names, TLS, proxies. Whatever fails on it, nothing of the request has left."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.vendor_rig import NEVER, OK, Reader, Writer, ask, client_of, put, says, vendor
from workers.edges.http.client import open_client
from workers.vendors.contract import NotSent

HOST = "vendor.test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For HOST alone, signed by itself; the key beside it."""
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


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name stands for this machine; the names that were asked for, in order."""
    asked: list[str] = []

    async def here(host: str, port: int) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("workers.edges.http.route._lookup", here)
    return asked


def tls_of(certificate: Path, names: list[str | None]) -> ssl.SSLContext:
    """A server's side of TLS; ``names`` are those that clients say in their hello."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, certificate.with_name("key.pem"))
    made.set_alpn_protocols(["h2", "http/1.1"])
    made.sni_callback = lambda _, name, __: names.append(name)
    return made


@pytest.mark.usefixtures("trusted", "named")
async def test_tls_says_the_vendors_name_and_speaks_nothing_but_http_1(certificate: Path) -> None:
    names: list[str | None] = []
    async with vendor(says(OK), tls_of(certificate, names)) as server:
        url = f"https://{HOST}:{server.port}"
        async with client_of(url) as client:
            assert [(await put(client, url)).text for _ in range(3)] == ["ok"] * 3
        assert (names, server.protocols, server.connections) == ([HOST], ["http/1.1"], 1)


@pytest.mark.usefixtures("trusted", "named")
async def test_a_large_body_goes_through_tls_whole(certificate: Path) -> None:
    body = bytes(range(256)) * 4096 * 4
    async with vendor(says(OK), tls_of(certificate, [])) as server:
        url = f"https://{HOST}:{server.port}"
        async with client_of(url) as client:
            for _ in range(2):
                await client.run(ask(httpx.Request("POST", url, content=body)))
        assert [one.endswith(body) for one in server.requests] == [True, True]
        assert server.connections == 1


@pytest.mark.usefixtures("trusted", "named")
async def test_a_certificate_for_another_name_is_not_sent(certificate: Path) -> None:
    names: list[str | None] = []
    async with (
        vendor(says(OK), tls_of(certificate, names)) as server,
        client_of(f"https://other.test:{server.port}") as client,
    ):
        with pytest.raises(NotSent, match=r"TLS: other\.test:[0-9]+ .*(mismatch|not valid)"):
            await put(client, f"https://other.test:{server.port}")
        assert server.requests == []


@pytest.mark.usefixtures("named")
async def test_a_certificate_that_nobody_vouches_for_is_not_sent(certificate: Path) -> None:
    names: list[str | None] = []
    async with (
        vendor(says(OK), tls_of(certificate, names)) as server,
        client_of(f"https://{HOST}:{server.port}") as client,
    ):
        with pytest.raises(NotSent, match=r"TLS: .*certificate verify failed"):
            await put(client, f"https://{HOST}:{server.port}")
        assert server.requests == []


async def test_tls_that_is_never_answered_is_not_sent() -> None:
    async with vendor(says(then="hang")) as server:
        url = f"https://127.0.0.1:{server.port}"
        async with client_of(url, within=0.4) as client:
            with pytest.raises(NotSent, match=r"no connection within 0\.2 s"):
                await put(client, url)


async def test_a_name_is_asked_for_once_by_all_that_connect_together(named: list[str]) -> None:
    async with vendor(says(OK)) as server, client_of(f"http://{HOST}:{server.port}") as client:
        await asyncio.gather(*(put(client, f"http://{HOST}:{server.port}") for _ in range(8)))
    assert named == [HOST]
    assert b"\r\nHost: vendor.test:" in server.requests[0]


async def test_a_name_that_could_not_be_resolved_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    async with vendor(says(OK)) as server, client_of(f"http://{HOST}:{server.port}") as client:
        with monkeypatch.context() as patched:
            patched.setattr("workers.edges.http.route._lookup", fails)
            found = await asyncio.gather(
                *(put(client, f"http://{HOST}:{server.port}") for _ in range(3)), return_exceptions=True
            )
            assert [str(one) for one in found] == [f"DNS: {HOST}:{server.port} (try again)"] * 3
        address = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
        monkeypatch.setattr("workers.edges.http.route._lookup", lambda *_: asyncio.sleep(0, address))
        assert (await put(client, f"http://{HOST}:{server.port}")).text == "ok"


async def test_a_connection_that_opens_while_the_client_closes_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_: str, port: int) -> list[Any]:
        asked.set()
        await go_on.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr("workers.edges.http.route._lookup", slowly)
    async with vendor(says(OK)) as server, client_of(f"http://{HOST}:{server.port}") as client:
        sending = asyncio.create_task(put(client, f"http://{HOST}:{server.port}"))
        await asked.wait()
        await client.close()
        go_on.set()
        assert (await sending).text == "ok"
        assert client._connections._idle == []


async def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor(says(OK)) as server, client_of(f"http://{HOST}:{server.port}") as client:
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, server.port)) for host in ("127.0.0.9", "127.0.0.1")]
        monkeypatch.setattr("workers.edges.http.route._lookup", lambda *_: asyncio.sleep(0, both))
        assert (await put(client, f"http://{HOST}:{server.port}")).text == "ok"


def tunnel_to(port: int) -> Callable[[Reader, Writer], Awaitable[None]]:
    """A proxy's answer: a tunnel to this port, whatever host was asked for."""

    async def tunnel(reader: Reader, writer: Writer) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n")
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
async def test_a_proxys_tunnel_carries_tls_to_the_vendor(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str | None] = []
    async with vendor(says(OK), tls_of(certificate, names)) as server, vendor(tunnel_to(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        async with client_of(f"https://{HOST}") as client:
            assert [(await put(client, f"https://{HOST}")).text for _ in range(2)] == ["ok"] * 2
        assert (names, server.protocols, server.connections) == ([HOST], ["http/1.1"], 1)
    signed = b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss")
    assert proxy.requests == [b"CONNECT %b:443 HTTP/1.1\r\nHost: %b:443\r\n%b\r\n\r\n" % (*2 * [HOST.encode()], signed)]
    assert b"Proxy" not in server.requests[0], "the vendor must not see the proxy's password"


@pytest.mark.parametrize("answer", [says(then="close"), says(b"220 mail\r\n", then="close"), says(then="hang")])
async def test_a_proxy_that_opens_no_tunnel_has_not_sent(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with client_of(f"https://{HOST}", within=0.6) as client:
            with pytest.raises(NotSent, match=r"the proxy: |no connection within 0\.3 s"):
                await put(client, f"https://{HOST}")


async def test_a_tunnel_to_what_speaks_no_tls_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor(says(OK)) as server, vendor(tunnel_to(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with client_of(f"https://{HOST}", within=0.6) as client:
            with pytest.raises(NotSent, match=r"TLS: vendor.test:443|no connection"):
                await put(client, f"https://{HOST}")


async def test_a_proxy_in_clear_is_told_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vendor(says(OK)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
        client = open_client(httpx.URL(f"http://{HOST}"), max_in_flight=1, request_timeout=NEVER)
        await put(client, f"http://{HOST}")
        await client.close()
    assert b"\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in proxy.requests[0]
