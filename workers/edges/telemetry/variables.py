"""Values of OpenTelemetry's variables that its SDK refuses with a stack trace, or replaces in silence.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and .../protocol/exporter/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_OTLP: Final = tuple(f"OTEL_EXPORTER_OTLP_{signal}" for signal in ("", "TRACES_", "METRICS_"))
_QUEUE, _BATCH = "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
_SAMPLER, _SAMPLER_ARG = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
_POSITIVE: Final = (
    _QUEUE, _BATCH, "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
)  # fmt: skip
_LIMITS: Final = (
    "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)  # fmt: skip
_SAMPLERS: Final = ("always_on", "always_off", "traceidratio")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    _SAMPLER: (*_SAMPLERS, *(f"parentbased_{one}" for one in _SAMPLERS)),
    **{f"{signal}COMPRESSION": ("none", "gzip", "deflate") for signal in _OTLP},
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": ("cumulative", "delta", "lowmemory"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": (
        "explicit_bucket_histogram",
        "base2_exponential_bucket_histogram",
    ),
    "OTEL_METRICS_EXEMPLAR_FILTER": ("always_on", "always_off", "trace_based"),
}
USUAL_QUEUE, _USUAL_BATCH = 2_048, 512  # spans: the SDK's


class Unusable(NamedTuple):
    """A variable of OpenTelemetry's whose value the relay cannot follow."""

    variable: str
    message: str


def unusable_values(environ: Mapping[str, str]) -> Iterator[Unusable]:
    """Each variable with a value that means nothing; the value of one that may be secret is not shown."""
    given = {name: text.strip() for name, text in environ.items() if name.startswith("OTEL_") and text.strip()}
    for names, least in ((_POSITIVE, 1), (_LIMITS, 0)):
        for name in given.keys() & set(names):
            if not (given[name].isdecimal() and int(given[name]) >= least):
                yield Unusable(name, f"wanted: a whole number of at least {least}, not '{given[name]}'")
    for name in given.keys() & _CHOICES.keys():
        if given[name].lower() not in _CHOICES[name]:
            yield Unusable(name, f"wanted: one of {', '.join(_CHOICES[name])}, not '{given[name]}'")
    yield from _ratio(given)
    yield from _batch(given)
    for prefix in _OTLP:
        yield from _of_exporter(prefix, given)
    if not _are_pairs(given.get("OTEL_RESOURCE_ATTRIBUTES", "")):
        yield Unusable("OTEL_RESOURCE_ATTRIBUTES", "wanted: NAME=VALUE, with commas between them")


def _ratio(given: Mapping[str, str]) -> Iterator[Unusable]:
    text = given.get(_SAMPLER_ARG, "")
    is_used = bool(text) and given.get(_SAMPLER, "").lower().endswith("traceidratio")
    if is_used and not 0 <= _number(text, -1.0) <= 1:
        yield Unusable(_SAMPLER_ARG, f"wanted: a share from 0 to 1, such as 0.1, not '{text}'")


def _batch(given: Mapping[str, str]) -> Iterator[Unusable]:
    """The SDK refuses batches that are larger than the queue."""
    queue, batch = given.get(_QUEUE, str(USUAL_QUEUE)), given.get(_BATCH, str(_USUAL_BATCH))
    if queue.isdecimal() and batch.isdecimal() and 0 < int(queue) < int(batch):
        name = _BATCH if _BATCH in given else _QUEUE
        yield Unusable(name, f"{_BATCH} ({batch}) must be at most {_QUEUE} ({queue})")


def _of_exporter(prefix: str, given: Mapping[str, str]) -> Iterator[Unusable]:
    endpoint, timeout = given.get(f"{prefix}ENDPOINT"), given.get(f"{prefix}TIMEOUT")
    if endpoint and not endpoint.lower().startswith(("http://", "https://")):
        yield Unusable(f"{prefix}ENDPOINT", "wanted: an address such as http://collector:4318")
    if timeout and not _number(timeout, 0.0) > 0:
        yield Unusable(f"{prefix}TIMEOUT", f"wanted: seconds, such as 10, not '{timeout}'")
    for name in (f"{prefix}{file}" for file in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")):
        if name in given and not Path(given[name]).is_file():
            yield Unusable(name, f"there is no file {given[name]}")
    if not _are_pairs(given.get(f"{prefix}HEADERS", "")):
        yield Unusable(f"{prefix}HEADERS", "wanted: NAME=VALUE, with commas between them; blanks as %20")


def _are_pairs(text: str) -> bool:
    return all("=" in pair and not pair.strip().startswith("=") for pair in text.split(",") if pair.strip())


def _number(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise
