"""One process: its workers, its health server, its signals, its end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from workers.app.config.configuration import Configuration
from workers.app.config.settings import HttpAddress, Settings
from workers.app.events.schemas import open_registry, read_schemas
from workers.app.runtime.build import Shared, build_worker
from workers.app.runtime.listening import EVERY_ADDRESS, listen_everywhere
from workers.app.runtime.metrics_export import start_export
from workers.app.runtime.rights import log_missing_rights
from workers.edges.aio import run_in_daemon_thread
from workers.edges.avro.codec import Codec
from workers.edges.kafka.reach.brokers import Brokers
from workers.edges.log import log, set_up
from workers.edges.telemetry.setup import close_within, open_tracing
from workers.edges.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from workers.app.runtime.health import HealthServer, Worker
    from workers.edges.telemetry.otlp_metrics import MetricsExport

SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LEAVE_AT_ONCE = 1  # exit status of a second signal
_TRACES_WITHIN_S = 1.0
LOOK_EVERY_S = 1.0
SWITCH_INTERVAL_S = 0.001


class WorkerFailed(Exception):  # noqa: N818 - it names the end of a worker
    """A worker cannot go on; the message is one line."""


def run_workers(names: Sequence[str], configuration: Configuration, environ: Mapping[str, str]) -> None:
    """Run these workers until SIGTERM or SIGINT; raises `WorkerFailed`, and `OSError` when the port is taken."""
    settings = configuration.settings
    set_up(settings.log_level, settings.log_format)
    collect_seldom()
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # the health thread waits so long for the busy loop, at each system call
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(names, configuration, environ))


async def _run(names: Sequence[str], configuration: Configuration, environ: Mapping[str, str]) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Exception | None] = loop.create_future()
    brokers = Brokers(",".join(configuration.settings.kafka.bootstrap))
    configuration = _shown_to(brokers, configuration)
    settings, about = configuration.settings, version("order-relay")
    registry = open_registry(settings.registry)
    shared = Shared(
        codec=Codec(read_schemas(configuration.config), loop.time, registry),
        tracing=open_tracing(environ, about, settings.instance_id),
        brokers=brokers,
        failed=lambda error: None if ended.done() else ended.set_result(error),
    )
    _claim(settings.http)  # before a worker opens what would have to be closed
    workers = {name: build_worker(name, configuration, shared) for name in names}
    _on_signal(loop, ended)
    _watch_until(ended, brokers)
    starting = asyncio.gather(*(worker.start() for worker in workers.values()))
    starting.add_done_callback(lambda done: done.cancelled() or done.exception())  # else asyncio logs it
    server = await _listen(settings, workers, about)
    export = await start_export(environ, workers, about, settings.instance_id)
    await asyncio.wait((starting, ended), return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        await starting
        log.info(
            "started", workers=list(names), instance=settings.instance_id, version=about, **_partners(configuration)
        )
        rights = loop.create_task(log_missing_rights(names, configuration))
        ended.add_done_callback(lambda _: rights.cancel())
    starting.cancel()  # a signal came while Kafka cannot be reached, which may last for ever
    error = await ended
    await asyncio.gather(*(worker.drain(configuration.config.workers[name].drain) for name, worker in workers.items()))
    await _end(shared.tracing, export)
    if server is not None:
        await server.stop()
    if registry is not None:
        await registry.close()
    if error is not None:
        raise WorkerFailed(str(error) or type(error).__name__) from error
    log.info("ended", workers=list(names))


def _shown_to(brokers: Brokers, configuration: Configuration) -> Configuration:
    """The configuration with whose connection every client of Kafka reports that it waits."""
    kafka = replace(configuration.settings.kafka, waiting=brokers)
    return replace(configuration, settings=replace(configuration.settings, kafka=kafka))


def _watch_until(ended: asyncio.Future[Exception | None], brokers: Brokers) -> None:
    """Judge the brokers until then: clients that we close ourselves get no answer."""
    watching = asyncio.get_running_loop().create_task(_watch(brokers))
    ended.add_done_callback(lambda _: watching.cancel())


async def _watch(brokers: Brokers) -> None:
    while True:
        brokers.look()
        await asyncio.sleep(LOOK_EVERY_S)


def _partners(configuration: Configuration) -> dict[str, Any]:
    """With whom this process works, and how: what an operator asks first of a log."""
    workers = configuration.config.workers
    modes = {name: getattr(workers[name].options, "mode", None) for name in configuration.credentials}
    return {
        "kafka": list(configuration.settings.kafka.bootstrap),
        "vendors": {name: found["BASE_URL"] for name, found in configuration.credentials.items()},
        "modes": {name: mode for name, mode in modes.items() if mode} or None,
    }


async def _end(tracing: Tracing, export: MetricsExport | None) -> None:
    """Send the last spans and numbers; a collector that does not answer holds up neither the end nor a signal."""
    try:
        await run_in_daemon_thread(tracing.close, _TRACES_WITHIN_S)
    except TimeoutError:
        log.warning("spans_lost", detail="the collector does not take them; is OTEL_EXPORTER_OTLP_ENDPOINT right?")
    if export is not None:
        await asyncio.to_thread(close_within, export, _TRACES_WITHIN_S)


def _claim(address: HttpAddress | None) -> None:
    """Raise `OSError` if the port is taken, before the group is joined: a copy of this process, started
    by mistake, would take this one's place in the group.
    """
    if address is None:
        return
    if address.host == EVERY_ADDRESS:
        listen_everywhere(address.port).close()
        return
    family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    socket.create_server(place[:2], family=family).close()


async def _listen(settings: Settings, workers: Mapping[str, Worker], about: str) -> HealthServer | None:
    """Open the health server. Its library is imported while the workers wait for Kafka: they need not wait for it."""
    if settings.http is None:
        return None
    http = await asyncio.to_thread(import_module, "workers.app.runtime.health")
    server: HealthServer = http.HealthServer(workers, version=about, instance=settings.instance_id)
    host, port = await server.start(settings.http.host, settings.http.port)
    log.info("listening", address=f"http://{f'[{host}]' if ':' in host else host}:{port}")
    return server


def _on_signal(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[Exception | None]) -> None:
    """The first signal drains; the second leaves at once, with nothing more committed."""

    def signalled() -> None:
        if ended.done():
            log.warning("leaving_at_once")
            os._exit(_LEAVE_AT_ONCE)
        ended.set_result(None)

    for one in SIGNALS:
        loop.add_signal_handler(one, signalled)


def collect_seldom() -> None:
    """Records end by reference counts. To look for cycles among a full fetch budget after every 700 objects, as Python
    does by default, takes a third of the processor time.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return None
    factory: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return factory
