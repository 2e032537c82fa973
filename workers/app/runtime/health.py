"""The health and metrics server of a process: probes, Prometheus text, status.

It has a thread and a loop of its own: a probe is answered at once while the workers' loop is busy, and also when it is
stuck, which is what `/livez` is for. What only the workers' loop may read is asked for there.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import orjson
from aiohttp import web

from workers.app.runtime.listening import EVERY_ADDRESS, listen_everywhere
from workers.app.runtime.metrics import Reading, metrics_text, read
from workers.app.runtime.readings import Readings

STALE_AFTER_S = 60.0  # without a tick of a loop or a poll of a consumer thread: the process is stuck
ANSWER_WITHIN_S = 3.0  # of the workers' loop
LOOP_STUCK = "the workers' loop does not answer"


class Worker(Protocol):
    """A worker, as far as the server knows it. `status` and `waiting` are for its loop, the others for any thread."""

    @property
    def kind(self) -> str:
        """``sink`` or ``poller``."""

    @property
    def vendor(self) -> str: ...

    @property
    def state(self) -> str:
        """``starting``, ``running`` or ``draining``."""

    def age(self) -> float:
        """Seconds since the slowest of its loops moved."""

    def status(self) -> dict[str, Any]:
        """Its part of ``GET /status``; always has the key ``state``."""

    def waiting(self, order_id: str | None = None) -> dict[str, Any] | None:
        """Its part of ``GET /status/waiting``; None: orders never wait in it."""


class HealthServer:
    """Answers from memory alone: a probe never waits for Kafka or a vendor."""

    def __init__(
        self, workers: Mapping[str, Worker], *, version: str, instance: str, answer_within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._readings = Readings(self.read, answer_within_s)
        self._workers = workers
        self._version = version
        self._instance = instance
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; returns the address, with the port that the system chose for port 0. Raises `OSError`.

        To be called in the workers' loop.
        """
        self._readings.start()
        self._thread = threading.Thread(target=self._loop.run_forever, name="health", daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(self._listen(host, port), self._loop)
        return await asyncio.wrap_future(listening)

    async def stop(self) -> None:
        self._readings.stop()
        if self._thread is not None:
            if self._runner is not None:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop))
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def read(self) -> Reading:
        """The workers as they are now; to be called in their loop."""
        return read(self._workers, self._version, self._instance)

    async def _listen(self, host: str, port: int) -> tuple[str, int]:
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

    async def _startupz(self, _: web.Request) -> web.Response:
        return await self._probe(passed=not any(worker.state == "starting" for worker in self._workers.values()))

    async def _livez(self, _: web.Request) -> web.Response:
        return await self._probe(passed=self._ticks)

    async def _readyz(self, _: web.Request) -> web.Response:
        are_running = all(worker.state == "running" for worker in self._workers.values())
        return await self._probe(passed=are_running and self._ticks)

    @property
    def _ticks(self) -> bool:
        return all(worker.age() < STALE_AFTER_S for worker in self._workers.values())

    async def _probe(self, *, passed: bool) -> web.Response:
        """A failed one says why, worker by worker: it is the first thing that `kubectl` shows."""
        if passed:
            return web.Response(text="ok\n")
        return web.Response(text="not yet\n" + "".join(_reasons(self._remembered())), status=503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=metrics_text(await self._latest()),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _status(self, _: web.Request) -> web.Response:
        return await self._json(lambda: self.read().statuses)

    async def _waiting(self, request: web.Request) -> web.Response:
        """``?order=ID``: each record of one order."""
        order_id = request.query.get("order")

        def waiting() -> dict[str, Any]:
            found = {name: worker.waiting(order_id) for name, worker in self._workers.items()}
            return {name: waits for name, waits in found.items() if waits is not None}

        return await self._json(waiting)

    async def _json(self, of_workers: Callable[[], Mapping[str, Any]]) -> web.Response:
        about: dict[str, Any] = {"version": self._version, "instance": self._instance}
        try:
            body, status = about | {"workers": await self._readings.ask(of_workers)}, 200
        except TimeoutError:  # the operator must see which worker is stuck, and for how long
            body, status = about | {"fault": LOOP_STUCK, "workers": self._known().statuses}, 503
        text = orjson.dumps(body, option=orjson.OPT_INDENT_2)
        return web.Response(body=text, status=status, content_type="application/json")

    async def _latest(self) -> Reading:
        with suppress(TimeoutError):
            return await self._readings.latest()
        return self._known()  # the alert on a stuck loop needs its age

    def _remembered(self) -> Mapping[str, Mapping[str, Any]]:
        """The workers' statuses for a probe, which waits for no loop: what is known now, and the rest as last read."""
        kept = self._readings.kept()
        before = {} if kept is None else kept.statuses
        return {name: {**before.get(name, {}), **known} for name, known in self._known().statuses.items()}

    def _known(self) -> Reading:
        """What can be known without the workers' loop."""
        found = {
            name: {
                "kind": one.kind,
                "vendor": one.vendor,
                "state": one.state,
                "loop_age_seconds": round(one.age(), 1),
            }
            for name, one in self._workers.items()
        }
        return Reading(self._version, self._instance, found)


def _reasons(statuses: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, status in statuses.items():
        stuck = status["loop_age_seconds"] >= STALE_AFTER_S
        if stuck or status["state"] != "running":
            age = f"; its loop has not moved for {status['loop_age_seconds']:.0f} s" if stuck else ""
            yield f"{name}: {status['state']}{age}{_reason(status)}\n"


def _reason(status: Mapping[str, Any]) -> str:
    kafka = status.get("kafka") or {}
    reasons = [status.get("last_error"), f"Kafka: {kafka['detail']}" if kafka.get("detail") else None]
    return "".join(f"; {reason}" for reason in reasons if reason)
