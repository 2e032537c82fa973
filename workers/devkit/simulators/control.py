"""The requests under ``/_sim/``: the fault knobs, and what the simulator received and applied."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web
from pydantic import ValidationError

from workers.devkit.simulators.faults import as_seconds

if TYPE_CHECKING:
    from workers.devkit.simulators.server import SimulatorServer

CONTROL: Final = "/_sim/"


async def control(server: SimulatorServer, request: web.BaseRequest) -> web.Response:
    """Answer a request of the test or the person that controls the simulator."""
    match request.method, request.path.removeprefix(CONTROL):
        case "GET", "stats":
            return _json(server.stats())
        case "GET", "orders":
            return _json(server.behaviour.orders())
        case "GET", "log":
            start = request.query.get("from", "0")
            return _json(server.behaviour.log(int(start) if start.isdecimal() else 0))
        case "POST", "orders":
            return _move(server, await request.read())
        case ("GET" | "POST" | "DELETE") as method, "faults":
            return await _faults(server, method, request)
        case _:
            return _json({"error": "there are stats, orders, log and faults under /_sim/"}, 404)


async def _faults(server: SimulatorServer, method: str, request: web.BaseRequest) -> web.Response:
    """GET shows the faults, DELETE resets them to those of the start, POST sets some of them."""
    if method == "POST":
        return await _turn(server, request)
    if method == "DELETE":
        await server.set_faults(server.options.faults, spare=request.transport)
    return _json(server.faults.model_dump(mode="json"))


async def _turn(server: SimulatorServer, request: web.BaseRequest) -> web.Response:
    """Set some faults; with ``for`` they are reset after that time."""
    before = server.faults
    try:
        knobs: dict[str, Any] = orjson.loads(await request.read())
        lasts = as_seconds(knobs.pop("for", None))
        faults = before.changed(knobs)
    except (ValueError, ValidationError, AttributeError, TypeError) as error:
        return _json({"error": str(error)}, 400)
    await server.set_faults(faults, spare=request.transport)
    if lasts is not None:
        asyncio.get_running_loop().call_later(lasts, server.set_faults_soon, before)
    return _json(faults.model_dump(mode="json"))


def _move(server: SimulatorServer, body: bytes) -> web.Response:
    """Move one order by hand, at a vendor whose orders can be."""
    if not hasattr(server.behaviour, "move"):
        return _json({"error": "this vendor's orders are moved by requests alone"}, 404)
    try:
        return _json(server.behaviour.move(orjson.loads(body)))
    except ValueError as error:
        return _json({"error": str(error)}, 400)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
