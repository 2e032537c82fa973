"""Registry and collector are reached as vendors are: by the same reading of the proxy variables."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
import requests
from aiohttp import web
from aiohttp.test_utils import TestServer

from workers.edges.avro.registry import RegistryUnavailable, connect
from workers.edges.telemetry.otlp_session import otlp_session

CLOSED = "http://127.0.0.1:9"


@dataclass
class Server:
    """A registry and a collector, or a proxy that answers for them; keeps each request's address and password."""

    port: int = 0
    seen: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found, app = Server(), web.Application()

    async def answer(request: web.Request) -> web.Response:
        found.seen.append((request.raw_path, request.headers.get("Proxy-Authorization")))
        return web.json_response({"schema": '"string"'})

    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as running:
        found.port = running.port or 0
        yield found


async def ask_registry(url: str, environ: dict[str, str]) -> bool:
    registry = connect(url, environ=environ)
    try:
        await registry.schema(1)
    except RegistryUnavailable:
        return False
    finally:
        await registry.close()
    return True


async def ask_collector(url: str, environ: dict[str, str]) -> bool:
    def post() -> bool:
        try:
            return otlp_session(environ).post(f"{url}/schemas/ids/1", data=b"", timeout=5).ok
        except requests.exceptions.RequestException:
            return False

    return await asyncio.to_thread(post)


Ask: TypeAlias = Callable[[str, dict[str, str]], Awaitable[bool]]
everyone = pytest.mark.parametrize("ask", [ask_registry, ask_collector])


@everyone
async def test_a_proxy_reads_the_whole_address_and_its_password(ask: Ask, server: Server) -> None:
    environ = {"http_proxy": f"http://user:p%40ss@127.0.0.1:{server.port}"}
    assert await ask("http://far.test", environ)
    secret = "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert server.seen == [("http://far.test/schemas/ids/1", secret)]


@everyone
@pytest.mark.parametrize("environ", [{"NO_PROXY": "10.0.0.0/8,127.0.0.0/8"}, {"no_proxy": "*"}, {"HTTP_PROXY": CLOSED}])
async def test_exceptions_and_variables_are_read_as_for_vendors(
    ask: Ask, server: Server, environ: dict[str, str]
) -> None:
    """A network counts, and upper-case HTTP_PROXY does not."""
    variable = {} if "HTTP_PROXY" in environ else {"http_proxy": CLOSED}
    assert await ask(f"http://127.0.0.1:{server.port}", environ | variable)


@everyone
async def test_the_environment_of_the_process_is_not_read_by_the_library(
    ask: Ask, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", CLOSED)
    assert await ask(f"http://127.0.0.1:{server.port}", {})


async def test_a_proxy_that_cannot_be_used_is_named_when_spans_are_sent() -> None:
    with pytest.raises(requests.exceptions.InvalidProxyURL, match="all_proxy names a proxy of socks5"):
        await asyncio.to_thread(otlp_session({"all_proxy": "socks5://127.0.0.1:1"}).post, "http://far.test")
