"""How every Kafka client of the relay connects; each default that kafka-python gets wrong is set here.

Importing this module does not import kafka-python, so that configuration can be read without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

MIB = 1024 * 1024

SESSION = 45.0
"""Seconds: a silent member then has lost its partitions. A static member that restarts within them keeps them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Where the cluster is and who we are there."""

    bootstrap: tuple[str, ...] = ("localhost:9092",)  # HOST:PORT each
    protocol: str = "PLAINTEXT"  # PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
    mechanism: str | None = None  # PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    username: str | None = None
    password: str | Callable[[], str] | None = field(default=None, repr=False)  # a function: asked at each connection
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    client_id: str = "order-relay"


class KafkaFailed(Exception):  # noqa: N818 - the cluster's answer, in one line
    """The cluster could not be reached, or refused; the message says what to do."""


def connection_options(connection: KafkaConnection) -> dict[str, Any]:
    """Keyword arguments that every kafka-python client takes."""
    return {
        "bootstrap_servers": list(connection.bootstrap),
        "client_id": connection.client_id,
        "security_protocol": connection.protocol,
        "sasl_mechanism": connection.mechanism,
        "sasl_plain_username": connection.username,
        "sasl_plain_password": connection.password,
        "ssl_check_hostname": True,
        "ssl_cafile": connection.cafile,
        "ssl_certfile": connection.certfile,
        "ssl_keyfile": connection.keyfile,
        "bootstrap_timeout_ms": 10_000,  # the constructor blocks for so long; the caller tries again
        "request_timeout_ms": 30_000,
        "retry_backoff_ms": 100,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 5_000,  # 30 s would outlast a broker's restart many times over
        "connections_max_idle_ms": 540_000,  # below the broker's ten minutes: we close first, never into a reset
        "metadata_max_age_ms": 60_000,  # new partitions are seen within a minute, not five
    }


def consumer_options(
    connection: KafkaConnection, *, group: str | None = None, instance: str | None = None, session: float = SESSION
) -> dict[str, Any]:
    """Keyword arguments of a `KafkaConsumer`: static member ``instance`` of ``group``, or of no group at all.

    ``session``: seconds of silence after which a member has lost its partitions.

    Nothing is committed or moved unasked: no auto-commit, and an offset that is
    missing or out of range raises instead of jumping to an end of the log, which
    would lose or repeat records silently.
    """
    return connection_options(connection) | {
        "group_id": group,
        "group_instance_id": instance,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "exclude_internal_topics": True,
        "check_crcs": True,
        "session_timeout_ms": round(session * 1000),
        # Several in a session: one that is lost throws nobody out. Never rarer than 3 s: they tell of rebalances too.
        "heartbeat_interval_ms": round(min(3.0, session / 5) * 1000),
        "max_poll_interval_ms": 300_000,
        "max_poll_records": 500,
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": 500,
        "fetch_max_bytes": 4 * MIB,  # per broker and fetch: bounds memory whatever the backlog
        "max_partition_fetch_bytes": MIB // 4,  # a larger record still comes, alone
        "metrics_enabled": False,  # ours are counted by the worker; kafka-python's cost CPU per record
    }


def producer_options(connection: KafkaConnection, *, transactional_id: str | None = None) -> dict[str, Any]:
    """Keyword arguments of a `KafkaProducer` that is idempotent and waits for all in-sync replicas."""
    return connection_options(connection) | {
        "transactional_id": transactional_id,
        "transaction_timeout_ms": 60_000,
        "enable_idempotence": True,
        "acks": "all",
        "retries": float("inf"),  # bounded by the delivery time-out, not by a count
        "delivery_timeout_ms": 120_000,
        "max_in_flight_requests_per_connection": 5,  # the most that idempotence keeps in order
        "max_block_ms": 30_000,
        "max_request_size": 64 * MIB,  # the topic's max.message.bytes decides: no parked record is refused here
        "batch_size": 64 * 1024,
        "linger_ms": 5,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def admin_options(connection: KafkaConnection) -> dict[str, Any]:
    """Keyword arguments of a `KafkaAdminClient`."""
    return connection_options(connection)


@contextmanager
def kafka_errors(connection: KafkaConnection) -> Iterator[None]:
    """Turn what kafka-python raises into `KafkaFailed`: one line that says where and what to do."""
    from kafka.errors import KafkaError  # noqa: PLC0415 - see the module's docstring

    try:
        yield
    except KafkaError as error:
        raise KafkaFailed(_advice(error, connection)) from error
    except BrokenPipeError:
        raise  # who read our output has left, such as `head`; of its own sockets kafka-python raises none of these
    except OSError as error:  # a certificate file that TLS cannot use, a socket that cannot be opened
        reason = error.strerror or type(error).__name__
        raise KafkaFailed(
            f"cannot open a connection to Kafka: {reason}; check KAFKA_SSL_CAFILE and its sisters"
        ) from error


def _advice(error: Exception, connection: KafkaConnection) -> str:
    name = type(error).__name__
    servers = ",".join(connection.bootstrap)
    if "Authorization" in name:
        return f"Kafka refuses it: {name}; the user {connection.username or '(none)'} lacks this right: ask for an ACL"
    if "Authentication" in name or "Sasl" in name:
        return f"Kafka at {servers} refuses our user ({name}); check KAFKA_SASL_USERNAME, _PASSWORD and _MECHANISM"
    if name in {"KafkaTimeoutError", "KafkaConnectionError", "NodeNotReadyError"}:
        return (
            f"cannot reach Kafka at {servers}; check that it runs, KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL"
        )
    return f"Kafka at {servers} refuses it: {_answer(error)}"


def _answer(error: Exception) -> str:
    """The broker's own sentence, without the request and response that kafka-python wraps around it."""
    said = re.search(r"""error_message=(["'])(?P<said>.+?)\1[,)]""", str(error))
    text = said["said"] if said else str(error).partition("Request '")[0]
    return " ".join(text.split())[:300] or type(error).__name__


def open_client(make: Callable[..., T], options: Mapping[str, Any]) -> T:
    """Make a kafka-python client; raises what its constructor raises, with no thread left behind.

    A constructor that cannot reach the cluster leaves its IO thread running: a
    worker that tries again for an hour would have hundreds of them.
    """
    from kafka.net.compat import KafkaNetClient  # noqa: PLC0415 - see the module's docstring

    from workers.edges.kafka.client_patches import mend  # noqa: PLC0415 - the same
    from workers.edges.kafka.login import ask_for_passwords  # noqa: PLC0415 - the same

    mend()
    ask_for_passwords()
    inner: list[Any] = []

    def keep(**config: Any) -> Any:
        inner.append(KafkaNetClient(**config))
        return inner[-1]

    try:
        return make(**options, kafka_client=keep)
    except BaseException:
        for client in inner:
            client.close()
            client._manager._net.stop()  # noqa: SLF001 - no other way: the object that would stop it was never made
        raise
