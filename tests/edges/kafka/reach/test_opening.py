"""A client that cannot be opened says why: each cause at a real socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.kafka_opening import opened, opened_within
from workers.devkit.broker.broker import Broker

WEB_ANSWER = b"HTTP/1.1 400 Bad Request\r\n\r\n"


@contextmanager
def listener(answer: bytes | None) -> Iterator[str]:
    """A port that takes connections, and answers each request so; None: not at all; empty: it closes."""
    with ExitStack() as ends:
        server = ends.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            while True:
                try:
                    connection = ends.enter_context(server.accept()[0])
                    if answer is not None:
                        connection.recv(1000)
                        connection.sendall(answer)
                    if answer == b"":
                        connection.close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("address", "what", "advice"),
    [
        ("127.0.0.1:9", "connection refused", "check that it runs, and KAFKA_BOOTSTRAP_SERVERS"),
        ("nonexistent.invalid:9092", "name not found", "check KAFKA_BOOTSTRAP_SERVERS"),
    ],
)
def test_a_client_says_what_it_waits_for_and_ends_with_the_cause(address: str, what: str, advice: str) -> None:
    found = opened(address)
    assert found == {"waits": what, "ends": f"cannot reach Kafka at {address}: {what}; {advice}", "threads": 1}


@pytest.mark.parametrize(
    ("answer", "protocol", "cause"),
    [
        (None, "PLAINTEXT", "no answer; check that it runs"),
        (None, "SSL", "no answer; check that it runs"),
        (WEB_ANSWER, "PLAINTEXT", "the answer is not Kafka's; check KAFKA_BOOTSTRAP_SERVERS"),
        (WEB_ANSWER, "SSL", "TLS: no handshake ("),
        (b"", "PLAINTEXT", "the broker closed the connection; check KAFKA_SECURITY_PROTOCOL"),
    ],
)
def test_a_port_that_is_no_kafka_for_us_is_named_by_what_it_does(
    answer: bytes | None, protocol: str, cause: str
) -> None:
    """A TLS handshake that is never answered has no time limit in the released client."""
    with listener(answer) as address:
        found = opened(address, protocol=protocol)
    assert str(found["ends"]).startswith(f"cannot reach Kafka at {address}: {cause}")
    assert found["threads"] == 1


@pytest.mark.broker
@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"protocol": "SSL"}, "TLS: no handshake ("),
        (
            {"protocol": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "u", "password": "canary"},
            "login: the broker offers no such login; check KAFKA_SECURITY_PROTOCOL",
        ),
    ],
)
def test_a_broker_of_another_protocol_is_named(broker: Broker, given: dict[str, str], cause: str) -> None:
    found = opened_within(4.0, broker.bootstrap, given)  # a busy broker takes its time to refuse
    assert str(found["ends"]).startswith(f"cannot reach Kafka at {broker.bootstrap}: {cause}")
    assert "canary" not in str(found)
