"""The registry client: against a registry in memory over real HTTP, and against every way to fail."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from aiohttp import encode_basic_auth, web

from tests.support.registry import (
    Answer,
    MemoryRegistry,
    always,
    cut,
    drip,
    hang,
    reference,
    reply,
    serving,
    split_order_created,
)
from workers.edges.avro.codec import Codec, UnknownSchema
from workers.edges.avro.reader import Undecodable
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
    assert json.loads((await registry.schema(schema_id)).text) == json.loads(TEXT)
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


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({"schemaType": "PROTOBUF"}, "is a PROTOBUF schema"),
        ({"schemaType": "JSON"}, "is a JSON schema"),
        ({"references": [{"name": "x"}]}, "refers to schemas in a form"),
        ({"references": {"name": "x"}}, "refers to schemas in a form"),
    ],
)
async def test_a_schema_that_is_no_avro_is_refused(serve: Serve, extra: dict[str, Any], reason: str) -> None:
    """It can never be read, so waiting would not help."""
    client = await serve(always(reply(200, {"schema": "{}", **extra})))
    with pytest.raises(RegistryRefused, match=reason):
        await client.schema(1)


@pytest.mark.parametrize("extra", [{}, {"schemaType": None, "references": None}, {"schemaType": "avro"}])
async def test_a_registry_may_say_in_its_own_way_that_a_schema_is_avro(serve: Serve, extra: dict[str, Any]) -> None:
    client = await serve(always(reply(200, {"schema": TEXT, **extra})))
    assert await client.schema(UUID(int=3)) == (TEXT, ())


@pytest.mark.parametrize("prefix", ["", "a/b ", ":.shop:", "orders%2F"])
async def test_references_are_resolved_recursively_each_once(serve: Serve, prefix: str) -> None:
    """A schema split into references reads the same records as the whole one; a subject may have any name."""
    memory = MemoryRegistry()
    schema_id = split_order_created(memory, SCHEMAS["order-created"].today.text, prefix)
    if prefix != ":.shop:":  # what a reference in a context refers to lies in that context, unless it says another
        for name in ("piece", "stop"):
            memory.subjects[name] = memory.subjects[f"{prefix}{name}"]
    registry = await serve(memory.app())
    reader = Codec(SCHEMAS, lambda: 0.0, registry)
    await reader.learn(schema_id)
    whole = Codec(SCHEMAS, lambda: 0.0).encode("order-created", json_event())
    value = b"\x00" + schema_id.to_bytes(4, "big") + whole[10:]
    assert reader.decode_any("order-created", value) == json_event()
    assert reader.head("order-created", value).order_id == "A"
    versions = [path for path in memory.asked if path.endswith("/versions/1")]
    assert len(versions) == len(set(versions)) == 4


def json_event() -> dict[str, Any]:
    order: dict[str, Any] = {
        "order_id": "A", "placed_at": 1, "time_zone": None, "website_id": None, "status": "placed", "currency": None,
        "total_value": b"\x01", "returns_value": None, "customer": {"email": None, "phone": None, "crm_id": None},
        "lines": [], "attributes": [{"name": "n", "value": None}], "delivery": None,
    }  # fmt: skip
    return {"event_id": "e", "occurred_at": 1, "producer": "", "order": order}


async def test_a_reference_that_is_missing_is_asked_for_again_and_one_in_a_circle_is_undecodable(serve: Serve) -> None:
    memory, now = MemoryRegistry(), [0.0]
    lost = memory.add(
        "order-status-value", '{"type": "record", "name": "A", "fields": []}', references=[reference("B", "b")]
    )
    registry = await serve(memory.app())
    reader = Codec(SCHEMAS, lambda: now[0], registry)
    value = b"\x00" + lost.to_bytes(4, "big")
    await reader.learn(lost)
    with pytest.raises(Undecodable, match=f"schema id {lost} refers to b version 1, which the registry does not have"):
        reader.head("order-status", value)
    now[0] = 60
    memory.add(
        "b", '{"type": "record", "name": "B", "fields": [{"name": "a", "type": "A"}]}', references=[reference("A", "a")]
    )
    memory.add(
        "a", '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}', references=[reference("B", "b")]
    )
    with pytest.raises(UnknownSchema):
        reader.head("order-status", value)
    await reader.learn(lost)
    with pytest.raises(Undecodable, match="no type named B is defined"):
        reader.head("order-status", value)


async def test_a_subject_deleted_softly_still_serves_its_references(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/schemas/ids/1":
            return web.json_response(
                {"schema": '{"type": "record", "name": "A", "fields": []}', "references": [reference("B", "b", "-1")]}
            )
        if request.query.get("deleted") == "true":
            return web.json_response({"schema": '"string"'})
        return web.json_response({"error_code": 40402, "message": "no version"}, status=404)

    registry = await serve(always(answer))
    assert (await registry.schema(1)).references == ('"string"',)


async def test_endless_references_are_refused(serve: Serve) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        depth = request.path.count("x")
        return web.json_response({"schema": '"string"', "references": [reference("n" * depth, "x" * (depth + 1))]})

    registry = await serve(always(answer))
    with pytest.raises(RegistryRefused, match="refers to more than 200 schemas"):
        await registry.schema(1)


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
        assert (await client.schema(3)).text == TEXT
        assert await client.find("s/1", TEXT) == 3
    assert asked == ["/schemas/ids/3", "/subjects/s/1"]
