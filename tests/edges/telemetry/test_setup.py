"""OpenTelemetry's own variables decide what is recorded and where it goes."""

import pytest

from workers.edges.telemetry.recording import Recording
from workers.edges.telemetry.setup import close_within, is_exporting, open_tracing, resource_of, unusable
from workers.edges.telemetry.tracing import PassOn

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environ", "records"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_standard_variables_decide_whether_spans_are_recorded(environ: dict[str, str], *, records: bool) -> None:
    tracing = open_tracing(environ, "1.0", "pod-1")
    assert isinstance(tracing, Recording) is records
    assert isinstance(tracing, PassOn) is not records
    assert close_within(tracing, 10)


@pytest.mark.parametrize(
    ("environ", "name", "instance"),
    [
        ({}, "order-relay", "pod-1"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=relay-prod,deployment.environment.name=x"}, "relay-prod", "pod-1"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=x", "OTEL_SERVICE_NAME": "relay-prod"}, "relay-prod", "pod-1"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=other"}, "order-relay", "other"),
    ],
)
def test_standard_variables_name_the_service(
    environ: dict[str, str], name: str, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, text in environ.items():
        monkeypatch.setenv(variable, text)
    attributes = resource_of("1.0", "pod-1").attributes
    assert (attributes["service.name"], attributes["service.version"]) == (name, "1.0")
    assert attributes["service.instance.id"] == instance
    assert attributes["telemetry.sdk.language"] == "python"


@pytest.mark.parametrize(
    ("environ", "exports"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318/v1/metrics"}, True),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "prometheus"}, False),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "prometheus,otlp"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_the_standard_variables_decide_whether_metrics_are_exported(environ: dict[str, str], *, exports: bool) -> None:
    assert is_exporting(environ) is exports


@pytest.mark.parametrize(
    ("environ", "refused"),
    [
        ({}, []),
        (ENDPOINT, []),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, []),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["OTEL_EXPORTER_OTLP_PROTOCOL"]),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, []),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, ["OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"]),
        (
            ENDPOINT | {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["OTEL_EXPORTER_OTLP_PROTOCOL"],
        ),
        (ENDPOINT | {"OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, []),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, ["OTEL_TRACES_EXPORTER"]),
        (ENDPOINT | {"OTEL_PROPAGATORS": "tracecontext,baggage"}, []),
        (ENDPOINT | {"OTEL_PROPAGATORS": "b3"}, ["OTEL_PROPAGATORS"]),
    ],
)
def test_what_the_relay_cannot_follow_is_refused(environ: dict[str, str], refused: list[str]) -> None:
    assert [one.variable for one in unusable(environ)] == refused
