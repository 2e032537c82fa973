"""How Kafka clients are made: every option chosen on purpose, nothing left behind by a failure."""

import subprocess
import sys
from typing import Any

import kafka
import pytest

from workers.edges.kafka.client import KafkaConnection, admin_options, consumer_options, producer_options

NOWHERE = KafkaConnection(bootstrap=("127.0.0.1:9",), password="canary-77aa")
# Options whose default is right, or that have no meaning for us. An option of a new release is in neither list: the
# test fails until a maintainer has decided on it.
LEFT = {
    "api_version", "client_dns_lookup", "connections_max_idle_ms", "kafka_client", "metric_reporters",
    "metrics_num_samples", "metrics_sample_window_ms", "proxy_url", "receive_buffer_bytes",
    "receive_message_max_bytes", "sasl_kerberos_domain_name", "sasl_kerberos_name", "sasl_kerberos_service_name",
    "sasl_oauth_token_provider", "selector", "send_buffer_bytes", "socket_options", "socks5_proxy", "ssl_ciphers",
    "ssl_context", "ssl_crlfile", "ssl_password", "max_in_flight_requests_per_connection", "metrics_enabled",
    "client_rack", "key_deserializer", "value_deserializer", "enable_incremental_fetch_sessions",
    "auto_commit_interval_ms", "default_offset_commit_callback", "partition_assignment_strategy",
    "consumer_timeout_ms", "metric_group_prefix", "key_serializer", "value_serializer", "compression_type",
    "partitioner",
}  # fmt: skip


@pytest.mark.parametrize(
    ("client", "options"),
    [
        ("KafkaConsumer", consumer_options(NOWHERE, group="g", instance="i")),
        ("KafkaProducer", producer_options(NOWHERE)),
        ("KafkaAdminClient", admin_options(NOWHERE)),
    ],
)
def test_every_option_of_the_client_is_set_or_left_on_purpose(client: str, options: dict[str, Any]) -> None:
    known = set(getattr(kafka, client).DEFAULT_CONFIG)
    assert set(options) <= known
    assert known - set(options) <= LEFT


def test_a_consumer_commits_and_moves_nothing_by_itself() -> None:
    options = consumer_options(NOWHERE)
    assert options["enable_auto_commit"] is False
    assert options["auto_offset_reset"] == "none"
    assert options["isolation_level"] == "read_committed"
    assert options["allow_auto_create_topics"] is False
    assert options["heartbeat_interval_ms"] * 3 <= options["session_timeout_ms"]


@pytest.mark.parametrize("client", ["KafkaConsumer", "KafkaProducer", "KafkaAdminClient"])
def test_a_client_that_cannot_reach_the_cluster_leaves_no_thread(client: str) -> None:
    """In a process of its own: kafka-python leaves refused sockets to the garbage, which would warn in a later test."""
    options = {
        "KafkaConsumer": consumer_options(NOWHERE),
        "KafkaProducer": producer_options(NOWHERE) | {"retries": 1},
        "KafkaAdminClient": admin_options(NOWHERE),
    }[client]
    code = (
        "import threading, kafka\n"
        "from workers.edges.kafka.client import *\n"
        "from workers.edges.kafka.errors import kafka_errors\n"
        "try:\n"
        f"    with kafka_errors(KafkaConnection(bootstrap=('127.0.0.1:9',))):\n"
        f"        open_client(kafka.{client}, {options | {'bootstrap_timeout_ms': 200}!r})\n"
        "except KafkaFailed as error:\n"
        "    print(error, threading.active_count())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("cannot reach Kafka at 127.0.0.1:9")
    assert ended.stdout.endswith(" 1\n")
