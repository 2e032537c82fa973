"""The environment as settings: defaults, mounted files, and every fault in one run."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.topics_yaml import load_settings
from workers.app.config.errors import ConfigError
from workers.app.config.settings import VARIABLES, HttpAddress
from workers.edges.kafka.client import connection_options

CANARY = "canary-7f3a"


def faults(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ)
    return {fault.place: fault.message for fault in caught.value.faults}


def test_the_defaults_fit_a_laptop() -> None:
    settings = load_settings({})
    assert settings.kafka.bootstrap == ("localhost:9092",)
    assert settings.kafka.protocol == "PLAINTEXT"
    assert settings.registry is None
    assert settings.http == HttpAddress("127.0.0.1", 8080)
    assert settings.config_path == Path("topics.yaml")
    assert settings.instance_id == socket.gethostname()
    assert settings.log_level == "info"
    assert settings.replication_factor is None
    assert not settings.allow_http_vendors


def test_only_the_given_mapping_is_read_not_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_LOG_LEVEL", "debug")
    assert load_settings({}).log_level == "info"


@pytest.mark.parametrize(("terminal", "usual"), [(True, "text"), (False, "json")])
def test_the_log_is_text_on_a_terminal_and_json_elsewhere_unless_it_is_set(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, usual: str
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert load_settings({}).log_format == usual
    assert load_settings({"RELAY_LOG_FORMAT": "json"}).log_format == "json"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load_settings({"SCHEMA_REGISTRY_URL": "", "RELAY_REPLICATION_FACTOR": ""}).registry is None


@pytest.mark.parametrize(
    ("environ", "wrong"),
    [
        ({"RELAY_TRACE_URL": "https://traces.example/"}, "RELAY_TRACE_URL"),
        ({"RELAY_TRACE_URL": "traces.example/{trace_id}"}, "RELAY_TRACE_URL"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ),
    ],
)
def test_traces_that_would_lead_nowhere_are_refused(environ: dict[str, str], wrong: str) -> None:
    assert list(faults(environ)) == [wrong]


def test_the_http_server_can_be_off_or_on_ipv6() -> None:
    assert load_settings({"RELAY_HTTP_ADDR": "off"}).http is None
    assert load_settings({"RELAY_HTTP_ADDR": "[::1]:0"}).http == HttpAddress("::1", 0)
    for every in ("*:8080", ":8080"):
        assert load_settings({"RELAY_HTTP_ADDR": every}).http == HttpAddress("*", 8080)


@pytest.mark.parametrize("address", ["x", "host:", "8080", ":99999", "host:99999", "host:-1", "a b:80"])
def test_an_address_that_cannot_be_listened_on_is_refused(address: str) -> None:
    assert set(faults({"RELAY_HTTP_ADDR": address})) == {"RELAY_HTTP_ADDR"}


def test_any_variable_may_come_from_a_file_and_one_last_newline_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "servers").write_text("a:1, b:2\n")
    settings = load_settings({"KAFKA_BOOTSTRAP_SERVERS_FILE": str(tmp_path / "servers")})
    assert settings.kafka.bootstrap == ("a:1", "b:2")


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_an_unusable_file_is_named_by_its_variable(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "value"
    if content is not None:
        file.write_bytes(content)
    assert set(faults({"RELAY_LOG_LEVEL_FILE": str(file)})) == {"RELAY_LOG_LEVEL_FILE"}


def test_a_variable_and_its_file_together_are_refused(tmp_path: Path) -> None:
    assert "not both" in faults({"RELAY_LOG_LEVEL": "info", "RELAY_LOG_LEVEL_FILE": "/x"})["RELAY_LOG_LEVEL"]


def test_one_run_reports_every_fault() -> None:
    found = faults(
        {
            "KAFKA_BOOTSTRAP_SERVERS": "nowhere",
            "KAFKA_SECURITY_PROTOCOL": "SASL",
            "SCHEMA_REGISTRY_URL": "registry:8081",
            "SCHEMA_REGISTRY_USERNAME": "me",
            "RELAY_HTTP_ADDR": "no",
            "RELAY_REPLICATION_FACTOR": "0",
            "RELAY_INSTANCE_ID": "a b",
            "RELAY_LOG_LEVEL": "loud",
            "RELAY_ALLOW_HTTP_VENDORS": "perhaps",
        }
    )
    assert set(found) == {
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_SECURITY_PROTOCOL",
        "SCHEMA_REGISTRY_URL",
        "SCHEMA_REGISTRY_PASSWORD",
        "RELAY_HTTP_ADDR",
        "RELAY_REPLICATION_FACTOR",
        "RELAY_INSTANCE_ID",
        "RELAY_LOG_LEVEL",
        "RELAY_ALLOW_HTTP_VENDORS",
    }
    assert all("must" in message or "needed" in message or "together" in message for message in found.values())


def test_scram_without_user_or_password_is_refused() -> None:
    found = faults(
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": "",
            "KAFKA_SASL_PASSWORD": "",
        }
    )
    assert set(found) == {"KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"}


def test_a_password_that_would_not_be_used_is_refused() -> None:
    assert "KAFKA_SECURITY_PROTOCOL" in faults({"KAFKA_SASL_PASSWORD": CANARY})["KAFKA_SASL_PASSWORD"]


def test_certificates_must_be_files_that_can_be_read(tmp_path: Path) -> None:
    environ = {
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CAFILE": str(tmp_path / "no"),
        "KAFKA_SSL_KEYFILE": __file__,
    }
    assert set(faults(environ)) == {"KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE"}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A certificate with its key; the key encrypted; both in one file; and a key of another certificate."""
    folder = tmp_path_factory.mktemp("pem")
    names = {name: str(folder / name) for name in ("cert", "key", "encrypted", "both", "other")}
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=relay"]
    for command in (
        [*request, "-keyout", names["other"], "-out", names["cert"]],
        [*request, "-keyout", names["key"], "-out", names["cert"]],
        ["openssl", "pkey", "-in", names["key"], "-aes256", "-passout", f"pass:{CANARY}", "-out", names["encrypted"]],
    ):
        subprocess.run(command, check=True, capture_output=True)
    Path(names["both"]).write_text(Path(names["encrypted"]).read_text() + Path(names["cert"]).read_text())
    return names


