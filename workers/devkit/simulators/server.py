"""HTTP and faults around any vendor's behaviour."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from aiohttp import web
from multidict import CIMultiDictProxy

from workers.devkit.simulators import SimulatorOptions
from workers.devkit.simulators.control import CONTROL, control
from workers.devkit.simulators.faults import Faults
from workers.devkit.simulators.light import Light

JSON_TYPE: Final = "application/json"
PAGE: Final = b"<!DOCTYPE html><html><body><h1>Please sign in to the network</h1></body></html>"
HUGE: Final = 64 * 1024**2
CHUNK: Final = b" " * 65536
MAX_REQUEST: Final = 256 * 1024**2
THROTTLED: Final = 429
TOO_LARGE: Final = 413


class Received(NamedTuple):
    """A request as the vendor sees it."""

    method: str
    path: str  # as sent, still percent-encoded, without a query
    headers: CIMultiDictProxy[str]
    body: bytes
    query: str = ""  # as sent


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    retry_after_s: float | None = None
    after_s: float = 0.0  # between its making and its sending


class Effect(NamedTuple):
    """Something applied to an order, in order of application."""

    order_id: str  # the vendor's: ECDP's id, e-Courier's OrderNumber
    what: str  # the vendor's word for it, or the status that was set
    attempt: int  # requests that have named this order so far, this one included


class Behaviour(Protocol):
    """One vendor's rules; the HTTP server and most faults are not its business."""

    def answer(self, request: Received, faults: Faults) -> Answer:
        """Apply the request and answer it."""

    def trouble(self, status: int) -> Answer:
        """Answer with an error of that status, in the vendor's own form; nothing is applied. Below zero: `Code`."""

    def refused_with_200(self) -> Answer:
        """Answer 200 with a body that says no; nothing is applied."""

    def stats(self) -> dict[str, Any]:
        """Counts of what was applied."""

    def orders(self) -> dict[str, Any]:
        """Every order that the vendor has, by id."""

    def log(self, start: int) -> list[dict[str, Any]]:
        """Effects in order of application, from an index on."""


