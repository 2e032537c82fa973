"""The registry client: against a registry in memory over real HTTP, and against every way to fail."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from aiohttp import encode_basic_auth, web

from tests.support.registry import Answer, MemoryRegistry, always, cut, drip, hang, reply, serving
from workers.edges.avro.codec import Codec
from workers.edges.avro.registry import Registry, RegistryRefused, RegistryUnavailable, SchemaMissing, connect
from workers.edges.avro.schema_files import load

SCHEMAS = load(Path(__file__).parents[3] / "schemas")
TEXT = SCHEMAS["order-status"].today.text
CREDENTIALS = ("relay", "s3cret-canary")

Serve: TypeAlias = Callable[..., Awaitable[Registry]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start a server with one answer to every request, and give a client of it."""
    async with AsyncExitStack() as stack:

        async def start(app: web.Application, user: str = "", password: str = "", timeout_s: float = 10) -> Registry:
            client = connect(await stack.enter_async_context(serving(app)), user, password, timeout_s)
            stack.push_async_callback(client.close)
            return client

        yield start


@pytest.fixture
async def registry(serve: Serve) -> Registry:
    """A client of an empty registry that wants the credentials."""
    return await serve(MemoryRegistry(encode_basic_auth(*CREDENTIALS)).app(), *CREDENTIALS)


async def test_a_schema_is_registered_found_and_fetched(registry: Registry) -> None:
    """The same schema registered twice is one version; a subject or an id that is not registered is None or missing."""
    assert await registry.find("order-status-value", TEXT) is None
    assert await registry.latest("order-status-value") is None
    schema_id = await registry.register("order-status-value", TEXT)
    assert await registry.register("order-status-value", TEXT) == schema_id
    assert await registry.find("order-status-value", TEXT) == schema_id
    latest = await registry.latest("order-status-value")
    assert latest is not None
    assert (latest.schema_id, latest.version) == (schema_id, 1)
    assert json.loads(await registry.schema(schema_id)) == json.loads(TEXT)
    assert await registry.incompatibilities("order-status-value", TEXT) == ()
    with pytest.raises(SchemaMissing):
        await registry.schema(schema_id + 1)


async def test_a_reader_learns_a_publishers_schema_from_the_registry(registry: Registry) -> None:
    """A reader without any schema id decodes the publisher's event."""
    topic = SCHEMAS["order-status"]
    await registry.register(topic.subject, topic.today.text)
    writer, reader = Codec(SCHEMAS, lambda: 0.0, registry), Codec(SCHEMAS, lambda: 0.0, registry)
    event = {
        "event_id": "1",
        "occurred_at": 5,
        "producer": "",
        "order_id": "A",
        "status": "paid",
        "reason": None,
        "website_id": None,
    }
    await writer.prepare(["order-status"])
    value = writer.encode("order-status", event)
    await reader.learn(int.from_bytes(value[1:5], "big"))
    assert reader.decode_any("order-status", value) == event


async def test_a_bad_schema_is_refused_with_the_registrys_words(registry: Registry) -> None:
    """A judgement, not an outage: waiting would not help."""
    with pytest.raises(RegistryRefused, match="422"):
        await registry.register("order-status-value", '{"type": "recor')


async def test_refused_credentials_name_their_variables_and_never_their_values(serve: Serve) -> None:
    """An outage, not a judgement: no record is parked for it."""
    client = await serve(MemoryRegistry(encode_basic_auth(*CREDENTIALS)).app(), "relay", "wrong-canary")
    with pytest.raises(RegistryUnavailable, match="SCHEMA_REGISTRY_PASSWORD") as refused:
        await client.schema(1)
    assert "canary" not in str(refused.value)


FAULTS: dict[str, Answer] = {
    "500": reply(500, {"error_code": 50001, "message": "store"}),
    "503 in HTML": reply(503, "<html>"),
    "429": reply(429, {"error_code": 429, "message": "slow down"}),
    "401": reply(401, {"error_code": 401, "message": "who"}),
    "redirect": reply(302, "", Location="http://127.0.0.1:1/"),
    "200 in HTML": reply(200, "<html>login</html>"),
    "200 with a list": reply(200, []),
    "200 without a schema": reply(200, {"id": 1}),
    "huge": reply(200, " " * (5 * 1024 * 1024)),
    "hangs": hang,
    "drips": drip,
    "cut": cut,
    "404 of a wrong address": reply(404, "<html>not here</html>"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_is_never_a_judgement(serve: Serve, fault: str) -> None:
    """One line that names the registry; no record becomes undecodable by it."""
    client = await serve(always(FAULTS[fault]), timeout_s=0.3)
    with pytest.raises(RegistryUnavailable, match="schema registry http://127") as down:
        await client.schema(1)
    assert "\n" not in str(down.value)


async def test_a_registry_that_is_down_is_unavailable(unused_tcp_port: int) -> None:
    """The port is closed: the record waits."""
    client = connect(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(RegistryUnavailable, match=r"cannot be reached.*SCHEMA_REGISTRY_URL"):
        await client.schema(1)
    await client.close()


async def test_a_404_without_a_code_counts_when_the_address_is_a_registrys(serve: Serve) -> None:
    """Some registries send no error code; a list of subjects shows that the address is a registry's."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response([]) if request.path == "/subjects" else web.Response(status=404)

    client = await serve(always(answer))
    with pytest.raises(SchemaMissing):
        await client.schema(1)


@pytest.mark.parametrize("extra", [{"schemaType": "PROTOBUF"}, {"references": [{"name": "x"}]}])
async def test_a_schema_that_is_no_avro_or_has_references_is_refused(serve: Serve, extra: dict[str, Any]) -> None:
    """It can never be read, so waiting would not help."""
    client = await serve(always(reply(200, {"schema": "{}", **extra})))
    with pytest.raises(RegistryRefused, match="complete in itself"):
        await client.schema(1)


async def test_an_incompatible_schema_comes_with_the_registrys_reasons(serve: Serve) -> None:
    """Without reasons, the verdict alone."""
    client = await serve(always(reply(200, {"is_compatible": False, "messages": ["reader lacks /fields/1"]})))
    assert await client.incompatibilities("s", TEXT) == ("reader lacks /fields/1",)
    client = await serve(always(reply(200, {"is_compatible": False})))
    assert len(await client.incompatibilities("s", TEXT)) == 1
    client = await serve(always(reply(409, {"error_code": 409, "message": "breaks\nversion 1"})))
    with pytest.raises(RegistryRefused, match=r"breaks version 1 \(409\)"):
        await client.register("s", TEXT)


async def test_the_registry_is_asked_once_for_each_schema_and_id(serve: Serve) -> None:
    """A registry never changes them."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response({"schema": TEXT, "id": 3})

    client = await serve(always(answer))
    for _ in range(2):
        assert await client.schema(3) == TEXT
        assert await client.find("s/1", TEXT) == 3
    assert asked == ["/schemas/ids/3", "/subjects/s/1"]
