"""How every Kafka client of the relay connects; each default that kafka-python gets wrong is set here.

Importing this module does not import kafka-python, so that configuration can be read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from workers.edges.kafka.reach.causes import Cause

T = TypeVar("T")

MIB = 1024 * 1024

SESSION_TIMEOUT_S = 45.0
"""After so long without a heartbeat a member loses its partitions; a static one that restarts sooner keeps them."""


class Waits(Protocol):
    """What shows that a client waits for Kafka: a command's line, or a worker's state."""

    def waits(self, servers: str, cause: Cause) -> None:
        """Called in a thread of its own, once for each client that waits longer than a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """The cluster's addresses and our credentials there."""

    bootstrap: tuple[str, ...] = ("localhost:9092",)  # HOST:PORT each
    protocol: str = "PLAINTEXT"  # PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
    mechanism: str | None = None  # PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    username: str | None = None
    password: str | Callable[[], str] | None = field(default=None, repr=False)  # a function is called at each login
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    key_password: str | Callable[[], str] = field(default="", repr=False)  # None would ask the terminal
    client_id: str = "order-relay"
    waiting: Waits | None = field(default=None, repr=False, compare=False)  # None: nothing shows it


class KafkaFailed(Exception):  # noqa: N818 - the cluster's answer, in one line
    """The cluster could not be reached, or refused; the message says what to do (made in `errors`)."""


class Fenced(KafkaFailed):
    """Another producer of the same transactional id has begun since: nothing was written."""


class MetadataTooLarge(KafkaFailed):
    """The brokers keep no text of this length with a commit (``offset.metadata.max.bytes``)."""


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
        "ssl_password": connection.key_password,
        "bootstrap_timeout_ms": 8_000,  # the constructor blocks for so long: a command has failed within ten seconds
        "request_timeout_ms": 30_000,
        "retry_backoff_ms": 100,
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 5_000,  # 30 s would outlast a broker's restart many times over
        "connections_max_idle_ms": 540_000,  # below the broker's ten minutes: we close first, never into a reset
        "metadata_max_age_ms": 60_000,  # new partitions are seen within a minute, not five
    }


def consumer_options(
    connection: KafkaConnection,
    *,
    group: str | None = None,
    instance: str | None = None,
    session_timeout_s: float = SESSION_TIMEOUT_S,
) -> dict[str, Any]:
    """Keyword arguments of a `KafkaConsumer`: static member ``instance`` of ``group``, or of no group at all.

    ``session_timeout_s``: how long without a heartbeat until a member loses its partitions.

    The consumer commits and moves nothing by itself: no auto-commit, and an offset that is missing or out of range
    raises instead of jumping to an end of the log, which would lose or repeat records silently.
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
        "session_timeout_ms": round(session_timeout_s * 1000),
        # Several in a session: one lost heartbeat costs no membership. Every 3 s at least: they bring rebalances too.
        "heartbeat_interval_ms": round(min(3.0, session_timeout_s / 5) * 1000),
        "max_poll_interval_ms": 300_000,
        "max_poll_records": 500,
        "fetch_min_bytes": 1,
        "fetch_max_wait_ms": 500,
        "fetch_max_bytes": 4 * MIB,  # per broker and fetch: bounds memory whatever the backlog
        "max_partition_fetch_bytes": MIB // 4,  # a larger record still comes, alone
        "metrics_enabled": False,  # the worker counts its own; kafka-python's cost CPU per record
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


def open_client(make: Callable[..., T], options: Mapping[str, Any], waiting: Waits | None = None) -> T:
    """Make a patched kafka-python client, and leave no thread behind when that fails.

    Raises what its constructor raises, and `reach.causes.Unreachable`, with the cause, where no broker answers.
    """
    from workers.edges.kafka.reach.opening import open_patched  # noqa: PLC0415 - see the module's docstring

    return open_patched(make, options, waiting)
