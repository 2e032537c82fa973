"""One variable trusts a company's authority, and one strictness holds: at vendors, registry, collector and Kafka."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import web

from tests.support.certificates import BAD_CA, GOOD_CA, company
from tests.support.kafka_opening import opened
from tests.support.topics_yaml import load_settings
from tests.support.vendor_rig import client_of, put
from workers.edges.avro.registry import RegistryUnavailable, connect
from workers.edges.telemetry.otlp_session import otlp_session
from workers.edges.telemetry.setup import open_tracing
from workers.vendors.contract import NotSent


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return company(tmp_path_factory.mktemp("good"), GOOD_CA)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return company(tmp_path_factory.mktemp("bad"), BAD_CA)


@asynccontextmanager
async def served(leaf: Path) -> AsyncIterator[str]:
    """A server of that certificate, which is a vendor, a registry and a collector at once."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf)

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"schema": '"string"'})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask_vendor(url: str, environ: dict[str, str]) -> str:
    async with client_of(url, environ=environ) as client:
        try:
            return str((await put(client, url)).status_code)
        except NotSent as error:
            return str(error)


async def ask_registry(url: str, environ: dict[str, str]) -> str:
    registry = connect(url, environ=environ)
    try:
        await registry.schema(1)
    except RegistryUnavailable as error:
        return str(error)
    finally:
        await registry.close()
    return "200"


async def ask_collector(url: str, environ: dict[str, str]) -> str:
    def post() -> str:
        try:
            return str(otlp_session(environ).post(f"{url}/v1/traces", data=b"", timeout=5).status_code)
        except OSError as error:
            return f"{error} RELAY_CA_FILE"

    return await asyncio.to_thread(post)


async def ask_kafka(url: str, environ: dict[str, str]) -> str:
    connection = load_settings(
        {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_BOOTSTRAP_SERVERS": url.removeprefix("https://")} | environ
    ).kafka

    given = {"protocol": connection.protocol, "cafile": connection.cafile}
    said = str((await asyncio.to_thread(opened, connection.bootstrap[0], **given))["ends"])
    return said if "TLS:" in said else "200"


async def test_the_collectors_authority_may_be_named_by_opentelemetrys_own_variable(
    good: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, leaf = good
    async with served(leaf) as url:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        lost = []
        for trusted in ("", str(ca)):
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", trusted)
            tracing = open_tracing(environ, "1.0", "pod-1")
            tracing.publish("order-created", "A-1").end()
            await asyncio.to_thread(tracing.close)
            lost.append(tracing.lost)
    assert lost == [1, 0]


Ask: TypeAlias = Callable[[str, dict[str, str]], Awaitable[str]]
EVERYONE: list[Ask] = [ask_vendor, ask_registry, ask_collector, ask_kafka]


@pytest.mark.parametrize("ask", EVERYONE)
async def test_the_companys_authority_is_trusted_everywhere(ask: Ask, good: tuple[Path, Path]) -> None:
    ca, leaf = good
    async with served(leaf) as url:
        assert await ask(url, {"RELAY_CA_FILE": str(ca)}) == "200"
        said = await ask(url, {})
        assert "certificate verify failed" in said
        assert "RELAY_CA_FILE" in said


@pytest.mark.parametrize("ask", EVERYONE)
async def test_a_missing_extension_is_refused_everywhere_and_named(ask: Ask, bad: tuple[Path, Path]) -> None:
    """On every Python, as 3.13 does by itself."""
    ca, leaf = bad
    async with served(leaf) as url:
        said = await ask(url, {"RELAY_CA_FILE": str(ca)})
        assert any(name in said for name in ("Key Identifier", "Basic Constraints", "key usage extension")), said
        assert "RELAY_CA_FILE" in said
