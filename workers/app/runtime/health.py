"""The health and metrics server of a process: probes, Prometheus text, status."""

from collections.abc import Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web

from workers.app.runtime.listening import EVERY_ADDRESS, listen_everywhere
from workers.app.runtime.metrics import metrics_text

STALE_AFTER_S = 60.0  # without a tick of a loop or a poll of a consumer thread: the process is stuck


class Worker(Protocol):
    """A worker, as far as the server knows it."""

    def status(self) -> dict[str, Any]:
        """Its part of ``GET /status``; always has the key ``state``."""

    def waiting(self, order_id: str | None = None) -> dict[str, Any] | None:
        """Its part of ``GET /status/waiting``; None: orders never wait in it."""

    def age(self) -> float:
        """Seconds since the slowest of its loops moved."""


class HealthServer:
    """Answers from memory alone: a probe never waits for Kafka or a vendor."""

    def __init__(self, workers: Mapping[str, Worker], *, version: str, instance: str) -> None:
        self._workers = workers
        self._about = {"version": version, "instance": instance}
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address, with the port that the system chose for port 0. Raises `OSError`."""
        app = web.Application()
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/status", self._status)
        app.router.add_get("/status/waiting", self._waiting)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        everywhere = host == EVERY_ADDRESS
        site = (
            web.SockSite(self._runner, listen_everywhere(port)) if everywhere else web.TCPSite(self._runner, host, port)
        )
        await site.start()
        found: tuple[str, int] = self._runner.addresses[0][:2]
        return found

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _startupz(self, _: web.Request) -> web.Response:
        return _probe(not any(status["state"] == "starting" for status in self._statuses().values()), self._waits())

    def _waits(self) -> str:
        """Why it is not ready, worker by worker: a probe's answer is the first thing that `kubectl` shows."""
        return "".join(
            f"{name}: {status['state']}{_reason(status)}\n"
            for name, status in self._statuses().items()
            if status["state"] != "running"
        )

    async def _livez(self, _: web.Request) -> web.Response:
        return _probe(all(worker.age() < STALE_AFTER_S for worker in self._workers.values()))

    async def _readyz(self, _: web.Request) -> web.Response:
        return _probe(all(status["state"] == "running" for status in self._statuses().values()), self._waits())

    async def _metrics(self, _: web.Request) -> web.Response:
        text = metrics_text(self._statuses(), self._about["version"])
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _status(self, _: web.Request) -> web.Response:
        body = orjson.dumps(self._about | {"workers": self._statuses()}, option=orjson.OPT_INDENT_2)
        return web.Response(body=body, content_type="application/json")

    async def _waiting(self, request: web.Request) -> web.Response:
        """``?order=ID``: each record of one order."""
        order_id = request.query.get("order")
        found = {name: worker.waiting(order_id) for name, worker in self._workers.items()}
        sinks = {name: waiting for name, waiting in found.items() if waiting is not None}
        body = orjson.dumps(self._about | {"workers": sinks}, option=orjson.OPT_INDENT_2)
        return web.Response(body=body, content_type="application/json")

    def _statuses(self) -> dict[str, dict[str, Any]]:
        return {name: worker.status() for name, worker in self._workers.items()}


def _reason(status: Mapping[str, Any]) -> str:
    kafka = status.get("kafka") or {}
    reasons = [status.get("last_error"), f"Kafka: {kafka['detail']}" if kafka.get("detail") else None]
    return "".join(f"; {reason}" for reason in reasons if reason)


def _probe(passed: bool, why: str = "") -> web.Response:
    return web.Response(text="ok\n" if passed else f"not yet\n{why}", status=200 if passed else 503)
