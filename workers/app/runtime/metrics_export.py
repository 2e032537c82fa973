"""Begins the export of metrics by OTLP, where OpenTelemetry's variables name a collector; else it is not imported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from workers.edges.log import log
from workers.edges.telemetry.setup import is_exporting, resource_of

if TYPE_CHECKING:
    from workers.app.runtime.metrics import Family, Shown
    from workers.edges.telemetry.otlp_metrics import MetricsExport

_READ_WITHIN_S: Final = 5.0


async def start_export(
    environ: Mapping[str, str], workers: Mapping[str, Shown], version: str, instance: str
) -> MetricsExport | None:
    """To be called in the loop that owns the workers; None: nothing is exported."""
    if not is_exporting(environ):
        return None
    from workers.app.runtime.metrics import families, read  # noqa: PLC0415 - a process without a collector starts sooner

    loop = asyncio.get_running_loop()

    async def found() -> list[Family]:
        return list(families(read(workers, version, instance)))

    def found_there() -> list[Family]:  # in the SDK's thread
        return asyncio.run_coroutine_threadsafe(found(), loop).result(_READ_WITHIN_S)

    return await asyncio.to_thread(_opened, environ, found_there, version, instance)


def _opened(
    environ: Mapping[str, str], read: Callable[[], list[Family]], version: str, instance: str
) -> MetricsExport | None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    from workers.edges.telemetry.otlp_metrics import open_export  # noqa: PLC0415
    from workers.edges.telemetry.otlp_session import otlp_session  # noqa: PLC0415

    try:
        exporter = OTLPMetricExporter(session=otlp_session(environ))
    except ValueError as error:  # a variable of OpenTelemetry's
        log.error("metrics_not_exported", detail=str(error))
        return None
    return open_export(read, exporter, resource_of(version, instance), environ)
