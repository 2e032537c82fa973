"""A password for Kafka that is changed in its file counts from the next connection on, without a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workers.app.settings import load_settings
from workers.edges.kafka_client import connection_options


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "password"
    place.write_text("first-71c4\n")
    return place


def options(file: Path, mechanism: str) -> dict[str, Any]:
    """What a client is opened with, once."""
    environ = {
        "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": mechanism,
        "KAFKA_SASL_USERNAME": "relay",
        "KAFKA_SASL_PASSWORD_FILE": str(file),
    }
    settings = load_settings(environ)
    assert "first-71c4" not in repr(settings)
    return connection_options(settings.kafka)


def log_in(given: dict[str, Any]) -> Any:
    """As kafka-python does at each connection."""
    from kafka.net.sasl import get_sasl_mechanism  # noqa: PLC0415 - imports kafka: after pytest_configure

    from workers.edges.kafka_login import ask_for_passwords  # noqa: PLC0415 - the same

    ask_for_passwords()
    return get_sasl_mechanism(given["sasl_mechanism"])(host="kafka", **given)


def test_a_plain_login_sends_the_files_present_text_and_the_former_while_it_is_gone(file: Path) -> None:
    given = options(file, "PLAIN")
    assert log_in(given).auth_bytes() == b"relay\0relay\0first-71c4"
    file.with_suffix(".new").write_text("second\n")
    file.with_suffix(".new").rename(file)
    assert log_in(given).auth_bytes() == b"relay\0relay\0second"
    file.unlink()
    assert log_in(given).auth_bytes() == b"relay\0relay\0second"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_so_does_a_scram_login(file: Path, mechanism: str) -> None:
    given = options(file, mechanism)
    assert log_in(given)._scram_client.password == b"first-71c4"
    file.with_suffix(".new").write_text("second")
    file.with_suffix(".new").rename(file)
    assert log_in(given)._scram_client.password == b"second"


def test_a_password_of_the_environment_is_taken_as_it_is() -> None:
    environ = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "relay"}
    settings = load_settings(environ | {"KAFKA_SASL_PASSWORD": "fixed"})
    assert log_in(connection_options(settings.kafka)).auth_bytes() == b"relay\0relay\0fixed"