@pytest.mark.parametrize(
    ("files", "password", "fault"),
    [
        (("cert", "key"), "", None),
        (("cert", "key"), "unused", None),
        (("cert", "encrypted"), CANARY, None),
        (("both",), CANARY, None),
        (("cert", "encrypted"), "", ("KAFKA_SSL_KEYFILE", "is encrypted: set KAFKA_SSL_PASSWORD")),
        (("cert", "encrypted"), "wrong", ("KAFKA_SSL_PASSWORD", "does not decrypt the key in KAFKA_SSL_KEYFILE")),
        (("both",), "", ("KAFKA_SSL_CERTFILE", "is encrypted")),
        (("cert", "other"), "", ("KAFKA_SSL_KEYFILE", "TLS cannot use it")),
        (("key", "key"), "", ("KAFKA_SSL_KEYFILE", "TLS cannot use it")),
    ],
)
def test_a_client_key_that_cannot_be_used_is_named_and_the_terminal_is_never_asked(
    pem: dict[str, str], files: tuple[str, ...], password: str, fault: tuple[str, str] | None
) -> None:
    environ = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTFILE": pem[files[0]]}
    if len(files) > 1:
        environ["KAFKA_SSL_KEYFILE"] = pem[files[1]]
    if password:
        mounted = Path(pem["cert"]).with_name("password")
        mounted.write_text(f"{password}\n")
        environ["KAFKA_SSL_PASSWORD_FILE"] = str(mounted)
    if fault is None:
        options = connection_options(load_settings(environ).kafka)
        password_of_now = options["ssl_password"]
        assert (password_of_now() if callable(password_of_now) else password_of_now) == password
    else:
        found = faults(environ)
        assert list(found) == [fault[0]]
        assert fault[1] in found[fault[0]]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("RELAY_HTTP_ADR", "RELAY_HTTP_ADDR"),
        ("SCHEMA_REGISTRY_URI", "SCHEMA_REGISTRY_URL"),
    ],
)
def test_a_misspelt_variable_is_named_with_the_right_one(wrong: str, right: str) -> None:
    assert f"'{right}'" in faults({wrong: "x"})[wrong]


def test_variables_that_kubernetes_sets_under_our_prefixes_are_ignored() -> None:
    load_settings({"RELAY_SERVICE_HOST": "10.0.0.1", "RELAY_PORT_8080_TCP_ADDR": "10.0.0.1", "KAFKA_PORT": "tcp://x"})


@pytest.mark.parametrize("secret", ["KAFKA_SASL_PASSWORD", "KAFKA_SSL_PASSWORD", "SCHEMA_REGISTRY_PASSWORD"])
def test_no_secret_is_in_any_message_or_repr(secret: str) -> None:
    """With every other variable wrong in turn, the secret is never shown."""
    for name in sorted(VARIABLES - {secret}):
        try:
            shown = repr(load_settings({secret: CANARY, name: "\x00wrong"}))
        except ConfigError as error:
            shown = f"{error} {error.faults}"
        assert CANARY not in shown
    url = f"http://me:{CANARY}@registry"
    assert CANARY not in str(faults({"SCHEMA_REGISTRY_URL": url}))


def test_the_settings_of_a_secured_cluster_do_not_show_its_password() -> None:
    settings = load_settings(
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
            "KAFKA_SASL_USERNAME": "relay",
            "KAFKA_SASL_PASSWORD": CANARY,
            "SCHEMA_REGISTRY_URL": "http://localhost:8081",
            "SCHEMA_REGISTRY_USERNAME": "relay",
            "SCHEMA_REGISTRY_PASSWORD": CANARY,
        }
    )
    assert settings.kafka.password == CANARY
    assert settings.registry is not None
    assert settings.registry.password == CANARY
    assert CANARY not in repr(settings)
