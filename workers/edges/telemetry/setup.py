"""Decides by OpenTelemetry's own variables whether spans are recorded; the SDK reads all other variables itself."""

from collections.abc import Iterator, Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Protocol

from workers.edges.telemetry import names
from workers.edges.telemetry.tracing import PassOn, Tracing
from workers.edges.telemetry.variables import Unusable, unusable_values

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_ENABLED_BY: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
_METRICS_ENABLED_BY: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_SPOKEN: Final = "http/protobuf"
_WANTED: Final = f"the relay exports by {_SPOKEN}: set that, and the collector's port for it (usually 4318)"
_EXPORTERS: Final = ("otlp", "console")
_PROPAGATORS: Final = frozenset({"tracecontext", "baggage"})


class Closing(Protocol):
    """Spans or metrics on their way to a collector."""

    def close(self) -> None:
        """Send what is left."""


def is_recording(environ: Mapping[str, str]) -> bool:
    """Whether the variables name where spans go."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return not _is_disabled(environ) and exporter != "none" and any(environ.get(name) for name in _ENABLED_BY)


def is_exporting(environ: Mapping[str, str]) -> bool:
    """Whether the variables name where metrics go."""
    exporters = {one.strip() for one in (environ.get("OTEL_METRICS_EXPORTER") or "otlp").lower().split(",")}
    goes = not _is_disabled(environ) and "otlp" in exporters
    return goes and any(environ.get(name) for name in _METRICS_ENABLED_BY)


def _is_disabled(environ: Mapping[str, str]) -> bool:
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def unusable(environ: Mapping[str, str]) -> Iterator[Unusable]:
    """What the relay refuses to start with: else spans or metrics would silently go nowhere."""
    signals = {"TRACES": is_recording(environ), "METRICS": is_exporting(environ)}
    if any(signals.values()):
        yield from unusable_values(environ)
    variables = [_protocol_of(signal, environ) for signal, goes in signals.items() if goes]
    for variable in dict.fromkeys(one for one in variables if one is not None):
        yield Unusable(variable, f"'{environ[variable].strip()}' is not spoken; {_WANTED}")
    if is_recording(environ):
        yield from _not_spoken(environ)


def _protocol_of(signal: str, environ: Mapping[str, str]) -> str | None:
    """The variable that asks for a protocol of a signal that is not spoken."""
    names_of = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    asks = next((name for name in names_of if environ.get(name)), None)
    return None if asks is None or environ[asks].strip() == _SPOKEN else asks


def _not_spoken(environ: Mapping[str, str]) -> Iterator[Unusable]:
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if exporter not in _EXPORTERS:
        yield Unusable("OTEL_TRACES_EXPORTER", f"one of otlp, console, none is wanted, not '{exporter}'")
    propagators = environ.get("OTEL_PROPAGATORS", "")
    unknown = {one.strip() for one in propagators.split(",") if one.strip()} - _PROPAGATORS
    if unknown:
        yield Unusable("OTEL_PROPAGATORS", f"records carry tracecontext and baggage; '{min(unknown)}' is not spoken")


def open_tracing(environ: Mapping[str, str], version: str, instance: str) -> Tracing:
    """Recording where the standard variables name a collector, else passing on. ``environ``: this process's."""
    if not is_recording(environ):
        return PassOn()
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - costs 0.1 s, unless recorded
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

    from workers.edges.telemetry.exporting import BoundedExport, Losses  # noqa: PLC0415
    from workers.edges.telemetry.recording import Recording  # noqa: PLC0415
    from workers.edges.telemetry.spans import SpanMaker  # noqa: PLC0415

    losses = Losses()
    provider = TracerProvider(resource=resource_of(version, instance), shutdown_on_exit=False)
    scope = InstrumentationScope(names.SCOPE, version, names.SCHEMA_URL)
    return Recording(SpanMaker(provider, BoundedExport(_exporter(environ), losses), scope), losses)


def close_within(export: Closing, seconds: float) -> bool:
    """Send what is left; False: the collector did not take it in time, and it is given up."""
    closing = Thread(target=export.close, daemon=True)
    closing.start()
    closing.join(seconds)
    return not closing.is_alive()


def _exporter(environ: Mapping[str, str]) -> "SpanExporter":
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter  # noqa: PLC0415 - as above

    from workers.edges.telemetry.otlp import OtlpExporter, ReadableExport  # noqa: PLC0415
    from workers.edges.telemetry.otlp_session import otlp_session  # noqa: PLC0415

    if environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "console":
        return ReadableExport(ConsoleSpanExporter())
    return OtlpExporter(session=otlp_session(environ))


def resource_of(version: str, instance: str) -> Any:
    """Make the ``Resource`` that spans are sent with; OpenTelemetry's variables win over our defaults."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - as above

    ours = {"service.name": "order-relay", "service.version": version, "service.instance.id": instance}
    return Resource.create(ours).merge(OTELResourceDetector().detect())
