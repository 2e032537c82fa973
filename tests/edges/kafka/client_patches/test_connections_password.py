"""A changed password file is used from the next connection to Kafka on, without a restart."""

import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.net.sasl import get_sasl_mechanism

from tests.support.topics_yaml import load_settings
from workers.devkit.broker.broker import Broker
from workers.edges.kafka.client import connection_options, open_client
from workers.edges.kafka.client_patches.install import patch_client

PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


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
    patch_client()
    return get_sasl_mechanism(given["sasl_mechanism"])(host="kafka", **given)


def test_a_plain_login_sends_the_files_present_text_and_the_last_one_while_the_file_is_missing(file: Path) -> None:
    given = options(file, "PLAIN")
    assert log_in(given).auth_bytes() == b"relay\0relay\0first-71c4"
    file.with_suffix(".new").write_text("second\n")
    file.with_suffix(".new").rename(file)
    assert log_in(given).auth_bytes() == b"relay\0relay\0second"
    file.unlink()
    assert log_in(given).auth_bytes() == b"relay\0relay\0second"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_scram_login_uses_the_files_present_text(file: Path, mechanism: str) -> None:
    given = options(file, mechanism)
    assert log_in(given)._scram_client.password == b"first-71c4"
    file.with_suffix(".new").write_text("second")
    file.with_suffix(".new").rename(file)
    assert log_in(given)._scram_client.password == b"second"


def test_a_password_from_the_environment_is_used_as_it_is() -> None:
    environ = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "relay"}
    settings = load_settings(environ | {"KAFKA_SASL_PASSWORD": "fixed"})
    assert log_in(connection_options(settings.kafka)).auth_bytes() == b"relay\0relay\0fixed"


@pytest.mark.broker
def test_an_open_client_survives_a_password_change_of_cluster_and_file(
    own_broker: Broker, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        port = held.getsockname()[1]
    want_password(own_broker, port, "first-71c4")
    given = options(file, "PLAIN") | {"bootstrap_servers": [f"127.0.0.1:{port}"]}
    with closing(open_client(KafkaAdminClient, given)) as client:
        until_answered(client)
        file.with_suffix(".new").write_text("second\n")
        file.with_suffix(".new").rename(file)
        want_password(own_broker, port, "second")
        until_answered(client)


def until_answered(client: Any) -> None:
    """A client that has lost its connection needs a moment; a refused one never gets an answer."""
    until = time.monotonic() + 20
    while True:
        try:
            client.list_topics()
        except KafkaError:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return


def want_password(broker: Broker, port: int, password: str) -> None:
    """Restart the broker with a listener that asks for a password."""
    protocols = "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,ASKING:SASL_PLAINTEXT"
    own = {
        "listeners": f"BROKER://127.0.0.1:{broker.ports.broker},CONTROLLER://127.0.0.1:{broker.ports.controller},"
        f"ASKING://127.0.0.1:{port}",
        "advertised.listeners": f"BROKER://{broker.bootstrap},ASKING://127.0.0.1:{port}",
        "listener.security.protocol.map": protocols,
        "listener.name.asking.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.asking.plain.sasl.jaas.config": f'{PLAIN_LOGIN} user_relay="{password}";',
    }
    broker.restart(own)
