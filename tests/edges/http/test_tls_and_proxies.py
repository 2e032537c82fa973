"""TLS to a vendor, and proxies that lead to one. Whatever fails there is `NotSent`, and no error holds a password."""

import asyncio
import base64
import socket
import ssl
import subprocess
import traceback
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.vendor_rig import OK, Names, Reader, Writer, ask, client_of, put, raw_server, says, url_of, vendor
from workers.vendors.contract import NotSent

HOST = "vendor.test"


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
