"""A value of OpenTelemetry's that means nothing is one line with its variable, and no stack trace of the SDK."""

import pytest

from workers.edges.telemetry.variables import unusable_values

OTLP = "OTEL_EXPORTER_OTLP"


@pytest.mark.parametrize(
    ("variable", "good", "bad"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", ["512", "4096"], ["many", "0", "-1", "1.5", "100"]),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", ["1", "2048"], ["2049", "x"]),
        ("OTEL_BSP_SCHEDULE_DELAY", ["5000"], ["5s", "-1"]),
        ("OTEL_BSP_EXPORT_TIMEOUT", ["30000"], ["30s", "0"]),
        ("OTEL_METRIC_EXPORT_INTERVAL", ["60000"], ["1m"]),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", ["0", "128", ""], ["-2", "all"]),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", ["1000"], ["long"]),
        ("OTEL_TRACES_SAMPLER", ["parentbased_always_on", "TraceIdRatio"], ["always", "10%"]),
        (f"{OTLP}_ENDPOINT", ["http://collector:4318", "HTTPS://collector"], ["collector:4317"]),
        (f"{OTLP}_TRACES_TIMEOUT", ["10", "0.5"], ["10s", "0", "nan"]),
        (f"{OTLP}_METRICS_COMPRESSION", ["gzip", "none"], ["zip"]),
        (f"{OTLP}_HEADERS", ["authorization=Bearer%20x,tenant=1", ""], ["Bearer canary"]),
        (f"{OTLP}_CERTIFICATE", [__file__], ["/no/such/file"]),
        (f"{OTLP}_METRICS_TEMPORALITY_PREFERENCE", ["Delta"], ["sum"]),
        ("OTEL_METRICS_EXEMPLAR_FILTER", ["trace_based"], ["some"]),
        ("OTEL_RESOURCE_ATTRIBUTES", ["service.name=x,a=b"], ["service.name"]),
    ],
)
def test_a_value_that_means_nothing_is_named(variable: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert list(unusable_values({variable: text})) == []
    for text in bad:
        (found,) = unusable_values({variable: text})
        assert found.variable == variable
        assert "canary" not in found.message


@pytest.mark.parametrize(("share", "refused"), [("0.1", False), ("1", False), ("7", True), ("a tenth", True)])
def test_the_share_of_a_sampler_is_a_number_from_0_to_1(share: str, *, refused: bool) -> None:
    environ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    assert bool([*unusable_values(environ)]) is refused
    assert [*unusable_values({"OTEL_TRACES_SAMPLER_ARG": share})] == [], "no sampler reads it"
