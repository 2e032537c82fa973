"""A schema registry in memory, served over real HTTP, and the faults that a server may have in its place."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class MemoryRegistry:
    """What Confluent's API says of subjects, versions and schema ids; it compares schemas as JSON."""

    authorization: str | None = None  # the header that each request must have
    schemas: list[str] = field(default_factory=list)  # the schema with id n is schemas[n - 1]
    more: dict[int, dict[str, Any]] = field(default_factory=dict)  # what else is said of a schema: type, references
    asked: list[str] = field(default_factory=list)  # every path
    address: str = ""  # once it is served
    subjects: dict[str, list[int]] = field(default_factory=dict)  # the ids of each subject's versions

    def app(self) -> web.Application:
        @web.middleware
        async def authorized(request: web.Request, handler: Answer) -> web.StreamResponse:
            if self.authorization not in (None, request.headers.get("Authorization")):
                return error(401, 40101, "Unauthorized")
            self.asked.append(request.path)
            return await handler(request)

        app = web.Application(middlewares=[authorized])
        app.router.add_get("/subjects", self._subjects)
        app.router.add_get("/schemas/ids/{number}", self._schema)
        app.router.add_get("/schemas/guids/{guid}", self._schema)
        app.router.add_post("/subjects/{subject}", self._find)
        app.router.add_post("/subjects/{subject}/versions", self._register)
        app.router.add_get("/subjects/{subject}/versions/latest", self._latest)
        app.router.add_get("/subjects/{subject}/versions/{version}", self._one_version)
        app.router.add_post("/compatibility/subjects/{subject}/versions/latest", reply(200, {"is_compatible": True}))
        return app

    async def _subjects(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.subjects))

    async def _schema(self, request: web.Request) -> web.Response:
        info = request.match_info
        number = int(info["number"]) if "number" in info else UUID(info["guid"]).int
        if not 0 < number <= len(self.schemas):
            return error(404, 40403, "Schema not found")
        return web.json_response({"schema": self.schemas[number - 1], **self.more.get(number, {})})

    async def _one_version(self, request: web.Request) -> web.Response:
        versions, version = self.subjects.get(request.match_info["subject"], []), int(request.match_info["version"])
        if not 0 < version <= len(versions):
            return error(404, 40402, "Version not found")
        return self._version(request.match_info["subject"], versions[version - 1])

    async def _find(self, request: web.Request) -> web.Response:
        subject, schema = request.match_info["subject"], await schema_of(request)
        if subject not in self.subjects:
            return error(404, 40401, "Subject not found")
        ids = [number for number in self.subjects[subject] if self.schemas[number - 1] == schema]
        return self._version(subject, ids[0]) if ids else error(404, 40403, "Schema not found")

    async def _register(self, request: web.Request) -> web.Response:
        schema = await schema_of(request)
        if schema is None:
            return error(422, 42201, "Invalid schema")
        return web.json_response({"id": self.add(request.match_info["subject"], schema)})

    def add(self, subject: str, schema: str, **more: Any) -> int:
        """Register a schema as it is; gives its id. A schema of id n has the GUID whose number is n."""
        if schema not in self.schemas:
            self.schemas.append(schema)
        number = self.schemas.index(schema) + 1
        self.more[number] = more
        versions = self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return number

    async def _latest(self, request: web.Request) -> web.Response:
        subject = request.match_info["subject"]
        if subject not in self.subjects:
            return error(404, 40401, "Subject not found")
        return self._version(subject, self.subjects[subject][-1])

    def _version(self, subject: str, number: int) -> web.Response:
        version = self.subjects[subject].index(number) + 1
        return web.json_response(
            {"subject": subject, "id": number, "version": version, "schema": self.schemas[number - 1]}
            | self.more.get(number, {})
        )


def reference(name: str, subject: str, version: int | str = 1) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": version}


def split_order_created(registry: MemoryRegistry, text: str, prefix: str = "") -> int:
    """Register OrderCreated with Attribute, Delivery, Piece and Stop under subjects of their own."""
    definition = json.loads(text)
    found: dict[str, Any] = {}

    def take(node: Any) -> Any:
        if isinstance(node, list):
            return [take(one) for one in node]
        if not isinstance(node, dict):
            return node
        node = {key: take(one) for key, one in node.items()}
        if node.get("name") not in {"Attribute", "Delivery", "Piece", "Stop"}:
            return node
        found[node["name"]] = node
        return f"orderrelay.v1.{node['name']}"

    main = take(definition)
    for name, inner in found.items():
        refers = [f"orderrelay.v1.{one}" for one in ("Piece", "Stop") if name == "Delivery"]
        listed = [reference(one, one.rpartition(".")[2].lower()) for one in refers]
        inner_text = json.dumps({**inner, "namespace": "orderrelay.v1"})
        registry.add(f"{prefix}{name.lower()}", inner_text, references=listed)
    twice = [
        reference("orderrelay.v1.Attribute", f"{prefix}attribute"),
        reference("orderrelay.v1.Piece", f"{prefix}piece"),
    ]
    listed = [*twice, reference("orderrelay.v1.Delivery", f"{prefix}delivery")]
    return registry.add("order-created-value", json.dumps(main), references=listed)


async def schema_of(request: web.Request) -> str | None:
    """Give the request's schema in one form, whatever its white space; None: it is no JSON."""
    try:
        return json.dumps(json.loads((await request.json())["schema"]))
    except json.JSONDecodeError:
        return None


def error(status: int, code: int, message: str) -> web.Response:
    return web.json_response({"error_code": code, "message": message}, status=status)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve on a free port of loopback; gives the server's address."""
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@contextmanager
def served_aside(app: web.Application) -> Iterator[str]:
    """The same in a thread of its own, so that a test may block."""
    with asyncio.Runner() as runner:
        loop, ends = runner.get_loop(), AsyncExitStack()
        address = loop.run_until_complete(ends.enter_async_context(serving(app)))
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield address
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(ends.aclose())


def always(answer: Answer) -> web.Application:
    """An application that answers every request in the same way."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    return app


def reply(status: int, body: Any, **headers: str) -> Answer:
    """One fixed answer; a body that is no text is sent as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return answer


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def drip(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then, so that only a time-out over the whole request ends it."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b" ")
        await asyncio.sleep(0.01)
    return response


async def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()
