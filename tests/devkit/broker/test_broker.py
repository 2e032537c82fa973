"""The development broker is a real Kafka that starts, breaks and goes away on command."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from workers.devkit.broker.broker import Broker, ToolMissingError
from workers.devkit.broker.install import BrokerError, installed, publish


def send(broker: Broker, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap)
    producer.send(topic, value).get(timeout=20)
    producer.close(timeout=5)


def read_one(broker: Broker, topic: str) -> bytes:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    value: bytes = next(consumer).value
    consumer.close()
    return value


@pytest.mark.broker
def test_a_record_goes_in_and_comes_out(broker: Broker, topics: Callable[..., str]) -> None:
    topic = topics(partitions=1)
    send(broker, topic, b"x")
    assert read_one(broker, topic) == b"x"


@pytest.mark.broker
def test_data_and_address_survive_a_crash(own_broker: Broker) -> None:
    address = own_broker.bootstrap
    own_broker.create_topic("orders")
    send(own_broker, "orders", b"before")
    own_broker.kill()
    own_broker.restart()
    assert own_broker.bootstrap == address
    assert read_one(own_broker, "orders") == b"before"


@pytest.mark.broker
def test_a_paused_broker_can_be_stopped(own_broker: Broker) -> None:
    own_broker.pause()
    own_broker.stop()
    assert own_broker.process.returncode is not None
    assert not own_broker.folder.exists()


@pytest.mark.broker
def test_a_given_folder_keeps_the_data(tmp_path: Path, broker: Broker) -> None:
    with Broker.start(tmp_path) as first:
        first.create_topic("orders")
        send(first, "orders", b"kept")
    with Broker.start(tmp_path) as second:
        assert read_one(second, "orders") == b"kept"


@pytest.mark.broker
def test_kafka_dies_with_the_process_that_started_it(broker: Broker, tmp_path: Path) -> None:
    """SIGKILL gives no chance to tidy up: the kernel ends Kafka."""
    starts = "from workers.devkit.broker.broker import Broker; print(Broker.start().process.pid, flush=True); input()"
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", starts]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        kafka = int(parent.stdout.readline())
        watch = os.pidfd_open(kafka)
        parent.send_signal(signal.SIGKILL)
        gone, _, _ = select.select([watch], [], [], 20)
        os.close(watch)
    assert gone


def test_missing_java_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=r"apt-get install maven.*KAFKA_BOOTSTRAP_SERVERS") as missing:
        installed()
    assert "\n" not in str(missing.value)
    assert list(tmp_path.iterdir()) == []


def test_maven_that_fails_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text("#!/bin/sh\necho downloading >&2\necho '[ERROR] no route to host' >&2\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BrokerError, match=r"Maven could not fetch Kafka: \[ERROR\] no route to host"):
        installed()
    assert list((tmp_path / "cache" / "order-relay").iterdir()) == []


def test_of_two_that_install_at_once_the_second_discards_its_work(tmp_path: Path) -> None:
    home = tmp_path / "kafka"
    for name in ("first", "second"):
        for part in ("libs", "formatted"):
            (tmp_path / name / part).mkdir(parents=True)
        (tmp_path / name / "libs" / name).touch()
        publish(tmp_path / name, home)
    assert [jar.name for jar in (home / "libs").iterdir()] == ["first"]
