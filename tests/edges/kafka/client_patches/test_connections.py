"""How a client finds its brokers and joins, by kafka-python as released and as patched.

A test of "the released client" fails when a release has mended that fault: its patch can go then.
"""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.cluster import ClusterMetadata
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.errors import KafkaConnectionError
from kafka.net.sasl.plain import SaslMechanismPlain

from workers.edges.kafka.client_patches.connections import RELEASED_REFRESH, Refreshes, keep_join_requested

ODD = b"\xff\xfe odd"
AT = TopicPartition("orders", 0)


# Brokers that have all changed their addresses.


class Brokers:
    """The connections of a client that knows one broker: none of the addresses answers."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cluster = ClusterMetadata(bootstrap_servers=["one:1", "two:2"])
        self._net = self
        self.cluster.attach(self)

    def least_loaded_node(self) -> str:
        return "known"

    def reset_backoff(self, node_id: str) -> None:
        pass

    async def send(self, _: Any, node_id: str) -> None:
        self.asked.append(node_id)
        raise KafkaConnectionError(node_id)

    async def refresh(self, ask: Callable[[Any, Any], Any], times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(KafkaConnectionError):
                await ask(self.cluster, None)


async def test_the_released_client_asks_only_the_brokers_that_it_knows() -> None:
    brokers = Brokers()
    await brokers.refresh(RELEASED_REFRESH, 50)
    assert set(brokers.asked) == {"known"}


async def test_bootstrap_addresses_are_asked_again_while_no_known_broker_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    now = [0.0]
    refreshes, brokers = Refreshes(lambda: now[0]), Brokers()
    await brokers.refresh(refreshes.ask, 50)
    assert set(brokers.asked) == {"known"}, "a broker that restarts is no reason"
    for now[0] in range(5, 125):
        await brokers.refresh(refreshes.ask)
    assert set(brokers.asked) == {"known", "bootstrap-0", "bootstrap-1"}
    lines = [record.values for record in caplog.records if record.getMessage() == "kafka_asks_everywhere"]  # type: ignore[attr-defined]
    assert [line["tried"] for line in lines] == [["one:1", "two:2"]] * 2, "one line a minute"


# A password that changes: the patched client is tested in test_login.py.


def test_the_released_client_takes_no_function_as_password() -> None:
    mechanism = SaslMechanismPlain(sasl_plain_username="relay", sasl_plain_password=lambda: "now")
    with pytest.raises(TypeError):
        mechanism.auth_bytes()


# A constructor that fails.


def threads_after_a_failed_connection(make: str) -> int:
    """In a process of its own: kafka-python leaves refused sockets to the garbage, which would warn in a later test."""
    code = (
        "import threading, kafka\n"
        "from kafka.errors import KafkaError\n"
        "from workers.edges.kafka.client import *\n"
        "options = consumer_options(KafkaConnection(bootstrap=('127.0.0.1:9',))) | {'bootstrap_timeout_ms': 200}\n"
        "try:\n"
        f"    {make}\n"
        "except KafkaError:\n"
        "    print(threading.active_count(), flush=True)\n"
        "import os; os._exit(0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(ended.stdout)


def test_the_released_client_leaves_a_thread_when_it_cannot_connect() -> None:
    assert threads_after_a_failed_connection("kafka.KafkaConsumer(**options)") > 1


def test_a_client_that_cannot_connect_leaves_no_thread() -> None:
    assert threads_after_a_failed_connection("open_client(kafka.KafkaConsumer, options)") == 1


# A join that is forgotten.


def leader_that_revokes() -> Any:
    """A group leader that has found other metadata than those of its assignment, and has begun to revoke."""
    coordinator = object.__new__(ConsumerCoordinator)
    coordinator._subscription = SimpleNamespace(partitions_auto_assigned=lambda: True, subscription={"orders"})
    coordinator.config = {"group_id": "g", "api_version": (4, 0)}
    coordinator._joined_subscription = {"orders"}
    coordinator.rejoin_needed = False
    coordinator._assignment_snapshot, coordinator._metadata_snapshot = ({"orders": {0}}, {"orders": {0, 1}})
    assert coordinator.need_rejoin()
    return coordinator


def test_the_released_client_forgets_to_join_when_the_metadata_agree_again() -> None:
    coordinator = leader_that_revokes()
    coordinator._metadata_snapshot = {"orders": {0}}
    assert not coordinator.need_rejoin()


def test_a_join_follows_each_revocation_whatever_the_metadata_say() -> None:
    coordinator = leader_that_revokes()
    keep_join_requested(SimpleNamespace(_coordinator=coordinator))
    coordinator._metadata_snapshot = {"orders": {0}}
    assert coordinator.need_rejoin()