@dataclass
class SimulatorServer:
    """Listens on two ports: the vendor's, and one for control that no fault touches."""

    behaviour: Behaviour
    options: SimulatorOptions
    base_url: str = ""
    control_url: str = ""
    requests: Counter[str] = field(default_factory=Counter)  # by method and answer
    in_flight: int = 0
    most_in_flight: int = 0
    faults: Faults = field(default_factory=Faults)
    _quiet: bool = True
    _light: Light | None = None
    _chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - no secret

    async def start(self) -> str:
        """Listen on both ports and return the vendor's base URL."""
        self._changed = asyncio.Event()
        self._runner = await _runner(self._receive)
        self._control = await _runner(partial(control, self))
        light = not self.options.keep_content
        self._port = await self._listen(self._runner, 0 if light else self.options.port)
        port = await self._listen_lightly() if light else self._port
        self.base_url = f"http://{self.options.host}:{port}"
        port = await self._listen(self._control, self.options.control_port)
        self.control_url = f"http://{self.options.host}:{port}"
        await self.set_faults(self.options.faults)
        return self.base_url

    async def stop(self) -> None:
        """Close both ports; requests that hang are cut."""
        self._changed.set()
        if self._light is not None:
            self._light.close()
        await self._runner.cleanup()
        await self._control.cleanup()

    async def set_faults(self, faults: Faults, *, spare: asyncio.BaseTransport | None = None) -> None:
        """Set the faults. Requests that hang are cut; ``spare`` is the connection that asked for the change."""
        self.faults, self._quiet = faults, faults.quiet
        self._changed.set()
        self._changed = asyncio.Event()
        if faults.down:
            await self._refuse(spare)
        elif not self._runner.sites:
            await self._listen(self._runner, self._port)

    def set_faults_soon(self, faults: Faults) -> None:
        """Set the faults from a callback."""
        self._turning = asyncio.ensure_future(self.set_faults(faults))

    def stats(self) -> dict[str, Any]:
        """Count requests by method and answer, and what was applied."""
        return {
            "requests_total": self.requests.total(),
            "requests": dict(self.requests),
            "in_flight": self.in_flight + (self._light.in_flight if self._light else 0),
            "most_in_flight": max(self.most_in_flight, self._light.most_in_flight if self._light else 0),
            **self.behaviour.stats(),
        }

    async def _listen_lightly(self) -> int:
        """Serve the vendor's port by `Light`, which counts into our counters."""
        light = Light(
            Received, lambda request: self.behaviour.answer(request, self.faults), lambda: self.faults.latency
        )
        light.requests = self.requests
        self._light = light
        return await light.listen(self.options.host, self.options.port)

    async def _listen(self, runner: web.ServerRunner, port: int) -> int:
        await web.TCPSite(runner, self.options.host, port, reuse_address=True, backlog=1024).start()
        chosen: int = runner.addresses[0][1]
        return chosen

    async def _refuse(self, spare: asyncio.BaseTransport | None) -> None:
        for site in list(self._runner.sites):
            await site.stop()
        server = self._runner.server
        for connection in server.connections if server else []:
            if connection.transport and connection.transport is not spare:
                connection.transport.abort()

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path.startswith(CONTROL):
            return await control(self, request)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._respond(request, path)
        finally:
            self.in_flight -= 1

    async def _respond(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        query = request.raw_path.partition("?")[2]
        received = Received(request.method, path, request.headers, await request.read(), query)
        faults = self.faults
        if not self._quiet:
            return await self._troubled(request, received, faults)
        if faults.latency:
            await asyncio.sleep(faults.latency)
        return self._counted(received, await self._answered(received, faults))

    async def _answered(self, received: Received, faults: Faults) -> Answer:
        answer = self.behaviour.answer(received, faults)
        if answer.after_s:
            with suppress(TimeoutError):  # or until the faults change, or the simulator stops
                await asyncio.wait_for(self._changed.wait(), answer.after_s)
        return answer

    def _counted(self, received: Received, answer: Answer) -> web.Response:
        self.requests[f"{received.method} {answer.status}"] += 1
        headers = {} if answer.retry_after_s is None else {"Retry-After": f"{answer.retry_after_s:g}"}
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type, headers=headers)

    async def _troubled(self, request: web.BaseRequest, received: Received, faults: Faults) -> web.StreamResponse:
        if self._hits(faults.hang):
            self.requests[f"{received.method} hung"] += 1
            await self._changed.wait()
            return _cut(request)
        if self._hits(faults.reset_before):
            self.requests[f"{received.method} reset before"] += 1
            return _cut(request)
        await asyncio.sleep(faults.latency)
        refusal = self._refusal(received, faults)
        if refusal is None:
            return await self._applied(request, received, faults)
        if refusal.status == THROTTLED:
            refusal = refusal._replace(retry_after_s=faults.throttle)
        return self._counted(received, refusal)

    def _refusal(self, received: Received, faults: Faults) -> Answer | None:
        """Answer without applying anything, if one of the knobs says so."""
        trouble: int = faults.deny or (THROTTLED if faults.throttle is not None else 0)
        if not trouble and self._hits(faults.error_rate):
            trouble = self._chance.choice(faults.error_statuses)
        if trouble:
            return self.behaviour.trouble(trouble)
        if self._hits(faults.html_200):
            return Answer(200, PAGE, "text/html")
        if self._hits(faults.errors_in_200):
            return self.behaviour.refused_with_200()
        too_large = faults.max_body is not None and len(received.body) > faults.max_body
        return self.behaviour.trouble(TOO_LARGE) if too_large else None

    async def _applied(self, request: web.BaseRequest, received: Received, faults: Faults) -> web.StreamResponse:
        """Apply the request; the answer may then be lost or damaged."""
        answer = await self._answered(received, faults)
        if self._hits(faults.reset_after):
            self.requests[f"{received.method} reset after"] += 1
            return _cut(request)
        if self._hits(faults.empty_200):
            answer = Answer(200)
        huge = self._hits(faults.huge)
        if huge or faults.drip:
            self.requests[f"{received.method} {answer.status}"] += 1
            return await _stream(request, answer, faults.drip, huge=huge)
        return self._counted(received, answer)

    def _hits(self, share: float) -> bool:
        return share > 0 and self._chance.random() < share


B = TypeVar("B", bound=Behaviour)


@dataclass
class Simulated(Generic[B]):
    """A vendor on loopback: its ledger of everything received, and the server around it."""

    ledger: B
    options: SimulatorOptions
    path: str = ""  # of the API, in its base URL
    server: SimulatorServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = SimulatorServer(self.ledger, self.options)

    async def start(self) -> str:
        """Listen; return the base URL."""
        return await self.server.start() + self.path

    async def stop(self) -> None:
        """Close everything; requests that hang are cancelled."""
        await self.server.stop()

    @property
    def control_url(self) -> str:
        """Where ``/_sim/`` answers, whatever the faults."""
        return self.server.control_url

    async def set_faults(self, **knobs: Any) -> None:
        """Set some faults; the others stay."""
        await self.server.set_faults(self.server.faults.changed(knobs))


async def _runner(receive: Any) -> web.ServerRunner:
    server = web.Server(receive, access_log=None, request_factory=_request)
    runner = web.ServerRunner(server, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    return runner


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Make the request as aiohttp does, but allow a body of more than 1 MiB: a batch."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_REQUEST)


def _cut(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _stream(request: web.BaseRequest, answer: Answer, drip: float, *, huge: bool) -> web.StreamResponse:
    """Send 64 MiB of spaces before the answer, or the answer byte by byte."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    await response.prepare(request)
    for _ in range(HUGE // len(CHUNK) if huge else 0):
        await response.write(CHUNK)
    for index in range(len(answer.body)):
        await response.write(answer.body[index : index + 1])
        await asyncio.sleep(drip)
    await response.write_eof()
    return response
