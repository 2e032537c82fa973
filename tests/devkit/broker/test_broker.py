"""The development broker is a real Kafka that starts, crashes, hangs and stops on command."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from workers.devkit.broker.broker import Broker


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
def test_a_published_record_is_read_back(broker: Broker, topics: Callable[..., str]) -> None:
    topic = topics(partitions=1)
    send(broker, topic, b"x")
    assert read_one(broker, topic) == b"x"


@pytest.mark.broker
def test_a_given_folder_keeps_the_data_through_a_crash_and_a_stop_of_a_paused_broker(tmp_path: Path) -> None:
    with Broker.start(tmp_path) as first:
        address = first.bootstrap
        first.create_topic("orders")
        send(first, "orders", b"kept")
        first.kill()
        first.restart()
        assert first.bootstrap == address
        assert read_one(first, "orders") == b"kept"
        first.pause()
        first.stop()
        assert first.process.returncode is not None
    with Broker.start(tmp_path) as second:
        assert read_one(second, "orders") == b"kept"


@pytest.mark.broker
def test_kafka_dies_with_the_process_that_started_it(broker: Broker, tmp_path: Path) -> None:
    """A process that gets SIGKILL cannot stop its Kafka: the kernel does."""
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
